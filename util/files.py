"""Files that are whole or absent: every write goes to a temporary neighbour and is renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from util.errors import RunError

REPOSITORY = Path(__file__).resolve().parent.parent


def atomic_write(path: str | os.PathLike, write: Callable[[Path], None] | bytes | str) -> Path:
    """Write a file so that a reader, or a kill at any moment, sees the old file or the new one and nothing between.

    Args:
        path: the file; its folder is made where it is missing.
        write: the content (``bytes``, or ``str`` as UTF-8), or a function that writes to the path it is given. That
            path has the suffix of ``path``.

    Raises:
        RunError: the disk is full or the place cannot be written; the old file is left as it was.
    """
    path = Path(path)
    # The suffix stays last: image and archive writers choose their format by it. What a kill leaves is written over.
    temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(write):
            write(temporary)
        else:
            temporary.write_bytes(write.encode("utf-8") if isinstance(write, str) else write)
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(
                f"the disk is full: {path} could not be written (what it held before is kept); free some space "
                "and start again, a training with --continue_train"
            ) from error
        raise RunError(
            f"{path} could not be written ({error.strerror or error}); what it held before is kept"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
