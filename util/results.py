"""The folder of a test or an evaluation, put in place as a whole when all of it is there."""

from __future__ import annotations

import shutil
from pathlib import Path

from util import distributed
from util.errors import UserError
from util.logger import is_main_process, log


class ResultsFolder:
    """Collects files in a hidden neighbour of a folder and renames it when it is complete.

    ``path`` is where to write meanwhile. What fails half-way leaves the results of the time before as they were.
    """

    def __init__(self, folder: Path):
        """Raises UserError where the folder holds files that no test and no evaluation has written."""
        self.folder = folder
        self.path = folder.with_name(f".{folder.name}.partial")
        if folder.exists() and not (folder / "index.html").is_file() and any(folder.iterdir()):
            raise UserError(
                f"{folder} holds files that neither test.py nor evaluate.py has written: move them away or choose "
                "another --results_dir"
            )

    def __enter__(self) -> ResultsFolder:
        if is_main_process():
            shutil.rmtree(self.path, ignore_errors=True)
            (self.path / "images").mkdir(parents=True)
        distributed.barrier()
        return self

    def __exit__(self, failure, *_) -> None:
        if failure is not None and is_main_process():
            shutil.rmtree(self.path, ignore_errors=True)

    def put_in_place(self) -> None:
        """Make what was collected the content of the folder."""
        if not self.folder.exists():
            self.path.rename(self.folder)
            return
        log(f"earlier results in {self.folder} are replaced (--results_dir keeps both)")
        old = self.folder.with_name(f".{self.folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        self.folder.rename(old)
        self.path.rename(self.folder)
        shutil.rmtree(old)
