"""The page of a test of one method: a gallery whose columns are the labels of its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from metrics.registry import Metric
from metrics.table import ScoreTable
from util.gallery.gallery_page import Column, write_gallery

COLUMNS = {
    "A": Column("A", "source A", "source"),
    "B": Column("B", "source B", "source"),
    "GT": Column("GT", "ground truth", "truth"),
}


def write_results_page(folder: Path, *, title: str, info: Mapping[str, str], rows: Sequence[Mapping],
                       metrics: Sequence[Metric], means: Mapping[str, float]) -> Path:
    """Write ``folder``/index.html of one method; ``write_gallery`` explains the arguments."""
    table = ScoreTable(metrics)
    for row in rows:
        table.add(title, row["name"], row["scores"])
    labels = list(dict.fromkeys(label for row in rows for label in row["files"]))
    columns = [COLUMNS.get(label, Column(label, label, "fused", title)) for label in labels]
    links = {"metrics.csv": "metrics.csv"} if metrics else {}
    return write_gallery(folder, title=title, kind="test results", info=info, protocol="", command="", options={},
                         columns=columns, scenes=rows, table=table, links=links)
