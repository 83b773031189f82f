"""What a method reached: a value for each class, and their mean."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from util.files import atomic_write

FORMAT = 1  # of metrics.json


@dataclass(frozen=True)
class Summary:
    """A method's scores.

    Attributes:
        mean: over the classes that have a value, in [0, 1]; NaN where none has.
        classes: {name: {"value": in [0, 1] or NaN, and counts}}.
        more: what else metrics.json keeps.
    """

    mean: float
    classes: dict[str, dict[str, float]]
    more: dict = field(default_factory=dict)

    @classmethod
    def of(cls, classes: dict[str, dict[str, float]], **more) -> Summary:
        """Make a summary with the mean of the classes' values."""
        values = [row["value"] for row in classes.values() if not math.isnan(row["value"])]
        return cls(sum(values) / len(values) if values else math.nan, classes, more)


def write_tables(folder: Path, measure: str, summaries: Mapping[str, Summary], facts: Mapping) -> None:
    """Write metrics.csv (a row for each method: the mean, then each class) and metrics.json (with counts and facts).

    Raises:
        RunError: the files cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    names = list(next(iter(summaries.values())).classes)
    table.writerow(["method", measure, *names])
    for method, summary in summaries.items():
        table.writerow([method, summary.mean, *(summary.classes[name]["value"] for name in names)])
    atomic_write(folder / "metrics.csv", text.getvalue())
    methods = [
        {
            "name": method,
            measure: _strict(summary.mean),
            "classes": {
                name: {key: _strict(value) for key, value in row.items()} for name, row in summary.classes.items()
            },
            **summary.more,
        }
        for method, summary in summaries.items()
    ]
    document = {"format": FORMAT, "measure": measure, **facts, "methods": methods}
    atomic_write(folder / "metrics.json", json.dumps(document, allow_nan=False, indent=1) + "\n")


def format_table(measure: str, summaries: Mapping[str, Summary]) -> str:
    """Return a table of methods by measure and classes for the terminal, the best mean first."""
    names = list(next(iter(summaries.values())).classes)
    rows = [["method", measure, *names]]
    for method, summary in sorted(summaries.items(), key=lambda item: -_or_lowest(item[1].mean)):
        values = [summary.mean, *(summary.classes[name]["value"] for name in names)]
        rows.append([method, *(f"{value:.3f}" for value in values)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_align(row, widths) for row in rows)


def _align(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    return "  ".join(cells)


def _or_lowest(value: float) -> float:
    return -1.0 if math.isnan(value) else value


def _strict(value: float) -> float | None:
    return None if math.isnan(value) else value
