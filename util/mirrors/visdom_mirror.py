"""The Visdom page of a run, kept up to date while it trains."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from util.logger import log, warn
from util.mirrors.base import ImageSet, Mirror
from util.mirrors.dashboard import Dashboard
from util.mirrors.visdom_client import ServerGone, VisdomClient


class VisdomMirror(Mirror):
    """Draws losses, learning rate, scores and current images on a Visdom server.

    The user is told in one line where the page is, in one that no server answers, and in one when it is back. A server
    that comes and goes after that is served in silence.
    """

    title = "Visdom"

    def __init__(self, opt, folder: Path):
        super().__init__(folder)
        self._client = VisdomClient(opt.display_server, opt.display_port, opt.display_env)
        self._dashboard = Dashboard(opt.name, opt.display_id, opt.display_ncols, opt.display_winsize)
        self._reachable = True  # until the first try
        self._announced = self._warned = False

    def draw(self, losses: Iterable[dict], scores: Iterable[dict], images: list[ImageSet]) -> bool:
        self._dashboard.add(losses, scores, images)
        if self.closing and not self._reachable:
            return False  # the run ends: nobody waits for a server to appear
        # A connection that was fine a moment ago may lead to a server that was started again: one more try is fair.
        tries = 2 if self._client.connected else 1
        for _ in range(tries):
            try:
                self._bring_up_to_date()
            except ServerGone as problem:
                reason = problem
            else:
                self._tell_reachable()
                return True
        self._tell_unreachable(reason)
        return False

    def finish(self) -> None:
        if self._client.connected:
            try:
                self._client.save()  # or the windows are gone when the server is started again
            except ServerGone:
                return
            self._client.close()

    def _bring_up_to_date(self) -> None:
        if not self._client.connected:
            self._client.greet()
            self._dashboard.mark_all()  # it may know nothing of what its predecessor was sent
        self._dashboard.send(self._client)

    def _tell_reachable(self) -> None:
        self._reachable = True
        if not self._announced:
            self._announced = True
            log(f"Visdom shows this run at {self._client.page}")

    def _tell_unreachable(self, reason: ServerGone) -> None:
        self._reachable = False
        if not self._warned:
            self._warned, self._announced = True, False
            warn(
                f"{reason}; training goes on, and a server that is started later will show it from its start "
                "(bash scripts/visdom_server.sh; --display_id 0 trains without Visdom)"
            )
