"""A run's log on disk: one JSON object per line. Everything that is drawn while training is drawn from these files.

A line is written whole and handed to the system before anybody is told of it, so a killed process loses nothing it has
reported. Only the last line can be torn (a full disk, a kill in the middle of a write): readers leave it out, and the
next writer cuts it off.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from util.errors import RunError
from util.files import atomic_write


class AppendOnlyFile:
    """A text file that only grows, and whose every line is with the system when ``append`` returns.

    Raises:
        RunError: the disk is full or the place cannot be written.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _cut_torn_line(self.path)
            # Without a buffer: nothing stays behind that a full disk would refuse once more when the process ends.
            self._handle = open(self.path, "ab", buffering=0)
        except OSError as error:
            raise _write_error(self.path, error) from error

    def append(self, line: str) -> None:
        """Write one line (without its line feed)."""
        content = (line + "\n").encode("utf-8")
        try:
            while content:
                content = content[self._handle.write(content) :]
        except OSError as error:
            raise _write_error(self.path, error) from error

    def close(self) -> None:
        self._handle.close()


class RunLog(AppendOnlyFile):
    """``loss_log.jsonl`` or ``val_log.jsonl``: records with at least ``step``, the optimiser updates so far."""

    def append(self, record: dict) -> None:
        """Write one record. Numbers keep their full precision; NaN and infinity, which JSON lacks, become null."""
        super().append(json.dumps(_plain(record), allow_nan=False, ensure_ascii=False))


class TextLog(AppendOnlyFile):
    """``loss_log.txt`` as users of CycleGAN know it: a dated header per start, then a line per print."""

    def __init__(self, path: str | os.PathLike):
        super().__init__(path)
        self.append(f"================ Training Loss ({time.strftime('%c')}) ================")

    def append_record(self, record: dict) -> None:
        """Write a record of losses; ``time`` and ``data`` are seconds per image, ``iters`` images in this epoch."""
        losses = " ".join(f"{name}: {value:.3f}" for name, value in record["losses"].items())
        self.append(
            f"(epoch: {record['epoch']}, iters: {record['iter']}, time: {record['time']:.3f}, "
            f"data: {record['data_time']:.3f}) {losses}"
        )


class LogTail:
    """Reads a log while it is written: each ``read`` goes on where the last one ended."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._offset = 0

    def read(self) -> Iterator[dict]:
        """Yield the whole records that came since, in order, one at a time; none where there is no file yet."""
        try:
            handle = open(self.path, "rb")
        except FileNotFoundError:
            return
        with handle:
            handle.seek(self._offset)
            for line in handle:
                if not line.endswith(b"\n"):  # its writer has not finished it
                    return
                self._offset += len(line)
                record = _decode(line)
                if record is not None:
                    yield record


def read_records(path: str | os.PathLike) -> list[dict]:
    """Return all whole records of a log, in order; an empty list where there is no file. A torn line is left out."""
    return list(LogTail(path).read())


def rollback(path: str | os.PathLike, step: int) -> None:
    """Drop the records that are later than update ``step``: a resumed run writes them again."""
    records = read_records(path)
    kept = [record for record in records if record.get("step", 0) <= step]
    if len(kept) < len(records):
        atomic_write(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in kept))


def rollback_text(path: str | os.PathLike, last: dict | None) -> None:
    """Drop the lines of a ``TextLog`` that are later than the record ``last`` (all of them where it is None)."""
    path = Path(path)
    if not path.is_file():
        return
    end = (last["epoch"], last["iter"]) if last else (0, 0)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = [line for line in lines if _position(line) <= end]
    if len(kept) < len(lines):
        atomic_write(path, "".join(line + "\n" for line in kept))


def _position(line: str) -> tuple[int, int]:
    found = re.match(r"\(epoch: (\d+), iters: (\d+),", line)
    return (int(found[1]), int(found[2])) if found else (0, 0)  # headers stay


def set_aside(path: str | os.PathLike) -> Path | None:
    """Rename the log of an earlier run with this name, so that a fresh run neither mixes with it nor destroys it."""
    path = Path(path)
    if not path.is_file() or path.stat().st_size == 0:
        return None
    written = time.strftime("%Y%m%d-%H%M%S", time.localtime(path.stat().st_mtime))
    for number in range(1, 1000):
        kept = path.with_name(f"{path.stem}_until_{written}{'' if number == 1 else f'_{number}'}{path.suffix}")
        if not kept.exists():
            path.rename(kept)
            return kept
    raise RunError(f"{path} is the log of an earlier run and could not be renamed: move it away or use another --name")


def _decode(line: bytes) -> dict | None:
    try:
        record = json.loads(line)
    except ValueError:  # damaged from outside: the rest of the log is still good
        return None
    return record if isinstance(record, dict) else None


def _plain(value):
    """Turn numbers of numpy and torch into Python's, and those that JSON cannot say into None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (str, bool, int)):
        return value
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, float):
        return number if math.isfinite(number) else None
    return number


def _cut_torn_line(path: Path) -> None:
    if not path.is_file():
        return
    with open(path, "rb+") as handle:
        size = handle.seek(0, os.SEEK_END)
        position = size
        while position > 0:  # from the end, a block at a time: a log may be long
            start = max(0, position - 65536)
            handle.seek(start)
            newline = handle.read(position - start).rfind(b"\n")
            if newline >= 0:
                position = start + newline + 1
                break
            position = start
        if position < size:
            handle.truncate(position)


def _write_error(path: Path, error: OSError) -> RunError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunError(
            f"the disk is full: {path} could not be written; free some space and go on with --continue_train"
        )
    return RunError(f"{path} could not be written ({error.strerror or error})")
