#!/usr/bin/env python3
"""Measure training: an update's time and the parts of it, pairs/s, peak memory, and what a second process brings.

    python scripts/bench_train.py                                      # all methods at their recipes' batch and crop
    python scripts/bench_train.py --model refusion --repeat 5 --json train.json
    python scripts/bench_train.py --model ignet --variants plain channels_last+bf16 --batch_size 4 --crop_size 128

Runs the model class as train.py does, on PNG files made for it that the data loader reads, in fresh processes; forward
includes the losses. A method with two phases in an epoch (ReFusion: A, its loss learns; B, the networks learn) has rows
for each. Where the order of work of the training code in circulation is transcribed (scripts/originals/training), it
runs in turn with ours, on the same weights and with the C library's allocator as it is: "times as fast" is the median
over the rounds of the ratio of the processor's time. Two processes, each with a batch of its own, run in turn with one:
"efficiency" is the rate next to that of one process times the processes, or threads; behind it the same of the
processor's time that a pair takes, which says more on a machine with other work. "of a product" is the rate of
multiplications and additions next to that of a product of large matrices in the same process.

A variant joins words by "+": channels_last, compile and bf16 (the flags of train.py) and system_malloc (our allocator
left out), or is "plain". The GPU's columns, always at the recipe's batch and crop, are empty where there is none.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import socket
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import models
from models.base_model import BaseModel
from options.option_parser import OptionParser
from options.types import whole_number
from scripts.contestants.training import PARTS, Case, make_original, make_ours, write_pictures
from util.benchmark import (
    SYSTEM_MALLOC,
    Contestant,
    Turn,
    describe_machine,
    format_table,
    median_ratio,
    read_load,
    record,
    variant,
)
from util.files import atomic_write
from util.jobs import count_cores
from util.launch import run_script
from util.lazy import torch
from util.logger import log

METHODS = ("r2gan", "fusion2void", "refusion", "ignet", "blurcnn")
ORIGINALS = [path.stem for path in (Path(__file__).parent / "originals" / "training").glob("[!_]*.py")]
HEADS = ("method", "variant", "processes x threads", "pairs", "s", "CPU s", "data", "forward", "backward", "optimiser",
         "communication", "pairs/s", "efficiency", "times as fast", "of a product", "MiB", "GPU: pairs/s",
         "of a product", "MiB")  # fmt: skip


def main() -> None:
    """Print a table for each method, with a row for each phase, variant and number of processes."""
    opt = parse()
    for name in opt.model:
        models.find_model(name)
    everything = {}
    for name in opt.model:
        machine = f"One update, median of {opt.repeat}, {describe_size(opt)}; {describe_machine(opt.threads)}"
        with tempfile.TemporaryDirectory() as folder:
            write_pictures(Path(folder), name, opt.crop_size)
            rows = [row for phase in find_phases(name) for row in measure_phase(name, phase, folder, opt)]
        table = format_table(HEADS, map(format_row, rows))
        text = "\n".join([f"{machine}, {read_load()} at the end.\n", table, "", *compare_phases(rows)])
        log(f"{text}\n")
        everything[name] = {"machine": machine, "rows": rows}
        if opt.record:
            record(f"training {name}", text)
    if opt.json:
        atomic_write(opt.json, json.dumps(everything, indent=1) + "\n")


def parse():
    parser = OptionParser(description=__doc__, prog="bench_train.py")
    group = parser.group("run")
    group.add_argument("-h", "--help", action="help", help="show this and stop")
    group.add_argument("--model", nargs="+", type=str.lower, default=METHODS, metavar="NAME", help="methods")
    group.add_argument(
        "--variants", nargs="+", type=variant, default=["plain", "channels_last"], metavar="WORDS", help="rows of each"
    )
    group.add_argument("--batch_size", type=whole_number(1, 65536), metavar="N", help="pairs (default: the recipe's)")
    group.add_argument("--crop_size", type=whole_number(8, 65536), metavar="N", help="pixels (default: the recipe's)")
    group.add_argument(
        "--threads", type=whole_number(1, 1024), default=max(1, count_cores() // 2), metavar="N",
        help="of each process (default: half of the cores, so that two processes have all of them)",
    )  # fmt: skip
    group.add_argument("--num_threads", type=whole_number(0, 64), default=1, metavar="N", help="workers of the loader")
    group.add_argument("--repeat", type=whole_number(1, 10000), default=3, metavar="N", help="updates that count")
    group.add_argument("--no_original", action="store_true", help="measure ours alone")
    group.add_argument("--no_scaling", action="store_true", help="leave out more threads and a second process")
    group.add_argument("--json", metavar="FILE", help="write the figures there, too")
    group.add_argument("--record", action="store_true", help="write each method's table to docs/performance.md")
    return parser.parse_strictly(sys.argv[1:])


def describe_size(opt) -> str:
    """Return what a batch is."""
    batch = f"a batch of {opt.batch_size}" if opt.batch_size else "the recipe's batch"
    return f"{batch}, {f'crops of {opt.crop_size}' if opt.crop_size else 'its crop'}"


def find_phases(name: str) -> list[str]:
    """Return the phases of a method's epoch: "A" and "B", or "" where there is one."""
    return [""] if models.find_model(name).count_prelude is BaseModel.count_prelude else ["A", "B"]


def measure_phase(name: str, phase: str, folder: str, opt) -> list[dict]:
    """Return the rows of one phase: its original where there is one, the variants, more threads, two processes."""
    first = Case(
        name, phase, opt.variants[0], folder, opt.batch_size, opt.crop_size, opt.threads, workers=opt.num_threads
    )
    variants = [first._replace(variant=words) for words in opt.variants]
    if name in ORIGINALS and not opt.no_original:
        rows, rounds = measure(first._replace(variant="original"), variants, opt.repeat)
        for row, turns in zip(rows[1:], rounds, strict=True):
            row["ratio"] = median_ratio(*turns, "processor")
    else:
        rows = [measure(case, [], opt.repeat)[0][0] for case in variants]
    if not opt.no_scaling:
        cases = [first._replace(threads=2 * opt.threads), first._replace(processes=2)]
        more, rounds = measure(first, cases, opt.repeat)
        for row, turns in zip(more[1:], rounds, strict=True):
            # Each process has as many pairs as the one had.
            row["efficiency"] = median_ratio(*turns) * row["processes"] / 2
            row["efficiency_of_processor"] = median_ratio(*turns, "processor") * row["processes"]
        rows += more[1:]
    if torch.cuda.is_available():
        for row in rows:
            if row["variant"] != "original" and row["threads"] == opt.threads:
                row["gpu"] = measure_on_gpu(first._replace(variant=row["variant"], processes=row["processes"]), opt)
    return rows


def measure(reference: Case, cases: Sequence[Case], repeat: int) -> tuple[list[dict], list[tuple]]:
    """Let each of ``cases`` take turns with ``reference``.

    Returns:
        the rows of the reference and of the cases; for each case the turns of the reference and its own.
    """
    rows, rounds, updates = [], [], []
    with Group(reference) as first:
        first.run()  # the first update, which does not count
        for case in cases:
            with Group(case) as other:
                other.run()
                pairs = [(first.run(), other.run()) for _ in range(repeat)]
                theirs, own = (list(side) for side in zip(*pairs, strict=True))
                rows.append(other.summarise(own))
            rounds.append(([turn for turn, _ in theirs], [turn for turn, _ in own]))
            updates += theirs
        return [first.summarise(updates or [first.run() for _ in range(repeat)]), *rows], rounds


def measure_on_gpu(case: Case, opt) -> dict | None:
    """Return the row of a case at the recipe's size on GPUs; None where there are too few."""
    if torch.cuda.device_count() < case.processes:
        return None
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder), case.name, None)
        case = case._replace(folder=folder, batch_size=None, crop_size=None, device="cuda")
        rows, _ = measure(case, [], opt.repeat)
    return rows[0]


class Group:
    """The processes of one case: ``with Group(case) as group: group.run()``."""

    def __init__(self, case: Case):
        self.case = case
        title = f"{case.name} {case.phase}, {case.variant}"
        keep_memory = case.variant != "original" and SYSTEM_MALLOC not in case.variant.split("+")
        self._stack = contextlib.ExitStack()
        if case.variant == "original":
            calls = [(make_original, (case,))]
        else:
            port = _find_port()
            calls = [(make_ours, (case, rank, port)) for rank in range(case.processes)]
        self.members = [self._stack.enter_context(Contestant(title, *call, keep_memory=keep_memory)) for call in calls]
        self._pool = self._stack.enter_context(concurrent.futures.ThreadPoolExecutor(case.processes))

    def __enter__(self) -> Group:
        return self

    def __exit__(self, *_) -> None:
        self._stack.close()

    def run(self) -> tuple[Turn, dict]:
        """Make one update; return what it took, of all processes, and what the first tells of it."""
        turns = list(self._pool.map(Contestant.run, self.members))
        results = list(self._pool.map(Contestant.result, self.members))
        seconds = max(result["seconds"] for result in results)
        processor = sum(turn.processor for turn in turns)
        return Turn(seconds, processor, sum(turn.faults for turn in turns)), results[0]

    def summarise(self, updates: list[tuple[Turn, dict]]) -> dict:
        """Return a row."""
        case, result = self.case, updates[-1][1]
        memory = list(map(Contestant.memory, self.members))
        seconds = statistics.median(turn.seconds for turn, _ in updates)
        processor = statistics.median(turn.processor for turn, _ in updates)
        row = {
            "model": case.name, "phase": case.phase, "variant": case.variant, "processes": case.processes,
            "threads": case.threads, "pairs": case.processes * result["pairs"], "seconds": seconds,
            "processor_seconds": processor, "memory_before": sum(before for before, _ in memory),
            "memory": sum(peak for _, peak in memory), "gpu_memory": result.get("gpu_memory", 0.0),
        }  # fmt: skip
        for part in PARTS:
            row[part] = statistics.median(told["parts"][part] / told["seconds"] for _, told in updates)
        if result.get("operations"):
            took = seconds if case.device == "cuda" else processor
            row["of_product"] = case.processes * result["operations"] / took / result["product"]
        return row


def format_row(row: dict) -> list[str]:
    """Return the cells of a row."""

    def share(value: float | None) -> str:
        return "" if value is None else f"{value:.0%}".replace("%", " %")

    forward = 1 - sum(row[part] for part in PARTS)
    gpu = row.get("gpu") or {}
    return [
        f"{row['model']} {row['phase']}".strip(),
        row["variant"].replace("+", " + "),
        f"{row['processes']} x {row['threads']}",
        str(row["pairs"]),
        f"{row['seconds']:.2f}",
        f"{row['processor_seconds']:.2f}",
        *map(share, (row["data"], forward, row["backward"], row["optimiser"], row["communication"])),
        f"{row['pairs'] / row['seconds']:.2f}",
        f"{share(row['efficiency'])} (CPU {share(row['efficiency_of_processor'])})" if "efficiency" in row else "",
        f"{row['ratio']:.2f}" if "ratio" in row else "",
        share(row.get("of_product")),
        f"{row['memory']:,.0f}",
        f"{gpu['pairs'] / gpu['seconds']:.1f}" if gpu else "",
        share(gpu.get("of_product")),
        f"{gpu['gpu_memory']:,.0f}" if gpu else "",
    ]


def compare_phases(rows: list[dict]) -> Iterator[str]:
    """Yield what phase A takes in memory next to phase B, for each variant of one process."""
    phases = {(row["variant"], row["threads"], row["phase"]): row for row in rows if row["processes"] == 1}
    least = min(row["threads"] for row in rows)
    for (title, threads, phase), a in phases.items():
        if phase == "A" and threads == least and (b := phases.get((title, threads, "B"))):
            above = (a["memory"] - a["memory_before"]) / max(1, b["memory"] - b["memory_before"])
            yield (
                f"{a['model']}, {title}: the peak of phase A is {a['memory'] / b['memory']:.2f} times that of phase B "
                f"({above:.2f} times, what was there before the first batch left out)."
            )


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    run_script(main)
