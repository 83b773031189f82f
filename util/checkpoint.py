"""Weights and training states on disk: written whole, read without running any code of theirs."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

from util.errors import UserError
from util.files import atomic_write
from util.lazy import torch


def save(path: str | os.PathLike, content: object) -> None:
    """Write tensors and plain values so that a kill at any moment leaves the old file or the new one.

    Raises:
        RunError: the disk is full or cannot be written.
    """

    def write(temporary: Path) -> None:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:
            # torch's writer reports a failed write as a RuntimeError; ask the system what is behind it.
            raise _disk_error(temporary) or error from error

    atomic_write(path, write)


def load(path: str | os.PathLike, device: str = "cpu") -> object:
    """Read what ``save`` wrote (or any file of tensors and plain values).

    Raises:
        UserError: no such file, a truncated or foreign one, or one that carries pickled code.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no checkpoint {path}: train first, or choose another --name, --epoch or --checkpoints_dir")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is an empty file, not a checkpoint: restore it or choose another --epoch")
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        if "Weights only load failed" in str(error) and zipfile.is_zipfile(path):
            raise UserError(
                f"{path} holds pickled code, not only weights, and is not run: convert it where you trust it"
            ) from None
        raise UserError(f"{path} is not a checkpoint that can be read ({_first_line(error)})") from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} is truncated or not a checkpoint ({_first_line(error)}): restore it or choose another --epoch"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def _disk_error(path: Path) -> OSError | None:
    """Return the system's own error where the folder of ``path`` cannot take another block of data."""
    try:
        with open(path, "ab") as handle:
            handle.write(bytes(1 << 20))
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        return error
    return None
