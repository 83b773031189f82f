"""What a test or an evaluation has finished so far, on disk: a killed one goes on from it, and ranks meet in it.

``FOLDER/.progress`` holds ``settings.json`` (what the results depend on) and ``rows-RANK.jsonl``, a scene in each line,
written when its pictures are. Rank 0 puts the table together from these files, so nothing is sent between processes.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from util import distributed
from util.files import atomic_write

PROGRESS = ".progress"
# Options that change neither a picture nor a score.
_FREE = {
    "given", "stored", "is_train", "help", "list", "print_options", "verbose", "eval", "jobs", "num_threads",
    "serial_batches", "gpu_ids", "check", "resume", "results_dir", "checkpoints_dir", "run_dir", "suffix",
}  # fmt: skip


class Journal:
    """The rows of a folder that is being filled."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._place = folder / PROGRESS

    def begin(self, settings: dict) -> None:
        """Note what the results depend on, before the first row, and the job of a cluster that they are made in."""
        atomic_write(self._place / "settings.json", json.dumps({**settings, "job": _find_job()}, indent=1))

    def is_of_this_job(self) -> bool:
        """Whether a cluster has started the job again that the rows are from: what began it has then ended."""
        return _find_job() is not None and (self.settings() or {}).get("job") == _find_job()

    def settings(self) -> dict | None:
        """Return what ``begin`` has noted; None where there is nothing, or nothing that could be read."""
        try:
            settings = json.loads((self._place / "settings.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return settings if isinstance(settings, dict) else None

    def open(self):
        """Open this rank's file, a context in which ``append`` works."""
        self._file = open(self._place / f"rows-{distributed.rank()}.jsonl", "a", encoding="utf-8")
        self._file.write("\n")  # what a kill left half-written stays a line of its own
        return self._file

    def append(self, row: dict) -> None:
        """Add the row of a scene whose pictures are written."""
        self._file.write(json.dumps(row, default=float) + "\n")
        self._file.flush()

    def read(self) -> dict[str, dict]:
        """Return {scene's name: row} of all ranks, without rows that are not whole or whose pictures have gone."""
        rows = {}
        for path in sorted(self._place.glob("rows-*.jsonl")):
            # Another run may be removing what a killed one has left.
            with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    with contextlib.suppress(ValueError, KeyError, TypeError):
                        row = json.loads(line)
                        if all((self.folder / file).is_file() for file in row["files"].values()):
                            rows[row["name"]] = row
        return rows

    def written(self) -> float:
        """Return when something was last noted, in seconds since 1970; 0 where nothing was."""
        with contextlib.suppress(FileNotFoundError):
            return max((path.stat().st_mtime for path in self._place.glob("*")), default=0.0)
        return 0.0


def _find_job() -> str | None:
    return os.environ.get("SLURM_JOB_ID")


def describe_settings(opt: argparse.Namespace, **contents: str) -> dict:
    """Return what results depend on: the options, and ``contents``, digests of files by what they are."""
    options = {name: str(value) for name, value in sorted(vars(opt).items()) if name not in _FREE | {"device"}}
    return {"options": options | {"device": getattr(opt, "device", "cpu").split(":")[0]}, "contents": contents}


def find_difference(before: dict, now: dict) -> str:
    """Say in which settings two runs differ; "" where in none."""
    old, new = before.get("options", {}), now.get("options", {})
    said = [
        f"--{name} {old.get(name, 'not known')} (now {new.get(name, 'not known')})"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    old, new = before.get("contents", {}), now.get("contents", {})
    return ", ".join(said + [f"other {name.replace('_', ' ')}" for name in new if old.get(name) != new[name]])


def digest_pairs(pairs: Sequence) -> str:
    """Return a digest of the files of pairs, by their names, lengths and times."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(pair.name.encode())
        _add_facts(digest, pair.files())
    return digest.hexdigest()


def digest_files(files: Iterable[Path]) -> str:
    """Return a digest of files by their names, lengths and times."""
    digest = hashlib.sha256()
    _add_facts(digest, files)
    return digest.hexdigest()


def digest_contents(files: Iterable[Path]) -> str:
    """Return a digest of what is in files; those that are not there are passed over."""
    digest = hashlib.sha256()
    for path in files:
        if path.is_file():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _add_facts(digest, files: Iterable[Path]) -> None:
    for path in files:
        found = path.stat()
        digest.update(os.fsencode(path.name) + f" {found.st_size} {found.st_mtime_ns}\n".encode())
