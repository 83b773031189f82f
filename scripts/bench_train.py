#!/usr/bin/env python3
"""Measure training: the time of an update and its parts, images/s, and peak memory, per method and phase.

    python scripts/bench_train.py                                      # all methods at their recipes' batch and crop
    python scripts/bench_train.py --model refusion --repeat 5 --json train.json
    python scripts/bench_train.py --model ignet --variants plain channels_last+bf16 --batch_size 4 --crop_size 128

Runs the model class as train.py does, on generated batches, in a fresh process for each row; forward includes the
losses. A method with two phases in an epoch (ReFusion: A, its loss learns; B, the networks learn) has rows for each,
and a line that compares their memory. Where the order of work of the training code in circulation is transcribed
(scripts/originals/training), it runs in turn with ours, on the same weights and with the C library's allocator as it
is; "times as fast" is the median over the rounds. ReFusion's takes 10 GB at its recipe's crop. A variant joins words by
"+": channels_last, compile and bf16 (the flags of train.py) and system_malloc (our allocator left out), or is "plain".
"""

from __future__ import annotations

import contextlib
import importlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import models
from models.base_model import BaseModel
from options.option_parser import OptionParser
from options.train_options import TrainOptions
from options.types import whole_number
from util.benchmark import (
    SYSTEM_MALLOC,
    Contestant,
    Turn,
    describe_machine,
    flags_of,
    format_table,
    median_ratio,
    read_load,
    variant,
)
from util.files import atomic_write
from util.jobs import count_cores
from util.launch import run_script
from util.lazy import torch
from util.logger import log

METHODS = ("refusion", "ignet", "r2gan")
ORIGINALS = [path.stem for path in (Path(__file__).parent / "originals" / "training").glob("*.py")]
BATCH_SIZES = {"r2gan": 8}  # of recipes that give another than the method's own
HEADS = ("method", "variant", "pairs", "s", "forward", "backward", "optimiser", "pairs/s", "times as fast", "MiB",
         "MiB before")  # fmt: skip


def main() -> None:
    """Print a table with a row for each method, phase and variant."""
    opt = parse()
    for name in opt.model:
        models.find_model(name)
    log(f"One update, median of {opt.repeat}; {describe_machine(opt.threads)}\n")
    rows = [row for name in opt.model for phase in find_phases(name) for row in measure_phase(name, phase, opt)]
    log(format_table(HEADS, map(format_row, rows)))
    log()
    for sentence in compare_phases(rows):
        log(sentence)
    log(f"Load at the end: {read_load()}")
    if opt.json:
        atomic_write(opt.json, json.dumps({"machine": describe_machine(opt.threads), "rows": rows}, indent=1) + "\n")


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
    group.add_argument("--threads", type=whole_number(1, 1024), default=count_cores(), help="of each process")
    group.add_argument("--repeat", type=whole_number(1, 10000), default=3, metavar="N", help="updates that count")
    group.add_argument("--no_original", action="store_true", help="measure ours alone")
    group.add_argument("--json", metavar="FILE", help="write the figures there, too")
    return parser.parse_strictly(sys.argv[1:])


def find_phases(name: str) -> list[str]:
    """Return the phases of a method's epoch: "A" and "B", or "" where there is one."""
    return [""] if models.find_model(name).count_prelude is BaseModel.count_prelude else ["A", "B"]


def measure_phase(name: str, phase: str, opt) -> list[dict]:
    """Return the rows of one phase: its original where there is one, then the variants."""
    rows, seen = [], []
    with contextlib.ExitStack() as stack:
        original = None
        if name in ORIGINALS and not opt.no_original:
            original = stack.enter_context(enter(name, phase, "original", opt))
            original.run()  # the first update, which does not count
        for words in opt.variants:
            with enter(name, phase, words, opt) as ours:
                ours.run()
                updates = [(original and run(original), run(ours)) for _ in range(opt.repeat)]
                row = summarise(name, phase, words, [own for _, own in updates], ours)
            if original:
                row["ratio"] = median_ratio([theirs[0] for theirs, _ in updates], [own[0] for _, own in updates])
                seen += [theirs for theirs, _ in updates]
            rows.append(row)
        if original:
            rows.insert(0, summarise(name, phase, "original", seen, original))
    return rows


def run(contestant: Contestant) -> tuple[Turn, dict]:
    """Return what one update took, and what it says of itself."""
    return contestant.run(), contestant.result()


def enter(name: str, phase: str, title: str, opt) -> Contestant:
    """Start the process of one row."""
    make = make_original if title == "original" else make_ours
    settings = (name, phase, title, opt.batch_size or BATCH_SIZES.get(name), opt.crop_size, opt.threads)
    keep_memory = make is make_ours and SYSTEM_MALLOC not in title.split("+")
    return Contestant(f"{name} {phase}, {title}", make, settings, keep_memory=keep_memory)


def make_ours(
    name: str, phase: str, words: str, batch_size: int | None, crop_size: int | None, threads: int
) -> Callable[[], dict]:
    """Return a function that trains for one update as train.py does, in the process that calls it."""
    model = make_model(name, phase, flags_of(words), batch_size, crop_size, threads)
    batch = draw_batch(model)

    def update() -> dict:
        batches, clock = 1, Clock()
        with clock.watching():
            while not model.train_on(batch):
                batches += 1
        return {"pairs": batches * len(batch["name"]), **clock.shares, "losses": model.get_current_losses()}

    update.model = model
    return update


def make_original(
    name: str, phase: str, _: str, batch_size: int | None, crop_size: int | None, threads: int
) -> Callable[[], dict]:
    """Return a function that trains for one update in the order of the code in circulation."""
    model = make_model(name, phase, (), batch_size, crop_size, threads)
    model.set_input(draw_batch(model))
    update = importlib.import_module(f"scripts.originals.training.{name}").make_update(model, phase)

    def watched_update() -> dict:
        clock = Clock()
        with clock.watching():
            result = update()
        return {**result, **clock.shares}

    return watched_update


def make_model(
    name: str, phase: str, flags: list[str], batch_size: int | None, crop_size: int | None, threads: int
) -> BaseModel:
    """Return the model that train.py makes, at the start of an epoch that consists of one phase."""
    torch.set_num_threads(threads)
    sizes = {"--batch_size": batch_size, "--crop_size": crop_size, "--load_size": crop_size}
    words = [word for flag, value in sizes.items() if value for word in (flag, str(value))]
    with tempfile.TemporaryDirectory() as folder:
        run = ["--name", "bench", "--checkpoints_dir", folder, "--dataroot", folder, "--gpu_ids", "-1"]
        opt = TrainOptions().parse([*run, "--model", name, *words, *flags])
    opt.device = "cpu"
    torch.manual_seed(0)
    model = models.create_model(opt)
    model.start_epoch(1)
    model.prelude = sys.maxsize if phase == "A" else 0
    return model


def draw_batch(model: BaseModel) -> dict:
    """Return gray pairs of the recipe's size, whole gray levels, as the loader would give them."""
    generator = torch.Generator().manual_seed(1)
    count, side = model.opt.batch_size, model.opt.crop_size
    coarse = torch.rand((3, count, 1, 8, 8), generator=generator)
    batch = {"name": [f"pair {number}" for number in range(count)]}
    for key, shapes in zip(("A", "B", "GT"), coarse, strict=True):
        noise = torch.rand((count, 1, side, side), generator=generator)
        image = 0.8 * torch.nn.functional.interpolate(shapes, (side, side), mode="bilinear") + 0.2 * noise
        batch[key] = ((255 * image).round() / 255).expand(-1, 3, -1, -1)
    return batch


class Clock:
    """Sums up the seconds that torch spends going backward and in optimisers."""

    def __init__(self):
        self.shares = {"backward": 0.0, "optimiser": 0.0}

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        from torch.optim import optimizer

        started = []
        hooks = (
            optimizer.register_optimizer_step_pre_hook(lambda *_: started.append(time.perf_counter())),
            optimizer.register_optimizer_step_post_hook(lambda *_: self._add("optimiser", started.pop())),
        )
        functions = {name: getattr(torch.autograd, name) for name in ("backward", "grad")}
        for name, function in functions.items():
            setattr(torch.autograd, name, self._timed(function))
        try:
            yield
        finally:
            for name, function in functions.items():
                setattr(torch.autograd, name, function)
            for hook in hooks:
                hook.remove()

    def _timed(self, function: Callable) -> Callable:
        def timed(*arguments, **options):
            start = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self._add("backward", start)

        return timed

    def _add(self, part: str, start: float) -> None:
        self.shares[part] += time.perf_counter() - start


def summarise(name: str, phase: str, title: str, updates: list[tuple[Turn, dict]], contestant: Contestant) -> dict:
    """Return a row."""
    seconds = statistics.median(turn.seconds for turn, _ in updates)
    shares = {
        part: statistics.median(result[part] / turn.seconds for turn, result in updates)
        for part in ("backward", "optimiser")
    }
    before, peak = contestant.memory()
    return {
        "model": name, "phase": phase, "variant": title, "seconds": seconds, **shares, "memory_before": before,
        "processor_seconds": statistics.median(turn.processor for turn, _ in updates),
        "memory": peak, "pairs": updates[0][1]["pairs"],
    }  # fmt: skip


def format_row(row: dict) -> list[str]:
    """Return the cells of a row."""
    forward = 1 - row["backward"] - row["optimiser"]
    return [
        f"{row['model']} {row['phase']}".strip(),
        row["variant"].replace("+", " + "),
        str(row["pairs"]),
        f"{row['seconds']:.2f}",
        *(f"{share:.0%}".replace("%", " %") for share in (forward, row["backward"], row["optimiser"])),
        f"{row['pairs'] / row['seconds']:.2f}",
        f"{row['ratio']:.2f}" if "ratio" in row else "",
        f"{row['memory']:,.0f}",
        f"{row['memory_before']:,.0f}",
    ]


def compare_phases(rows: list[dict]) -> Iterator[str]:
    """Yield what phase A takes in memory next to phase B, for each method and variant that has both."""
    phases = {(row["model"], row["variant"], row["phase"]): row for row in rows}
    for (name, title, phase), a in phases.items():
        if phase == "A" and (b := phases.get((name, title, "B"))):
            above = (a["memory"] - a["memory_before"]) / max(1, b["memory"] - b["memory_before"])
            yield (
                f"{name}, {title}: the peak of phase A is {a['memory'] / b['memory']:.2f} times that of phase B "
                f"({above:.2f} times, what was there before the first batch left out)."
            )


if __name__ == "__main__":
    run_script(main)
