"""Work on many items in several processes, in their order, with little of it in memory at a time."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from util.errors import RunError

_WORTH_A_PROCESS = 8  # items: a process takes seconds to start
_common: Any = None


def choose_jobs(asked: int, items: int, processes: int = 1) -> int:
    """Return the number of processes for ``--jobs``: 0 takes as many as there are cores, if the work is worth it.

    ``processes`` of a group share the cores."""
    if asked:
        return asked
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores // processes, items // _WORTH_A_PROCESS))


def map_jobs(function: Callable[[Any, Any], Any], common: Any, items: Iterable, jobs: int) -> Iterator:
    """Yield ``function(common, item)`` for each item, in the order of ``items``.

    Args:
        function: importable by name. What it raises is raised here.
        common: handed to every process once.
        items: taken one by one as results are: a generator may make them on the way.
        jobs: processes; 1 works in this one.

    Raises:
        RunError: a process was killed.
    """
    if jobs == 1:
        for item in items:
            yield function(common, item)
        return
    # A process that is forked from one with running threads may hang: spawned ones begin anew.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(common,))
    waiting: deque = deque()
    try:
        items = iter(items)
        while True:
            for item in itertools.islice(items, 2 * jobs - len(waiting)):
                waiting.append(pool.submit(_work, function, item))
            if not waiting:
                return
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise RunError(
            f"one of the {jobs} processes that score was killed, most likely for want of memory; use fewer with --jobs"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(common: Any) -> None:
    global _common
    _common = common
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gathers: it ends these


def _work(function: Callable[[Any, Any], Any], item: Any) -> Any:
    return function(_common, item)
