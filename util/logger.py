"""The one place that writes to the terminal: rank-aware, and friendly to a progress bar."""

from __future__ import annotations

import os
import sys


def is_main_process() -> bool:
    """Whether this process is rank 0 (read from the launcher's environment, so it works before torch is loaded)."""
    return int(os.environ.get("RANK", "0")) == 0


def log(message: str = "") -> None:
    """Write one message to standard output, on rank 0 alone."""
    if is_main_process():
        _write(message, sys.stdout)


def warn(message: str) -> None:
    """Write one warning to standard error, on rank 0 alone."""
    if is_main_process():
        _write(f"warning: {message}", sys.stderr)


def fail(program: str, message: str) -> None:
    """Write the sentence that ends a run to standard error, on every rank: the failing rank may not be rank 0."""
    _write(f"{program}: error: {message}", sys.stderr)


def _write(message: str, stream) -> None:
    # A bar is drawn only where tqdm was loaded; going through it keeps bar and message apart.
    tqdm = sys.modules.get("tqdm")
    # A file name may hold bytes that are no text: they are shown by their numbers.
    encoding = stream.encoding or "utf-8"
    message = message.encode(encoding, "backslashreplace").decode(encoding)
    if tqdm is not None:
        tqdm.tqdm.write(message, file=stream)
    else:
        stream.write(message + "\n")
    stream.flush()
