#!/usr/bin/env python3
"""Measure large folders: seconds and memory for many files, next to those for a tenth of them.

    python scripts/bench_scale.py                                  # 100,000 files, 10,000 pairs to fuse; many minutes
    python scripts/bench_scale.py --files 10000 --pairs 1000 --record

The files are tiny PNGs (32x32), links to a few: memory that grew with what was decoded would show. "opens" is finding,
pairing and checking all pairs as test.py does before it starts; "loads" reads a fifth of them through a loader of two
processes on top; "make_pmf.py" finds and plans for all photographs and makes 200 pairs; "test.py" fuses all pairs with
--model average and scores them by EN, alone and by two processes that share them, whose tables have to be the same
bytes. "MiB" is the largest resident memory of any one process of the command; "bytes a file" is how much of it each
further file takes.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from options.option_parser import OptionParser
from options.types import whole_number
from util.benchmark import describe_machine, format_table, read_load, record
from util.errors import RunError
from util.files import REPOSITORY
from util.image_io import write_image
from util.jobs import count_cores
from util.launch import run_script
from util.logger import log

LINKS = 20_000  # to one file: file systems allow 32,000 and more
OPEN = """
import sys
import data
from options.test_options import TestOptions
opt = TestOptions().parse(["--dataroot", sys.argv[1], "--model", "average", "--num_threads", "2"])
dataset = data.create_dataset(opt, augment=False)
"""
LOAD = OPEN + "for batch in data.create_loader(dataset, opt, train=False): pass"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")


def main() -> None:
    """Print a row for everything that meets large folders."""
    opt = parse()
    head = f"{describe_machine(count_cores())}"
    log(f"{head}\n")
    with tempfile.TemporaryDirectory(dir=opt.folder) as folder:
        root = Path(folder)
        rows = [
            compare("opens", opt.files, root, lambda place: ["-c", OPEN, place]),
            compare("loads", opt.files // 5, root, lambda place: ["-c", LOAD, place]),
            compare("make_pmf.py", opt.files, root, lambda place: make_pmf(place, root)),
            compare("test.py", 2 * opt.pairs, root, lambda place: test(place, root / "one")),
            compare("test.py by two", 2 * opt.pairs, root, lambda place: [*TORCHRUN, *test(place, root / "two")]),
        ]
        one, two = (root / name / "average" / "test_latest" for name in ("one", "two"))
        if (one / "metrics.csv").read_bytes() != (two / "metrics.csv").read_bytes():
            raise RunError("two processes gave another table than one")
        page = sum(path.stat().st_size for path in (*one.glob("*.html"), *(one / "assets").glob("*")))
    heads = ["what", "files", "a tenth: s", "MiB", "all: s", "MiB", "bytes a file"]
    table = format_table(heads, rows)
    table += f"\n\nThe gallery of {opt.pairs:,} pairs: {page / 1e6:.1f} MB beside its pictures."
    log(table)
    if opt.record:
        record("scale", f"{head}; load at the end {read_load()}.\n\n{table}")


def parse():
    parser = OptionParser(description=__doc__, prog="bench_scale.py")
    group = parser.group("run")
    group.add_argument("-h", "--help", action="help", help="show this and stop")
    group.add_argument("--files", type=whole_number(100), default=100_000, metavar="N", help="to open and to load")
    group.add_argument("--pairs", type=whole_number(100), default=10_000, metavar="N", help="to fuse and to score")
    group.add_argument("--folder", metavar="FOLDER", help="where to make them (default: the system's temporary folder)")
    group.add_argument("--record", action="store_true", help="write the table into docs/performance.md")
    return parser.parse_strictly(sys.argv[1:])


def compare(what: str, files: int, root: Path, command) -> list[str]:
    """Return the row of one command, run on a tenth of the files and on all of them."""
    (few, small), (long, large) = (run(command(str(make_files(root, count)))) for count in (files // 10, files))
    each = (large - small) * 2**20 / (0.9 * files)
    return [what, f"{files:,}", f"{few:.1f}", f"{small:.0f}", f"{long:.1f}", f"{large:.0f}", f"{each:.0f}"]


def make_files(root: Path, files: int) -> Path:
    """Make a data set of so many tiny files, half of them infrared, unless it is there; return its folder."""
    folder = root / f"{files} files"
    if not folder.exists():
        noise = np.random.default_rng(0)
        for side in ("ir", "vis"):
            (folder / "test" / side).mkdir(parents=True)
            for number in range(files // 2):
                if number % LINKS == 0:
                    halves = np.repeat([[0.2] * 16 + [0.7] * 16], 32, axis=0)[..., None]  # regions for make_pmf.py
                    first = write_image(root / f"{side}.png", halves + noise.normal(0, 0.03, (32, 32, 3)))
                os.link(first, folder / "test" / side / f"scene {number:06d}.png")
    return folder


def make_pmf(place: str, root: Path) -> list[str]:
    words = ["--images", place, "--phase", "test", "--labels", "none", "--out", str(root / "PMF"), "--overwrite"]
    return ["scripts/make_pmf.py", *words, "--limit", "200", "--size", "32x32", "--jobs", "2"]


def test(place: str, results: Path) -> list[str]:
    words = ["--dataroot", place, "--model", "average", "--gpu_ids", "-1", "--metrics", "EN", "--jobs", "1"]
    return ["test.py", *words, "--num_threads", "1", "--results_dir", str(results)]


def run(words: list[str]) -> tuple[float, float]:
    """Return the seconds that ``python words...`` takes, and the largest memory of one of its processes, MiB."""
    began = time.time()
    process = subprocess.Popen(
        [sys.executable, *words], cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": ".", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RunError(f"python {shlex.join(words)} failed:\n{errors.strip()}")
    return time.time() - began, usage.ru_maxrss / 1024


if __name__ == "__main__":
    run_script(main)
