"""The page of a training run: images by epoch and curves, in one file that only grows at its end.

``index.html`` ends in an open data block. A save appends one line of JSON to it, so its cost does not depend on the
length of the run. A browser reads the block up to the end of the file and the page's script parses it line by line: a
last line that a kill has torn is one record less and nothing more. Opened again, the page cuts that line off.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from util.files import atomic_write
from util.gallery.parts import PICTURE_ASSETS, copy_assets, start_page
from util.run_log import AppendOnlyFile

ASSETS = (
    "uPlot.min.css", "uPlot.LICENSE.txt", "uPlot.iife.min.js",
    *PICTURE_ASSETS, "charts.css", "charts.js", "training.js",
)  # fmt: skip
DATA_BLOCK = '<script type="text/plain" id="records">\n'  # a script that no browser runs: its text is kept as it is


class TrainingPage:
    """Writes ``folder``/index.html (``checkpoints/NAME/web/index.html``) while a run goes on.

    A page that is there is continued; ``rollback`` takes away what a resumed run will do again. What an ``add_`` method
    was given is in the file when it returns; ``RunError`` says that the disk is full or the file not writable.
    """

    def __init__(self, folder: str | os.PathLike, title: str, info: Mapping[str, str]):
        """Make or continue the page.

        Args:
            folder: where the page lies; images are named relative to it.
            title: the run's name.
            info: facts for the header in order, e.g. {"model": "r2gan", "dataset": "datasets/PMF"}.
        """
        self.path = Path(folder) / "index.html"
        page = start_page(title, "training", info, ASSETS)
        self._head = f"{page.render(pretty=False).removesuffix('</body></html>')}\n{_BODY}{DATA_BLOCK}"
        copy_assets(self.path.parent, ASSETS)
        self._rewrite(lambda record: True)

    def add_images(self, epoch: int, total_iters: int, step: int, files: Mapping[str, str]) -> None:
        """Append the images of an epoch, {label: path relative to the folder}; a later call replaces them.

        Args:
            epoch: from 1.
            total_iters: images seen since the run began.
            step: optimiser updates since the run began.
        """
        self._append({"kind": "images", "epoch": epoch, "total_iters": total_iters, "step": step, "files": dict(files)})

    def add_losses(self, record: Mapping) -> None:
        """Append a point of the loss curves and of the learning rate.

        Args:
            record: "epoch", "total_iters", "step", "losses" {name: value} and "lr", as in ``loss_log.jsonl``.
        """
        shown = ("epoch", "total_iters", "step", "losses", "lr")
        self._append({"kind": "losses", **{key: record[key] for key in shown}})

    def add_scores(self, record: Mapping) -> None:
        """Append a point of the validation curves: "epoch", "total_iters", "step" and "scores" {name: value}."""
        shown = ("epoch", "total_iters", "step", "scores")
        self._append({"kind": "scores", **{key: record[key] for key in shown}})

    def rollback(self, step: int) -> None:
        """Drop, atomically, all that was added after ``step`` optimiser updates; 0 empties the page."""
        self._rewrite(lambda record: record["step"] <= step)

    def _append(self, record: dict) -> None:
        line = json.dumps(_finite(record), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        # "<" could end the data block; JSON lets every letter be written as its number.
        line = line.replace("<", "\\u003c")
        with closing(AppendOnlyFile(self.path)) as file:
            file.append(line)

    def _rewrite(self, keep: Callable[[dict], bool]) -> None:
        """Write the page anew with the records to keep, unless that is what it holds already."""
        old = self.path.read_bytes() if self.path.is_file() else b""
        lines = old.decode("utf-8", errors="replace").partition(DATA_BLOCK)[2].split("\n")[:-1]  # the last one is torn
        content = self._head + "".join(f"{line}\n" for line in lines if _is_kept(line, keep))
        if content.encode("utf-8") != old:
            atomic_write(self.path, content)


def _is_kept(line: str, keep: Callable[[dict], bool]) -> bool:
    try:
        return keep(json.loads(line))
    except ValueError:  # torn in the middle of the file, by a disk that was full for a while
        return False


def _finite(value):
    """Return the value with null for nan and inf, which JSON does not know: a gap in a curve."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


_BODY = """\
<div class="bar"><div class="line">
<output id="status" role="status"></output>
<label class="refresh"><input type="checkbox" id="refresh"> refresh every 30 s</label>
</div></div>
<section class="charts" id="charts" aria-label="curves"></section>
<main id="scenes"></main>
<p class="nothing" id="nothing" hidden>Nothing is here yet: images and curves come as the training goes on.</p>
"""
