"""Look at every file before anything starts: a bad image is told now, not hours into a training."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from data.pairing import Pair, Problem
from util.errors import UserError
from util.image_io import check_header_and_end, read_pixels

_FULL_UP_TO = 2000  # files; beyond it --check auto reads headers and ends only


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
    with ThreadPoolExecutor(min(16, 2 * (os.cpu_count() or 1))) as pool:
        return dict(zip(files, pool.map(_measure if full else _measure_quickly, files), strict=True))


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
