"""Benchmarks: contestants in processes of their own that take turns, on a machine that others may be using too."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import platform
import signal
import statistics
import sys
import time
import traceback
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from util.allocator import keep_freed_memory
from util.errors import RunError
from util.files import REPOSITORY, atomic_write
from util.jobs import count_cores
from util.logger import log
from util.waiting import sleep_while_waiting

PAGE = REPOSITORY / "docs" / "performance.md"
PATIENCE = 3  # seconds in which a process that is not needed any more may end by itself

# What a variant changes, as words joined by "+": flags of train.py and test.py, and our allocator left out.
SYSTEM_MALLOC = "system_malloc"
FLAGS = {
    "channels_last": ("--channels_last",),
    "compile": ("--compile",),
    "bf16": ("--amp", "bf16"),
    SYSTEM_MALLOC: (),
}


class Turn(NamedTuple):
    """What one call took."""

    seconds: float  # on the wall
    processor: float  # seconds of all threads, those for the system included
    faults: int  # pages that the system had to bring


class Contestant:
    """A function in a process of its own: ``with Contestant(...) as it: it.run()``.

    Args:
        title: for sentences.
        make: importable by name; ``make(*arguments)`` is called in the process and returns the function to measure.
        arguments: its arguments.
        keep_memory: with the allocator set as our scripts set it, else as the C library has it.

    Raises:
        RunError: the process was killed. What ``make`` or the function raises is raised here.
    """

    def __init__(self, title: str, make: Callable[..., Callable[[], Any]], arguments: tuple, *, keep_memory: bool):
        context = multiprocessing.get_context("spawn")  # a forked process would inherit the allocator
        self.title = title
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments, keep_memory))
        self._process.start()
        theirs.close()

    def __enter__(self) -> Contestant:
        return self

    def __exit__(self, *_) -> None:
        self._pipe.close()  # an idle process ends by itself, and with it what it has started
        self._process.join(PATIENCE)
        self._process.kill()
        self._process.join()

    def run(self) -> Turn:
        """Call the function once."""
        return self._ask("run")

    def result(self) -> Any:
        """Return what the last call gave."""
        return self._ask("result")

    def memory(self) -> tuple[float, float]:
        """Return the largest resident memory before the first call and until now, MiB."""
        return self._ask("memory")

    def _ask(self, question: str) -> Any:
        try:
            self._pipe.send(question)
            answer, error = self._pipe.recv()
        except (EOFError, ConnectionError) as lost:
            raise RunError(
                f"the process of {self.title} was killed, most likely for want of memory; choose a smaller size"
            ) from lost
        if error is not None:
            raise error
        return answer


def take_turns(contestants: Sequence[Contestant], rounds: int) -> list[list[Turn]]:
    """Let each run once in every round; return the turns of each."""
    rounds = [[contestant.run() for contestant in contestants] for _ in range(rounds)]
    return [list(turns) for turns in zip(*rounds, strict=True)]


def median_ratio(slow: Sequence[Turn], fast: Sequence[Turn], what: str = "seconds") -> float:
    """Return the median over the rounds of how many times as long the first took: the load of a round cancels out."""
    return statistics.median(
        getattr(one, what) / getattr(other, what) for one, other in zip(slow, fast, strict=True)
    )


def largest_memory() -> float:
    """Return the largest resident memory of this process so far, in MiB."""
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def describe_machine(threads: int) -> str:
    """Return the line that stands above figures: when, on what, with which torch."""
    return (
        f"{date.today()}, {read_processor()}, {threads} of {count_cores()} cores, torch {version('torch')}, "
        f"load {read_load()}"
    )


def read_load() -> str:
    """Return the load average of the last minute; "unknown" where the system has none."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def read_processor() -> str:
    """Return the processor's name and, on Linux, whether it has instructions for bfloat16."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    flags = set((facts.get("flags") or facts.get("Features") or "").split())
    native = flags & {"avx512_bf16", "amx_bf16", "bf16"}
    return f"{facts.get('model name', platform.machine())} ({'with' if native else 'without'} bf16 instructions)"


def format_table(heads: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 2) -> str:
    """Return a Markdown table: the first ``texts`` columns stand on the left, the others, numbers, on the right."""
    lines = [heads, [":--"] * texts + ["--:"] * (len(heads) - texts), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def record(section: str, text: str, page: Path = PAGE) -> None:
    """Put ``text`` between the lines ``<!-- SECTION -->`` and ``<!-- /SECTION -->`` of the page of figures.

    Raises:
        RunError: the page has no such two lines, once each.
    """
    content = page.read_text(encoding="utf-8")
    marks = f"<!-- {section} -->\n", f"<!-- /{section} -->\n"
    if any(content.count(mark) != 1 for mark in marks):
        raise RunError(f"{page} should have one line {marks[0].strip()} and one {marks[1].strip()} for the figures")
    before, rest = content.split(marks[0])
    _, after = rest.split(marks[1])
    atomic_write(page, f"{before}{marks[0]}\n{text.strip()}\n\n{marks[1]}{after}")
    log(f"recorded in {page}, section {section}")


def variant(text: str) -> str:
    """Check a variant's words, for argparse."""
    unknown = [word for word in text.split("+") if word not in FLAGS]
    if unknown and text != "plain":
        raise ArgumentTypeError(f"'{unknown[0]}' is not one of plain, {', '.join(FLAGS)}, or some of these joined by +")
    return text


def flags_of(variant: str) -> list[str]:
    """Return the flags that a variant stands for."""
    return [flag for word in variant.split("+") for flag in FLAGS.get(word, ())]


def width_and_height(text: str) -> tuple[int, int]:
    """Read 640x480, for argparse."""
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdigit() and 0 < int(side) <= 100_000 for side in sides):
        raise ArgumentTypeError(f"'{text}' is not a size in pixels such as 640x480")
    return int(sides[0]), int(sides[1])


def _serve(pipe, make: Callable, arguments: tuple, keep_memory: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks, which ends this one
    sleep_while_waiting()
    if keep_memory:
        keep_freed_memory()
    work, start, last = None, 0.0, None
    with contextlib.suppress(EOFError, ConnectionError):  # the asking process has gone
        while True:
            question = pipe.recv()
            answer = error = None
            try:
                if work is None:
                    work = make(*arguments)
                    start = largest_memory()
                if question == "run":
                    last = None
                    answer, last = _time(work)
                else:
                    answer = {"result": last, "memory": (start, largest_memory())}[question]
            except Exception as problem:
                problem.add_note(f"in a process of its own:\n{traceback.format_exc()}")
                error = problem
            pipe.send((answer, error))


def _time(work: Callable[[], Any]) -> tuple[Turn, Any]:
    import resource

    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    processor, seconds = time.process_time(), time.perf_counter()
    result = work()
    turn = Turn(
        time.perf_counter() - seconds,
        time.process_time() - processor,
        resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults,
    )
    return turn, result
