"""The folder of a test or an evaluation, put in place as a whole when all of it is there."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from pathlib import Path

from util import distributed
from util.errors import RunError, UserError, some
from util.logger import log, warn

# What tests and evaluations write. Anything else in the folder is somebody's own and is carried over.
_WRITTEN = {"index.html", "leaderboard.html", "metrics.csv", "metrics.json", "table.md", "table.tex", "run.json",
            "assets", "images"}  # fmt: skip
_HOST = os.uname().nodename


class ResultsFolder:
    """Collects files in a hidden neighbour of a folder and renames it when it is complete.

    ``path`` is where to write meanwhile, between entering and leaving. What fails half-way leaves the results of the
    time before as they were. Runs of the same folder at once do not meet: each has a neighbour of its own, and the
    last to finish stays.
    """

    path: Path

    def __init__(self, folder: Path):
        self.folder = Path(os.path.realpath(folder))  # what a link points to is replaced, not the link

    def __enter__(self) -> ResultsFolder:
        """Make ``path``, the same one on all ranks.

        Raises:
            UserError: the folder cannot be written, or holds files that no test and no evaluation has written.
        """
        self.path = distributed.on_main_process(self._prepare)
        return self

    def __exit__(self, failure, *_) -> None:
        # On all ranks: one that still wrote when another had removed the folder would leave it behind.
        if failure is not None:
            shutil.rmtree(self.path, ignore_errors=True)

    def put_in_place(self) -> None:
        """Make what was collected the content of the folder (rank 0 alone).

        Raises:
            RunError: it cannot be done; what the folder held before is kept.
        """
        old = self._neighbour("old")
        try:
            while not _rename(self.path, self.folder):
                self._refuse_files_of_others()
                try:
                    self.folder.rename(old)
                except FileNotFoundError:
                    continue  # another run has just taken the earlier results away
                log(f"earlier results in {self.folder} are replaced (--results_dir keeps both)")
                try:
                    done = _rename(self.path, self.folder)
                finally:
                    self._retire(old)
                if done:
                    return
        except OSError as error:
            raise RunError(
                f"the results could not be put into {self.folder} ({error.strerror or error}); what it held before "
                "is kept"
            ) from error

    def _prepare(self) -> Path:
        path = self._neighbour("partial")
        try:
            self._refuse_files_of_others()
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self._clear_leftovers()
            (path / "images").mkdir(parents=True)
        except OSError as error:
            raise UserError(
                f"results cannot be written to {self.folder} ({error.strerror or error}): choose another --results_dir"
            ) from error
        return path

    def _refuse_files_of_others(self) -> None:
        try:
            seen = self.folder.stat().st_ino
            names = sorted(entry.name for entry in self.folder.iterdir())
            foreign = names and not _is_written_by_us(self.folder)
            if foreign and self.folder.stat().st_ino != seen:
                return self._refuse_files_of_others()  # another run has replaced the folder meanwhile
        except FileNotFoundError:
            return
        if foreign:
            raise UserError(
                f"{self.folder} holds files that neither test.py nor evaluate.py has written ({some(names, 3)}): move "
                "them away or choose another --results_dir"
            )

    def _neighbour(self, kind: str) -> Path:
        return self.folder.with_name(f".{self.folder.name}.{kind}-{_HOST}-{os.getpid()}")

    def _clear_leftovers(self) -> None:
        """Put in order what processes have left that were killed."""
        pattern = re.compile(rf"\.{re.escape(self.folder.name)}\.(partial|old)-{re.escape(_HOST)}-(\d{{1,9}})")
        for entry in list(self.folder.parent.iterdir()):
            found = pattern.fullmatch(entry.name)
            if found and not _is_another_alive(int(found[2])):
                if found[1] == "partial":
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    with contextlib.suppress(FileNotFoundError):  # another run is doing the same
                        self._retire(entry)

    def _retire(self, old: Path) -> None:
        """Delete earlier results but for what they hold of others; where no newer ones came, put them back."""
        if _rename(old, self.folder):
            return
        carried = sorted(entry for entry in old.iterdir() if entry.name not in _WRITTEN)
        for entry in carried:
            if os.path.lexists(self.folder / entry.name):
                warn(f"{entry} stays there: {self.folder} has got another {entry.name}")
                return
            try:
                entry.rename(self.folder / entry.name)
            except FileNotFoundError:
                return self._retire(old)  # another run has just taken the newer ones away
        if carried:
            log(f"kept in {self.folder}: {some(entry.name for entry in carried)}")
        shutil.rmtree(old, ignore_errors=True)
        if old.exists():
            warn(f"the earlier results in {old} could not be deleted")


def _is_written_by_us(folder: Path) -> bool:
    """Whether a gallery has left its mark."""
    try:
        mark = json.loads((folder / "run.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(mark, dict) and mark.get("format") == 1 and "kind" in mark


def _is_another_alive(process: int) -> bool:
    if process == os.getpid():
        return False  # an earlier one had the same number
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _rename(source: Path, target: Path) -> bool:
    """Rename a folder; return whether the place was free (nothing, or an empty folder)."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True
