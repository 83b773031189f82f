#!/usr/bin/env python3
"""Measure test.py on a folder: which share of its time the network works, and how soon it begins.

    python scripts/bench_folder.py                                     # r2gan and fusion2void, 50 pairs of 520x520
    python scripts/bench_folder.py --model r2gan --pairs 20 --repeat 3 --from datasets/Lytro
    python scripts/bench_folder.py --model r2gan --flags="--jobs 1" --flags="--metrics none"

test.py runs as users start it, with networks whose weights are drawn at random, on generated pairs or on those of
--from, repeated and resized. "network" is the time inside fusing (and explaining, where a method draws maps) and
"share" its part of the whole, from the command until the process has gone. "first" is the time until the first pair is
given to the network, as a multiple of what a bare interpreter needs to start and import torch, measured in turns with
it; "behind" what is left to do when the last pair has been fused: scoring, tables and pages. A row is the median of
--repeat runs.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import data
import models
from options import saved_options
from options.option_parser import OptionParser
from options.train_options import TrainOptions
from options.types import whole_number
from util.benchmark import describe_machine, format_table, read_load, record, width_and_height
from util.errors import RunError
from util.files import REPOSITORY
from util.image_io import read_pixels, to_float, to_three_channels, write_image
from util.jobs import count_cores
from util.launch import run_script
from util.logger import log

MODELS = ("r2gan", "fusion2void")
# Runs test.py and writes down when fusing began, ended, and how long it took.
PROBE = """
import json, runpy, sys, time
from util import inference, scoring
spent = {"first": None, "last": None, "network": 0.0}
def timed(function):
    def call(*words, **more):
        start = time.time()
        spent["first"] = spent["first"] or start
        try:
            return function(*words, **more)
        finally:
            spent["last"] = time.time()
            spent["network"] += spent["last"] - start
    return call
inference.fuse_images = timed(inference.fuse_images)
scoring.explain_images = timed(scoring.explain_images)
target = sys.argv.pop(1)
sys.argv = ["test.py", *sys.argv[1:]]
try:
    runpy.run_path("test.py", run_name="__main__")
finally:
    json.dump(spent, open(target, "w"))
"""


def main() -> None:
    """Print a row for each method and each set of flags."""
    opt = parse()
    for name in opt.model:
        models.find_model(name)
    width, height = opt.size
    head = f"{opt.pairs} pairs of {width}x{height}, median of {opt.repeat}; {describe_machine(count_cores())}"
    log(f"{head}\n")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_pairs(root / "data" / "test", opt)
        rows = [measure(name, shlex.split(flags), root, opt) for name in opt.model for flags in opt.flags]
    heads = ["method", "flags", "wall, s", "network, s", "share", "first, s", "first / import torch", "behind, s"]
    table = format_table(heads, rows)
    log(table)
    if opt.record:
        record(opt.record, f"{head}; load at the end {read_load()}.\n\n{table}")


def parse():
    parser = OptionParser(description=__doc__, prog="bench_folder.py")
    group = parser.group("run")
    group.add_argument("-h", "--help", action="help", help="show this and stop")
    group.add_argument("--model", nargs="+", type=str.lower, default=MODELS, metavar="NAME", help="methods")
    group.add_argument("--pairs", type=whole_number(1), default=50, metavar="N", help="in the folder")
    group.add_argument("--size", type=width_and_height, default="520x520", metavar="WxH", help="of a pair, pixels")
    group.add_argument("--from", dest="source", metavar="FOLDER", help="pairs to repeat (default: generated ones)")
    group.add_argument("--flags", action="append", metavar="WORDS", help="further flags of test.py; a row for each")
    group.add_argument("--repeat", type=whole_number(1), default=1, metavar="N", help="runs of each row")
    group.add_argument("--record", nargs="?", const="folder", metavar="SECTION",
                       help="write the table into docs/performance.md (default: section folder)")  # fmt: skip
    opt = parser.parse_strictly(sys.argv[1:])
    opt.flags = opt.flags or [""]
    return opt


def make_pairs(folder: Path, opt) -> None:
    """Write the pairs: those of ``--from`` over and over, or blurred halves of drawn pictures."""
    found = []
    if opt.source:
        asked = TrainOptions().parse(["--dataroot", opt.source, "--phase", "test", "--preprocess", "none"])
        found = data.create_dataset(asked, augment=False).pairs
    for number in range(opt.pairs):
        if found:
            pair = found[number % len(found)]
            images = [to_three_channels(to_float(read_pixels(path))) for path in (pair.a, pair.b)]
            images = [cv2.resize(image, opt.size, interpolation=cv2.INTER_AREA) for image in images]
        else:
            images = draw_pair(number, *opt.size)
        for side, image in zip("AB", images, strict=True):
            write_image(folder / side / f"{number:05d}.png", image)


def draw_pair(seed: int, width: int, height: int) -> list[np.ndarray]:
    """Return a picture that compresses about as a photograph does, blurred once on the right and once on the left."""
    noise = np.random.default_rng(seed)
    coarse = cv2.resize(noise.random((20, 24, 3), dtype=np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    sharp = np.clip(0.9 * coarse + noise.normal(0, 0.02, (height, width, 3)).astype(np.float32), 0, 1)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 3)
    left = (np.arange(width) < width // 2)[None, :, None]
    return [np.where(left, sharp, blurred), np.where(left, blurred, sharp)]


def measure(name: str, flags: list[str], root: Path, opt) -> list[str]:
    """Return the row of one method."""
    words = ["--dataroot", str(root / "data"), "--name", name, "--gpu_ids", "-1"]
    words += ["--checkpoints_dir", str(root / "runs"), "--results_dir", str(root / "results")]
    if models.find_model(name).inference_networks:
        draw_weights(name, root)
    else:
        words += ["--model", name]
    turns = []
    for _ in range(opt.repeat):
        torch_seconds = run([sys.executable, "-c", "import torch"])
        began = time.time()
        wall = run([sys.executable, "-c", PROBE, str(root / "spent.json"), *words, *flags])
        spent = json.loads((root / "spent.json").read_text())
        first, behind = spent["first"] - began, began + wall - spent["last"]
        turns.append((wall, spent["network"], spent["network"] / wall, first, first / torch_seconds, behind))
    wall, network, share, first, ratio, behind = map(statistics.median, zip(*turns, strict=True))
    return [name, " ".join(flags), f"{wall:.1f}", f"{network:.1f}", f"{share:.0%}", f"{first:.2f}", f"{ratio:.2f}",
            f"{behind:.2f}"]  # fmt: skip


def draw_weights(name: str, root: Path) -> None:
    """Store a run of the method whose networks were drawn at random."""
    options = TrainOptions()
    words = ["--model", name, "--name", name, "--dataroot", str(root / "data"), "--phase", "test", "--gpu_ids", "-1"]
    opt = options.parse([*words, "--checkpoints_dir", str(root / "runs")])
    saved_options.write(opt, options.parser)
    opt.device = "cpu"
    models.create_model(opt).save_networks("latest")


def run(command: list[str]) -> float:
    """Return the seconds that a command takes."""
    began = time.time()
    environment = {**os.environ, "PYTHONPATH": "."}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RunError(f"{shlex.join(command[:1] + command[3:])} failed:\n{done.stderr.strip()}")
    return time.time() - began


if __name__ == "__main__":
    run_script(main)
