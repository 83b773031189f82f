"""The folder of a test: pictures, table and page, put in place as a whole when all of it is there."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np

import metrics
from util import distributed
from util.errors import UserError
from util.gallery.results_page import write_results_page
from util.image_io import write_image
from util.logger import is_main_process, log


class ResultsFolder:
    """Collects a test in a hidden neighbour of ``RESULTS_DIR/NAME/PHASE_EPOCH`` and renames it when it is complete.

    A test that fails half-way leaves the results of the one before as they were.
    """

    def __init__(self, opt: argparse.Namespace):
        self.opt = opt
        self.folder = Path(opt.results_dir).expanduser().absolute() / opt.name / f"{opt.phase}_{opt.epoch}"
        self.partial = self.folder.with_name(f".{self.folder.name}.partial")
        if self.folder.exists() and not (self.folder / "index.html").is_file() and any(self.folder.iterdir()):
            raise UserError(
                f"{self.folder} holds files that no test has written: move them away or choose another --results_dir"
            )

    def __enter__(self) -> ResultsFolder:
        if is_main_process():
            shutil.rmtree(self.partial, ignore_errors=True)
            (self.partial / "images").mkdir(parents=True)
        distributed.barrier()
        return self

    def __exit__(self, failure, *_) -> None:
        if failure is not None and is_main_process():
            shutil.rmtree(self.partial, ignore_errors=True)

    def write_pictures(self, pair: dict, pictures: dict[str, np.ndarray]) -> dict[str, str]:
        """Write ``images/<name>_{A,B,fused,GT}.png``; return their paths inside the folder by label."""
        files = {}
        for label, picture in pictures.items():
            files[label] = f"images/{pair['name']}_{label}.png"
            write_image(self.partial / files[label], picture, gray=pair["gray"].get(label, False))
        return files

    def finish(self, rows: list[dict], selected: list[metrics.Metric], dataset) -> Path:
        """Write ``metrics.csv`` and ``index.html``, put the folder in its place, and return the page's path."""
        order = {name: number for number, name in enumerate(pair.name for pair in dataset.pairs)}
        rows.sort(key=lambda row: order[row["name"]])
        table = make_table(self.opt.name, rows, selected)
        table.write_csv(self.partial / "metrics.csv")
        opt = self.opt
        info = {
            "run": opt.name,
            "model": opt.model,
            "snapshot": opt.epoch,
            "data set": f"{dataset.title} ({opt.dataroot or opt.dir_A})",
            "size": f"{opt.load_size} x {opt.load_size}"
            if opt.preprocess == "resize"
            else "full size"
            if opt.preprocess == "none"
            else opt.preprocess,
            "colour": opt.color,
            "scores": metrics.RULE,
        }
        write_results_page(
            self.partial,
            title=f"{opt.name}, {opt.phase} {opt.epoch}",
            info=info,
            rows=rows,
            metrics=selected,
            means=table.means(opt.name),
        )
        if self.folder.exists():
            log(f"the results of an earlier test in {self.folder} are replaced (--results_dir keeps both)")
            old = self.folder.with_name(f".{self.folder.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            self.folder.rename(old)
            self.partial.rename(self.folder)
            shutil.rmtree(old)
        else:
            self.partial.rename(self.folder)
        return self.folder / "index.html"


def make_table(method: str, rows: list[dict], selected: list[metrics.Metric]) -> metrics.ScoreTable:
    """Return the scores of ``rows`` (each with ``name`` and ``scores``) as a table of one method."""
    table = metrics.ScoreTable(selected)
    for row in rows:
        table.add(method, row["name"], row["scores"])
    return table


def log_means(method: str, rows: list[dict], selected: list[metrics.Metric]) -> None:
    """Say the mean of every metric in one line."""
    if selected:
        means = make_table(method, rows, selected).means(method)
        log("mean: " + ", ".join(f"{name} {value:.4g}" for name, value in means.items()))
