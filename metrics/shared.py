"""Work that several metrics have in common, done once for the images at hand.

Local statistics are the costly part of most metrics, and families need the same ones: VIF and VIFF the same moments,
Q_S and Q_W the same windows. A function with the decorator ``shared`` is computed once while ``sharing`` is open.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_results: ContextVar[dict | None] = ContextVar("results of shared functions", default=None)

STRIP = 1 << 15  # pixels worked on at once: a float64 map of them, 256 KiB, stays in a core's cache


@contextmanager
def sharing() -> Iterator[None]:
    """Keep the results of ``shared`` functions until the block ends; outside of a block they are computed each time."""
    token = _results.set({})
    try:
        yield
    finally:
        _results.reset(token)


def shared(function: Callable) -> Callable:
    """Compute ``function(*tensors, *plain values)`` once for the same tensors (the same objects, not equal ones).

    What it returns is kept for all metrics of an image and must not be changed in place. Let it be small (sums,
    histograms): a large picture would be kept with it.
    """

    @functools.wraps(function)
    def compute(*arguments):
        results = _results.get()
        if results is None:
            return function(*arguments)
        key = (function, *(_identity(argument) for argument in arguments))
        if key not in results:
            results[key] = function(*arguments), arguments  # the arguments live as long: no id is used again
        return results[key][0]

    return compute


def _identity(argument):
    return argument if isinstance(argument, (int, float, str, bool, type(None))) else id(argument)


def row_strips(rows: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of strips that cover ``rows`` rows of a map of ``width`` columns, each about STRIP pixels.

    A map that is made and summed strip by strip stays in the processor's cache and never exists as a whole: this is
    twice as fast, and a picture of 20 megapixels needs no more memory for it than a small one.
    """
    height = max(1, STRIP // max(1, width))
    for start in range(0, rows, height):
        yield start, min(start + height, rows)
