"""The folder of a test or an evaluation, put in place as a whole when all of it is there, or gone on with."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from util import distributed
from util.errors import RunError, UserError, some
from util.journal import PROGRESS, Journal, find_difference
from util.logger import log, warn

# What tests and evaluations write. Anything else in the folder is somebody's own and is carried over.
_WRITTEN = {"index.html", "leaderboard.html", "metrics.csv", "metrics.json", "table.md", "table.tex", "run.json",
            "assets", "images", PROGRESS}  # fmt: skip
_HOST = os.uname().nodename
_WORTH_KEEPING = 60  # seconds of work: what was stopped earlier is sooner begun anew
_NOBODY = 999_999_999  # a number that no process has
_QUIET = 300  # seconds without a row after which a run on another machine counts as dead


class ResultsFolder:
    """Collects files in a hidden neighbour of a folder and renames it when it is complete.

    What fails half-way leaves the results of the time before as they were. Runs of the same folder at once do not meet:
    each has a neighbour of its own, and the last to finish stays. What was killed after its first row stays until a run
    of the folder is finished, so that it can be gone on with.

    Args:
        folder: the place of the results.
        settings: gives what the results depend on (``describe_settings``); called on rank 0 alone.
        resume: go on with what a stopped run of the same settings has left.

    Attributes:
        path: where to write, between entering and leaving.
        journal: the rows of what is finished, in ``path``.
        done: names of the scenes that were finished before.
    """

    path: Path
    journal: Journal
    done: frozenset[str]

    def __init__(self, folder: Path, settings: Callable[[], dict] = dict, *, resume: bool = False):
        self.folder = Path(os.path.realpath(folder))  # what a link points to is replaced, not the link
        self.settings = settings
        self.resume = resume

    def __enter__(self) -> ResultsFolder:
        """Make ``path``, the same one on all ranks.

        Raises:
            UserError: the folder cannot be written, it holds files that no test and no evaluation has written, or
                there is nothing to resume.
        """
        self.path, self.done = distributed.on_main_process(self._prepare)
        self.journal = Journal(self.path)
        self._entered = time.monotonic()
        return self

    def __exit__(self, failure, *_) -> None:
        # On all ranks: one that still wrote when another had removed the folder would leave it behind.
        if failure is None:
            return
        long = self.resume or distributed.world_size() > 1 or time.monotonic() - self._entered >= _WORTH_KEEPING
        if long and (finished := len(self.journal.read())):
            warn(f"{count_pairs(finished)} finished and kept: the same command with --resume goes on with the rest")
        else:
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
                    break
        except OSError as error:
            raise RunError(
                f"the results could not be put into {self.folder} ({error.strerror or error}); what it held before "
                "is kept"
            ) from error
        shutil.rmtree(self.folder / PROGRESS, ignore_errors=True)
        self._clear_leftovers(finished=True)

    def _prepare(self) -> tuple[Path, frozenset[str]]:
        path, settings = self._neighbour("partial"), self.settings()
        try:
            self._refuse_files_of_others()
            if self.resume:
                self._find_stopped(settings).rename(path)
                done = frozenset(Journal(path).read())
                log(f"going on: {count_pairs(len(done))} finished before")
                return path, done
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self._clear_leftovers()
            self._mention_stopped(settings)
            (path / "images").mkdir(parents=True)
            Journal(path).begin(settings)
            return path, frozenset()
        except OSError as error:
            raise UserError(
                f"results cannot be written to {self.folder} ({error.strerror or error}): choose another --results_dir"
            ) from error

    def _find_stopped(self, settings: dict) -> Path:
        """Return the latest folder that a stopped run of these settings has left.

        Raises:
            UserError: there is none; the sentence says what is there instead.
        """
        others = ""
        for journal, before in self._list_stopped():
            if difference := find_difference(before, settings):
                others = others or difference
                continue
            _, host, process = self._read_name(journal.folder)
            if self._is_at_work(journal.folder):
                raise UserError(
                    f"--resume: process {process} is still at work on {self.folder}: wait for its end, or stop it"
                )
            quiet = time.time() - journal.written()
            if host != _HOST and quiet < _QUIET and not journal.is_of_this_job():
                raise UserError(
                    f"--resume: {host} noted a result of {self.folder} {quiet:.0f} s ago and may still be at work; "
                    f"try again when it has been quiet for {_QUIET} s"
                )
            return journal.folder
        if others:
            raise UserError(
                f"--resume: the run of {self.folder} that was stopped had other settings: {others}; give the same, or "
                "begin anew without --resume"
            )
        raise UserError(
            f"--resume finds nothing to go on with: no run of {self.folder} was stopped half-way; leave the flag out"
        )

    def _mention_stopped(self, settings: dict) -> None:
        for journal, before in self._list_stopped():
            difference = find_difference(before, settings)
            advice = f" by a command with {difference}" if difference else ": --resume goes on with it"
            if not self._is_at_work(journal.folder) and (finished := len(journal.read())):
                warn(
                    f"a run of {self.folder} was stopped with {count_pairs(finished)} finished{advice}; they are "
                    "kept until this run is finished"
                )

    def _list_stopped(self) -> list[tuple[Journal, dict]]:
        """What runs have left half-way or are at, the latest first, and the settings of each."""
        entries = self.folder.parent.iterdir() if self.folder.parent.is_dir() else ()
        journals = [Journal(entry) for entry in entries if (self._read_name(entry) or ("",))[0] == "partial"]
        journals.sort(key=Journal.written, reverse=True)
        return [(journal, settings) for journal in journals if (settings := journal.settings()) is not None]

    def _is_at_work(self, folder: Path) -> bool:
        _, host, process = self._read_name(folder)
        return host == _HOST and _is_another_alive(process)

    def _read_name(self, neighbour: Path) -> tuple[str, str, int] | None:
        """(kind, host, process) of one of this folder's neighbours."""
        found = re.fullmatch(rf"\.{re.escape(self.folder.name)}\.(partial|old)-(.+)-(\d{{1,9}})", neighbour.name)
        return (found[1], found[2], int(found[3])) if found else None

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

    def _neighbour(self, kind: str, process: int | None = None) -> Path:
        return self.folder.with_name(f".{self.folder.name}.{kind}-{_HOST}-{process or os.getpid()}")

    def _clear_leftovers(self, *, finished: bool = False) -> None:
        """Put in order what processes have left that were killed; what can be gone on with stays until the end."""
        for entry in list(self.folder.parent.iterdir()):
            kind, host, process = self._read_name(entry) or ("", "", 0)
            if host != _HOST or _is_another_alive(process):
                continue
            if kind == "old":
                with contextlib.suppress(FileNotFoundError):  # another run is doing the same
                    self._retire(entry)
            elif finished or not Journal(entry).read():
                shutil.rmtree(entry, ignore_errors=True)
            elif process == os.getpid():  # in containers all have one number: make room
                shutil.rmtree(room := self._neighbour("partial", _NOBODY), ignore_errors=True)
                entry.rename(room)

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


def count_pairs(count: int) -> str:
    """Return "1 pair" or "2 pairs"."""
    return f"{count} pair{'s' if count != 1 else ''}"


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
