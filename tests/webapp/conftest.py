"""A trained run, a pair, and the page served by a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny
import torch
from commands import REPOSITORY, SMALL, environment
from visitor import RUN

import models
from options import saved_options
from options.train_options import TrainOptions
from util import distributed


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """A folder with ``runs/RUN``, an R2GAN that has learned nothing yet, and a test set of one pair, ``pairs``."""
    root = tmp_path_factory.mktemp("webapp")
    tiny.make_pairs(root / "pairs" / "test", 1, ((96, 120),))
    make_run(root, RUN)
    return root


def make_run(root: Path, name: str) -> Path:
    """Keep what a training would keep before its first update; return the run's folder."""
    options = TrainOptions()
    opt = options.parse(["--dataroot", str(root / "pairs"), "--name", name, "--checkpoints_dir", str(root / "runs"),
                         *SMALL])  # fmt: skip
    distributed.start(opt)
    saved_options.write(opt, options.parser)
    torch.manual_seed(0)
    models.create_model(opt).save_networks("latest")
    return Path(opt.run_dir)


@pytest.fixture(scope="session")
def pair(world) -> tuple[Path, Path]:
    """The files of the pair."""
    return tuple(next((world / "pairs" / "test" / side).iterdir()) for side in "AB")


@dataclass
class Server:
    """A served page: its process, its address and the folder that stands for /tmp."""

    process: subprocess.Popen
    url: str
    temporary: Path

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal; return exit status, standard output and standard error."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=60)
        return self.process.returncode, output, errors


def start_server(temporary: Path, *words) -> Server:
    """Serve the page on a free port, and wait until it answers."""
    temporary.mkdir(parents=True)
    command = [sys.executable, REPOSITORY / "scripts" / "app.py", "--port", "0", "--gpu_ids", "-1", *words]
    # A process that was started in the background may ignore Ctrl-C, and its children with it.
    heed = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    variables = environment(TMPDIR=str(temporary), HTTPS_PROXY="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9")
    variables.pop("PYTEST_CURRENT_TEST", None)  # NiceGUI would take the process for a test of its own kind
    process = subprocess.Popen(
        list(map(str, command)), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=temporary,
        env=variables, preexec_fn=heed if os.name == "posix" else None,
    )  # fmt: skip
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    if not found:
        process.kill()
        pytest.fail(f"the page was not served: {line}{process.communicate()[1]}")
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(found[0], timeout=30):
                return Server(process, found[0], temporary)
        except urllib.error.URLError:
            assert time.monotonic() < end, "the page does not answer"
            time.sleep(0.05)


@pytest.fixture(scope="session")
def server(world, tmp_path_factory):
    """The page with the trained run, for images up to 0.05 megapixels and files up to 1 MB."""
    served = start_server(tmp_path_factory.mktemp("page") / "tmp", "--checkpoints_dir", world / "runs",
                          "--max_megapixels", "0.05", "--max_megabytes", "1")  # fmt: skip
    yield served
    if served.process.poll() is None:
        served.stop()
