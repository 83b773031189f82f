"""The bar on a real terminal: a pseudo-terminal of the system, 200 columns wide."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import tiny
from commands import REPOSITORY, SMALL, environment


def test_bar_shows_where_the_run_is_and_what_a_step_waits_for(tmp_path):
    tiny.make_strips(tmp_path / "data" / "train", 6)
    ours, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    words = [
        "--dataroot",
        tmp_path / "data",
        "--name",
        "bar",
        "--checkpoints_dir",
        tmp_path,
        *SMALL,
        "--n_epochs",
        "8",
        "--n_epochs_decay",
        "0",
    ]
    process = subprocess.Popen(
        [sys.executable, REPOSITORY / "train.py", *words], stdout=subprocess.DEVNULL, stderr=terminal, env=environment()
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how a pseudo-terminal says that its other end is closed
            break
        if not part:
            break
        shown += part
    assert process.wait(60) == 0
    text = shown.decode("utf-8", errors="replace")
    assert "epoch 1/8" in text and "epoch 8/8" in text
    for words in ("images/s, data ", " ms, compute ", "GiB, ETA 0:"):
        assert words in text
