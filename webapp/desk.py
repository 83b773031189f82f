"""One pair at a time, and a bounded number of others waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from util.errors import UserError


class Desk:
    """Does work in order, on one thread: a fusion takes all processors anyway, and memory is that of one pair.

    Used from one event loop.
    """

    def __init__(self, max_waiting: int):
        self.max_waiting = max_waiting
        self._inside: set[Future] = set()
        self._pool = ThreadPoolExecutor(1, "fuse")

    @property
    def taken(self) -> int:
        """How many are being done or wait; one whose visitor has left is done all the same."""
        return len(self._inside)

    async def do(self, work: Callable):
        """Return what ``work()`` returns, when its turn has come.

        Raises:
            UserError: too many are waiting already.
        """
        if self.taken > self.max_waiting:
            raise UserError(
                f"busy: one pair is being fused and {self.taken - 1} are waiting, which is the most this page lets "
                "wait (--max_waiting); try again in a moment"
            )
        future = self._pool.submit(work)
        self._inside.add(future)
        future.add_done_callback(self._inside.discard)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Drop what waits; what is being done comes to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
