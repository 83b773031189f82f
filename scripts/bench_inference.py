#!/usr/bin/env python3
"""Measure how fast methods fuse and how much memory they take, next to the original's order of work.

    python scripts/bench_inference.py                                  # all methods that have an original, 640x480
    python scripts/bench_inference.py --model refusion --variants exact bf16 --repeat 9
    python scripts/bench_inference.py --model pix2pix --no_original --memory 640x480 1280x960 --json inference.json

What is timed is the network part of test.py: the method's own fuse() on one pair, colour left out; for blurcnn the
votes of all windows alone (its loop takes minutes: --model blurcnn --size 456x456 --repeat 1). The original is a
transcription of the order of work of the authors' code (scripts/originals) on the same weights, in float32, with the C
library's allocator as it is. The two run in processes of their own and take turns, and a ratio is the median over the
rounds: the load of the machine cancels out. First runs do not count. "CPU s" is the processor's time of all threads,
which a loaded machine changes less. "difference" is the largest absolute one from the original; above 1e-4 in a variant
of float32 the exit status is 1. A variant is a value of test.py's --fast, or exact with our allocator left out
(system_malloc), or exact compiled by torch.compile (minutes; "first, s" tells how many). "GFLOP" counts the
multiplications and additions of convolutions and matrix products that are done; "share" is their rate in CPU s next to
that of a product of two matrices of 2048x2048, which takes its turn in the same rounds. With --memory each row has the
peak memory of a fresh process that fuses one pair of that size.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import models
from options.option_parser import OptionParser
from options.test_options import FAST, TestOptions
from options.types import choice, whole_number
from util.benchmark import (
    SYSTEM_MALLOC,
    Contestant,
    Turn,
    describe_machine,
    format_table,
    median_ratio,
    read_load,
    record,
    take_turns,
    width_and_height,
)
from util.errors import RunError, UserError
from util.files import atomic_write
from util.inference import fuse_padded
from util.jobs import count_cores
from util.launch import run_script
from util.lazy import torch
from util.logger import log

ORIGINALS = sorted(path.stem for path in (Path(__file__).parent / "originals").glob("*.py") if path.stem[0] != "_")
ORIGINAL = "original"
COMPILED = "compiled"
VARIANTS = (*FAST, COMPILED, SYSTEM_MALLOC)
TOLERANCE = 1e-4  # of float32
PRODUCT = 2048  # rows and columns of the matrices whose product is the measure of the hardware
SIZE_MULTIPLE = 8  # sides that every original takes


def main() -> None:
    """Print a table with a row for each method's original and for each of its variants."""
    opt = parse()
    for name in opt.model:
        models.find_model(name)
    for width, height in (opt.size, *opt.memory):
        if width % SIZE_MULTIPLE or height % SIZE_MULTIPLE:
            raise UserError(f"{width}x{height}: the originals take sides that are multiples of {SIZE_MULTIPLE} alone")
    width, height = opt.size
    head = f"Network part of one {width}x{height} pair, median of {opt.repeat}; {describe_machine(opt.threads)}"
    log(f"{head}\n")
    rows = [row for name in opt.model for row in measure_method(name, opt)]
    table = format_rows(rows, opt)
    log(table)
    log(f"\nLoad at the end: {read_load()}")
    if opt.record:
        record(opt.record, f"{head}; load at the end {read_load()}.\n\n{table}")
    if opt.json:
        atomic_write(opt.json, json.dumps({"machine": describe_machine(opt.threads), "rows": rows}, indent=1) + "\n")
    for row in rows:
        if row["variant"] != "bf16" and row.get("difference", 0) > TOLERANCE:
            raise RunError(
                f"{row['model']}, {row['variant']}: the result differs from the original's by {row['difference']:.1e}, "
                f"more than {TOLERANCE:g}"
            )


def parse():
    parser = OptionParser(description=__doc__, prog="bench_inference.py")
    group = parser.group("run")
    group.add_argument("-h", "--help", action="help", help="show this and stop")
    group.add_argument("--model", nargs="+", type=str.lower, default=ORIGINALS, metavar="NAME", help="methods")
    group.add_argument("--variants", nargs="+", type=choice(*VARIANTS), default=(*FAST, SYSTEM_MALLOC),
                       help="rows of each")  # fmt: skip
    group.add_argument("--size", type=width_and_height, default="640x480", metavar="WxH", help="of the pair, pixels")
    group.add_argument("--threads", type=whole_number(1, 1024), default=count_cores(), help="of each process")
    group.add_argument("--repeat", type=whole_number(1, 10000), default=5, metavar="N", help="rounds that count")
    group.add_argument(
        "--memory", nargs="*", type=width_and_height, default=[], metavar="WxH", help="sizes to measure memory on"
    )
    group.add_argument("--no_original", action="store_true", help="measure ours alone")
    group.add_argument("--json", metavar="FILE", help="write the figures there, too")
    group.add_argument("--record", nargs="?", const="inference", metavar="SECTION",
                       help="write the table into that section of docs/performance.md")  # fmt: skip
    opt = parser.parse_strictly(sys.argv[1:])
    from models.networks.precision import convolves_bfloat16  # late: --help does without torch

    if "bf16" in opt.variants and not convolves_bfloat16():
        log("bf16 is left out: this processor would emulate it, and test.py takes --fast exact instead\n")
        opt.variants = [words for words in opt.variants if words != "bf16"]
    return opt


def measure_method(name: str, opt) -> list[dict]:
    """Return the rows of one method: its original, then the variants."""
    has_original = name in ORIGINALS and not opt.no_original
    theirs: list[Turn] = []
    rows = []
    with contextlib.ExitStack() as stack:
        product = stack.enter_context(Contestant("a matrix product", make_product, (opt.threads,), keep_memory=True))
        original = stack.enter_context(enter(name, ORIGINAL, opt.size, opt)) if has_original else None
        for contestant in filter(None, (product, original)):
            contestant.run()  # the first run, which does not count
        for words in opt.variants:
            with enter(name, words, opt.size, opt) as ours:
                first = ours.run()
                rivals = [original] if original else []
                *rival, speed, own = take_turns([*rivals, product, ours], opt.repeat)
                row = summarise(name, words, own) | {"first_seconds": first.seconds}
                if original:
                    theirs += rival[0]
                    row["difference"] = compare(original.result(), ours.result())
                    row["ratio"] = median_ratio(rival[0], own)
                    row["ratio_processor"] = median_ratio(rival[0], own, "processor")
            rows.append(row | measure_work(row, speed, opt))
        if original:
            head = summarise(name, ORIGINAL, theirs)
            rows = [head | measure_work(head, speed, opt), *rows]
    for row in rows:
        row["memory"] = {f"{size[0]}x{size[1]}": measure_memory(row, size, opt) for size in opt.memory}
    return rows


def measure_work(row: dict, product: Sequence[Turn], opt) -> dict:
    """Return the operations of a row, in 10^9, and the share of a matrix product's rate that they are done at."""
    with enter(row["model"], row["variant"], opt.size, opt, counted=True) as contestant:
        contestant.run()
        operations = float(contestant.result())
    rate = 2 * PRODUCT**3 / statistics.median(turn.processor for turn in product)
    return {"operations": operations / 1e9, "share": operations / row["processor_seconds"] / rate}


def enter(name: str, words: str, size: tuple[int, int], opt, *, counted: bool = False) -> Contestant:
    """Start the process of one row: the original or a variant; ``counted``: its result is what it had to compute."""
    make = count_operations if counted else make_original if words == ORIGINAL else make_ours
    arguments = (name, words, size, opt.threads)
    return Contestant(f"{name}, {words}", make, arguments, keep_memory=words not in (ORIGINAL, SYSTEM_MALLOC))


def make_product(threads: int) -> Callable[[], None]:
    """Return a function that multiplies two large matrices, in the process that calls it."""
    torch.set_num_threads(threads)
    a, b = torch.rand(2, PRODUCT, PRODUCT)

    def multiply() -> None:
        a @ b

    return multiply


def count_operations(name: str, words: str, size: tuple[int, int], threads: int) -> Callable[[], np.ndarray]:
    """Return a function that returns the operations of the row's convolutions and matrix products."""
    from torch.utils.flop_counter import FlopCounterMode

    # Compiled layers could not be counted one by one; they are those of plain ones.
    words = "off" if words == COMPILED else words
    fuse = (make_original if words == ORIGINAL else make_ours)(name, words, size, threads)

    def count() -> np.ndarray:
        with FlopCounterMode(display=False) as counter:
            fuse()
        return np.array(float(counter.get_total_flops()))

    return count


def make_ours(name: str, words: str, size: tuple[int, int], threads: int) -> Callable[[], np.ndarray]:
    """Return a function that fuses as test.py does, in the process that calls it."""
    model = make_model(name, [*find_flags(name), "--fast", words if words in FAST else "exact"], threads)
    model.speed_up()
    run = getattr(find_original(name), "run_ours", fuse_padded) if name in ORIGINALS else fuse_padded
    a, b = draw_pair(model.channels, size)
    if words == COMPILED:
        run = torch.compile(run)

    def fuse() -> np.ndarray:
        with torch.inference_mode(), model.evaluating(), model.autocast():
            return run(model, a, b).float().numpy()

    return fuse


def make_original(name: str, _, size: tuple[int, int], threads: int) -> Callable[[], np.ndarray]:
    """Return a function that fuses in the order of the authors' code, in the process that calls it."""
    model, original = make_model(name, find_flags(name), threads), find_original(name)
    state = {key: value.contiguous() for key, value in model.networks[model.inference_networks[0]].state_dict().items()}
    a, b = draw_pair(model.channels, size)

    def fuse() -> np.ndarray:
        with torch.no_grad():
            return original.fuse(state, a, b).float().numpy()

    return fuse


def make_model(name: str, flags: Sequence[str], threads: int):
    """Return the model that test.py makes of these flags, with weights that are drawn."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "bench"
        run.mkdir()
        (run / "train_opt.json").write_text('{"format": 1, "name": "bench", "options": {}}', encoding="utf-8")
        words = ["--name", "bench", "--checkpoints_dir", folder, "--dataroot", folder, "--gpu_ids", "-1", "--no_maps"]
        opt = TestOptions().parse([*words, "--model", name, *flags])
    opt.device = "cpu"
    model = models.create_model(opt)
    for network in model.networks.values():  # none where nothing is learned
        draw_weights(network)
    return model


def draw_weights(network) -> None:
    """Fill a network with weights that keep signals at their size, the same in every process."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            continue
        noise = torch.empty(tensor.shape).uniform_(-1, 1, generator=generator)
        if tensor.dim() > 1 and not name.endswith("temperature"):
            noise *= (6 / tensor[0].numel()) ** 0.5 * 0.8
        else:
            is_shift = name.endswith(("bias", "running_mean"))
            noise = 0.2 * noise if is_shift else 1 + 0.3 * noise
        tensor.copy_(noise)


def draw_pair(channels: int, size: tuple[int, int]) -> list:
    """Return two sources (1, channels, height, width) in [0, 1]: noise on large shapes."""
    generator = torch.Generator().manual_seed(1)
    shape = (1, channels, size[1], size[0])
    pair = []
    for _ in range(2):
        coarse = torch.rand((1, channels, 8, 8), generator=generator)
        shapes = torch.nn.functional.interpolate(coarse, shape[2:], mode="bilinear")
        pair.append(0.8 * shapes + 0.2 * torch.rand(shape, generator=generator))
    return pair


def find_original(name: str):
    """Return the transcription of a method's original."""
    return importlib.import_module(f"scripts.originals.{name}")


def find_flags(name: str) -> Sequence[str]:
    """Return the flags with which our model gives the original's result."""
    return find_original(name).FLAGS if name in ORIGINALS else ()


def compare(theirs: np.ndarray, ours: np.ndarray) -> float:
    """Return the largest absolute difference."""
    return float(np.abs(theirs - ours).max())


def summarise(name: str, title: str, turns: list[Turn]) -> dict:
    """Return the start of a row."""
    seconds, processor, faults = (statistics.median(column) for column in zip(*turns, strict=True))
    return {"model": name, "variant": title, "seconds": seconds, "processor_seconds": processor, "page_faults": faults}


def measure_memory(row: dict, size: tuple[int, int], opt) -> float:
    """Return the peak memory, MiB, of a fresh process that fuses one pair."""
    with enter(row["model"], row["variant"], size, opt) as contestant:
        contestant.run()
        return contestant.memory()[1]


def format_rows(rows: list[dict], opt) -> str:
    """Return the table as Markdown."""
    sizes = [f"{width}x{height}" for width, height in opt.memory]
    heads = ["method", "variant", "s", "CPU s", "page faults", "times as fast", "in CPU s", "first, s", "difference",
             "GFLOP", "share", *(f"MiB at {size}" for size in sizes)]  # fmt: skip
    lines = []
    for row in rows:
        lines.append([
            row["model"],
            row["variant"],
            f"{row['seconds']:.3f}",
            f"{row['processor_seconds']:.2f}",
            f"{row['page_faults']:,.0f}",
            *(f"{row[key]:.2f}" if key in row else "" for key in ("ratio", "ratio_processor")),
            f"{row['first_seconds']:.1f}" if "first_seconds" in row else "",
            f"{row['difference']:.1e}" if "difference" in row else "",
            f"{row['operations']:.0f}",
            f"{row['share']:.2f}",
            *(f"{row['memory'][size]:,.0f}" for size in sizes),
        ])  # fmt: skip
    return format_table(heads, lines)


if __name__ == "__main__":
    run_script(main)
