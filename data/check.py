"""Look at every file before anything starts: a bad image is told now, not hours into a training."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from data.pairing import Pair, Problem
from util.errors import UserError
from util.image_io import check_header_and_end, read_pixels
from util.logger import is_main_process

_FULL_UP_TO = 2000  # files; beyond it --check auto reads headers and ends only
_BLOCK = 64  # items that a thread takes at a time: handing them over one by one takes longer than reading a header
_PATIENCE = 3  # seconds before a bar is shown


def check_pairs(pairs: Sequence[Pair], mode: str) -> tuple[list[Pair], list[Problem]]:
    """Check all files of all pairs; ``mode`` is that of ``measure_files``.

    Returns:
        (the good pairs with their ``size`` filled in, the problems of the others).
    """
    findings = measure_files((path for pair in pairs for path in pair.files()), mode)
    good, problems = [], []
    for pair in pairs:
        problem, size = _judge(pair, findings)
        if problem is None:
            good.append(replace(pair, size=size))
        else:
            problems += problem
    return good, list(dict.fromkeys(problems))


def measure_files(files: Iterable[Path], mode: str) -> dict[Path, tuple[int, int] | str]:
    """Look at image files, in threads (decoders leave Python's lock).

    Args:
        mode: 'full' decodes every file, 'quick' reads headers and ends, 'auto' is 'full' up to 2,000 files.

    Returns:
        {file: (width, height) in pixels, or a sentence that says what is wrong with it}.
    """
    files = list(dict.fromkeys(files))
    full = mode == "full" or (mode == "auto" and len(files) <= _FULL_UP_TO)
    return dict(zip(files, map_in_threads(_measure if full else _measure_quickly, files), strict=True))


def map_in_threads(function: Callable[[Any], Any], items: Sequence, title: str = "checking") -> Iterator:
    """Yield ``function(item)`` for each of many files, in order, behind a bar where it takes longer than seconds.

    Only what is at work is in memory, so that a hundred thousand items need no more of it than a thousand.
    """
    from tqdm import tqdm

    threads = min(16, 2 * (os.cpu_count() or 1))
    waiting: deque = deque()
    with (
        ThreadPoolExecutor(threads) as pool,
        tqdm(total=len(items), desc=title, unit="file", delay=_PATIENCE, leave=False,
             disable=None if is_main_process() else True) as bar,
    ):  # fmt: skip
        blocks = _divide(items)
        while True:
            for block in islice(blocks, 2 * threads - len(waiting)):
                waiting.append(pool.submit(lambda block: [function(item) for item in block], block))
            if not waiting:
                return
            results = waiting.popleft().result()
            yield from results
            bar.update(len(results))


def _divide(items: Sequence) -> Iterator[Sequence]:
    return (items[start : start + _BLOCK] for start in range(0, len(items), _BLOCK))


def _measure(path: Path) -> tuple[int, int] | str:
    """(width, height) of a file, or what is wrong with it."""
    try:
        height, width = read_pixels(path).shape[:2]
    except UserError as error:
        return str(error)
    return width, height


def _measure_quickly(path: Path) -> tuple[int, int] | str:
    try:
        return check_header_and_end(path)
    except UserError as error:
        return str(error)


def _judge(pair: Pair, findings: dict) -> tuple[list[Problem] | None, tuple[int, int]]:
    bad = [findings[path] for path in pair.files() if isinstance(findings[path], str)]
    if bad:
        return [Problem(text, "files that are no whole images") for text in bad], (0, 0)
    width, height = findings[pair.a]
    if pair.panels:
        if width % pair.panels:
            item = f"{pair.a} ({width}x{height})"
            return [Problem(item, f"strips whose width cannot be divided into {pair.panels} panels (--panels)")], (0, 0)
        return None, (width // pair.panels, height)
    if len({findings[path] for path in pair.files()}) > 1:
        item = " and ".join("{} ({}x{})".format(path, *findings[path]) for path in pair.files())
        return [Problem(item, "two sizes in one pair")], (0, 0)
    return None, (width, height)
