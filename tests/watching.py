"""What the tests of watching share: a run's options and records, and a real Visdom server on a thread."""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


def make_options(**changes) -> argparse.Namespace:
    options = {"name": "run", "model": "r2gan", "dataroot": "datasets/PMF", "no_html": True, "tensorboard": False,
               "display_id": 0, "display_server": "http://localhost", "display_port": 8097, "display_env": "main",
               "display_winsize": 256, "display_ncols": 4}
    return argparse.Namespace(**(options | changes))


def make_record(step: int) -> dict:
    return {"epoch": 1 + (step - 1) // 10, "iter": ((step - 1) % 10 + 1) * 4, "total_iters": step * 4, "step": step,
            "losses": {"G": 1 / step, "D": 0.5}, "lr": 2e-4, "time": 0.1, "data_time": 0.01, "compute_time": 0.09,
            "images_per_s": 40.0}


def make_scores(step: int) -> dict:
    return {"epoch": 1 + (step - 1) // 10, "total_iters": step * 4, "step": step, "scores": {"SSIM": 1 - 1 / step}}


def make_image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)


def wait_until(condition: Callable[[], object], what: str, patience: float = 60) -> None:
    """Wait for what should come at once, for ``patience`` seconds at most: a test machine may be busy."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.02)


def read_windows(port: int, environment: str) -> dict[str, dict]:
    """Return what an environment on a Visdom server holds, by window; nothing where it does not know it."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/win_data", method="POST",
                                     data=json.dumps({"eid": environment, "win": None}).encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError:
        return {}


class VisdomThread:
    """Visdom's own application, listening on 127.0.0.1: started and stopped within a test.

    It needs none of its page's assets: what it holds is asked of it through its own interface.
    """

    def __init__(self, env_path: Path, port: int = 0):
        app = pytest.importorskip("visdom.server.app", reason="visdom is not installed")
        from tornado.httpserver import HTTPServer
        from tornado.netutil import bind_sockets

        app.tornado_settings["autoreload"] = False
        env_path.mkdir(parents=True, exist_ok=True)
        self.loop = asyncio.new_event_loop()
        started = threading.Event()

        def serve():
            asyncio.set_event_loop(self.loop)

            async def start():
                self.server = HTTPServer(app.Application(env_path=f"{env_path}/"))
                sockets = bind_sockets(port, address="127.0.0.1")
                self.server.add_sockets(sockets)
                self.port = sockets[0].getsockname()[1]

            self.loop.run_until_complete(start())
            started.set()
            self.loop.run_forever()

        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()
        assert started.wait(30)

    def windows(self, environment: str = "main") -> dict[str, dict]:
        """Return what an environment holds, by window."""
        return read_windows(self.port, environment)

    def stop(self) -> None:
        """Close the port and every connection, as a killed server does."""

        async def end():
            self.server.stop()
            await self.server.close_all_connections()

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
