#!/usr/bin/env python3
"""Measure how soon commands answer that need no network: --help, --list and refusals.

    python scripts/bench_startup.py
    python scripts/bench_startup.py --repeat 9 --record

Every command is a fresh process; they take turns, and `import torch` takes its turn with them. "s" is the median on the
wall, "CPU s" the processor's time, which a loaded machine changes less.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from options.option_parser import OptionParser
from options.types import whole_number
from util.benchmark import describe_machine, format_table, read_load, record
from util.errors import RunError
from util.files import REPOSITORY
from util.jobs import count_cores
from util.launch import run_script
from util.logger import log

# What is typed, and the status that it ends with.
COMMANDS = {
    "train.py --help": 0,
    "train.py --list models": 0,
    "train.py --lr none": 2,
    "train.py --dataroot no_such_folder --name run": 2,
    "test.py --help": 0,
    "test.py --dataroot no_such_folder --name no_such_run": 2,
    "evaluate.py --help": 0,
    "evaluate.py --dataroot no_such_folder --fused a=b": 2,
    "scripts/make_pmf.py --help": 0,
    "scripts/app.py --help": 0,
}
IMPORT = "import torch"


def main() -> None:
    """Print a table with a row for each command."""
    opt = parse()
    head = f"Median of {opt.repeat}; {describe_machine(count_cores())}"
    log(f"{head}\n")
    turns: dict[str, list[tuple[float, float]]] = {}
    for round_number in range(opt.repeat + 1):
        for command in (IMPORT, *COMMANDS):
            turn = measure(command)
            if round_number:  # the first one brings files from the disk
                turns.setdefault(command, []).append(turn)
    table = format_rows(turns)
    log(table)
    log(f"\nLoad at the end: {read_load()}")
    if opt.record:
        record("startup", f"{head}; load at the end {read_load()}.\n\n{table}")


def parse():
    parser = OptionParser(description=__doc__, prog="bench_startup.py")
    group = parser.group("run")
    group.add_argument("-h", "--help", action="help", help="show this and stop")
    group.add_argument("--repeat", type=whole_number(1, 1000), default=5, metavar="N", help="rounds that count")
    group.add_argument("--record", action="store_true", help="write the table into docs/performance.md")
    return parser.parse_strictly(sys.argv[1:])


def measure(command: str) -> tuple[float, float]:
    """Return the seconds of a command on the wall and of the processor.

    Raises:
        RunError: it ended with another status than it should.
    """
    words = ["-c", IMPORT] if command == IMPORT else command.split()
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *words], cwd=REPOSITORY, capture_output=True, text=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    expected = COMMANDS.get(command, 0)
    if done.returncode != expected:
        raise RunError(f"{command} ended with status {done.returncode} instead of {expected}: {done.stderr.strip()}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def format_rows(turns: dict[str, list[tuple[float, float]]]) -> str:
    """Return the table as Markdown."""
    rows = []
    for command, its_turns in turns.items():
        seconds, processor = (statistics.median(column) for column in zip(*its_turns, strict=True))
        rows.append((f"`{command}`", f"{seconds:.2f}", f"{processor:.2f}"))
    return format_table(("command", "s", "CPU s"), rows, texts=1)


if __name__ == "__main__":
    run_script(main)
