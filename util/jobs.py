"""Work on many items in several processes, in their order, with little of it in memory at a time."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from util.errors import RunError

_WORTH_A_PROCESS = 8  # items: a process takes seconds to start
_GLANCE = 0.5  # seconds between a process's looks at its parent


def choose_jobs(asked: int, items: int, processes: int = 1) -> int:
    """Return the number of processes for ``--jobs``: 0 takes as many as there are cores, if the work is worth it.

    ``processes`` of a group share the cores."""
    if asked:
        return asked
    return max(1, min(count_cores() // processes, items // _WORTH_A_PROCESS))


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_jobs(function: Callable[[Any, Any], Any], common: Any, items: Iterable, jobs: int) -> Iterator:
    """Yield ``function(common, item)`` for each item, in the order of ``items``.

    However it ends (an error, Ctrl-C, ``close()`` of the generator), the processes are gone before it goes on.

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
    crew = _Crew(function, common, jobs)
    waiting: deque = deque()
    try:
        items = iter(items)
        while True:
            for item in itertools.islice(items, 2 * jobs - len(waiting)):
                waiting.append(crew.submit(item))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        crew.dismiss()


class _Crew:
    """Processes, and a thread for each that hands it one item at a time and waits for the result.

    Where a process is killed, its pipe ends and so does the wait: nothing here can hang on a process.
    """

    def __init__(self, function: Callable[[Any, Any], Any], common: Any, jobs: int):
        self.jobs = jobs
        self._work = (function, common)
        self._processes: list[tuple[Any, Connection]] = []
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        self._threads = ThreadPoolExecutor(jobs)
        self._open: list = []  # futures

    def submit(self, item: Any):
        """Return the future of an item; where all processes have work, one is added while there may be more of them.

        Items that come slowly, as those of a large network do, are so served by one process, not by one for each core.
        """
        self._open = [future for future in self._open if not future.done()]
        if len(self._open) >= len(self._processes) < self.jobs:
            self._add_process()
        self._open.append(self._threads.submit(self._delegate, item))
        return self._open[-1]

    def dismiss(self) -> None:
        """End all processes, whatever they are at, and see them gone."""
        for process, _ in self._processes:
            process.kill()
        for process, _ in self._processes:
            process.join()
        self._threads.shutdown(cancel_futures=True)
        for _, pipe in self._processes:
            pipe.close()

    def _add_process(self) -> None:
        # A process that is forked from one with running threads may hang: spawned ones begin anew.
        context = multiprocessing.get_context("spawn")
        resource_tracker.ensure_running()  # started later, on the way, it would unblock the signals
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, *self._work))
        # Signals to the whole group are for the process that gathers, which ends these. They inherit the mask.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            process.start()
            self._processes.append((process, ours))
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._idle.put(ours)

    def _delegate(self, item: Any) -> Any:
        pipe = self._idle.get()
        try:
            pipe.send(item)
            result, error = pipe.recv()
        except (EOFError, ConnectionError) as lost:
            raise RunError(
                f"one of the {self.jobs} processes that score was killed, most likely for want of memory; use fewer "
                "with --jobs"
            ) from lost
        finally:
            self._idle.put(pipe)
        if error is not None:
            raise error
        return result


def _serve(pipe: Connection, function: Callable[[Any, Any], Any], common: Any) -> None:
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError):  # the parent has gone
        while True:
            item = pipe.recv()
            try:
                outcome = function(common, item), None
            except Exception as error:
                error.add_note(f"in a process of its own:\n{traceback.format_exc()}")
                outcome = None, error
            pipe.send(outcome)


def _leave_with_parent() -> None:
    # The parent's sentinel would not do: a loader's processes that are forked from the parent keep it open.
    parent = multiprocessing.parent_process().pid
    while os.getppid() == parent:
        time.sleep(_GLANCE)
    os._exit(1)
