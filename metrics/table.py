"""The scores of one or several methods: a row for each image, their mean, deviation and median, and the CSV file."""

from __future__ import annotations

import csv
import io
import math
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from metrics.registry import Metric
from util.files import atomic_write

SUMMARIES = ("mean", "std", "median")  # the last rows of a method in metrics.csv, in this order


class ScoreTable:
    """Collects the scores of fused images by method.

    Attributes:
        metrics: the columns.
        rows: list of (method, scene's name, {metric's name: value}); a value is missing where there is no ground truth.
    """

    def __init__(self, metrics: Sequence[Metric]):
        self.metrics = list(metrics)
        self.rows: list[tuple[str, str, dict[str, float]]] = []
        self._scores: dict[str, dict[str, dict[str, float]]] = {}  # by method and scene, for quick look-up
        self._names: dict[str, None] = {}

    def add(self, method: str, name: str, scores: dict[str, float]) -> None:
        """Append the row of one fused image, as ``metrics.score`` returns it."""
        self.rows.append((method, name, dict(scores)))
        self._scores.setdefault(method, {})[name] = self.rows[-1][2]
        self._names[name] = None

    @property
    def methods(self) -> list[str]:
        """The methods in the order of their first row."""
        return list(self._scores)

    @property
    def names(self) -> list[str]:
        """The scenes in the order of their first row."""
        return list(self._names)

    def value(self, method: str, name: str, metric: str) -> float:
        """Return one score; nan where there is none."""
        return self._scores.get(method, {}).get(name, {}).get(metric, math.nan)

    def values(self, method: str, metric: str) -> list[float]:
        """Return a method's scores that are there and not nan, in the order of rows."""
        found = (scores.get(metric, math.nan) for scores in self._scores.get(method, {}).values())
        return [value for value in found if not math.isnan(value)]

    def summary(self, method: str, metric: str) -> dict[str, float]:
        """Return ``{"mean", "std", "median", "count"}`` of a method's scores that are there and not nan; inf counts.

        ``std`` is the standard deviation of a sample (divided by n - 1), nan for fewer than two values or an infinite
        one; with no value all are nan, and so is the mean of both infinities. ``count`` tells how many images stand
        behind each number.
        """
        values = self.values(method, metric)
        finite = len(values) > 1 and all(map(math.isfinite, values))
        opposite = {math.inf, -math.inf} <= set(values)
        return {
            "mean": math.fsum(values) / len(values) if values and not opposite else math.nan,
            "std": statistics.stdev(values) if finite else math.nan,
            "median": statistics.median(values) if values else math.nan,
            "count": len(values),
        }

    def means(self, method: str) -> dict[str, float]:
        """Return {metric's name: mean} of a method, in the order of the columns."""
        return {metric.name: self.summary(method, metric.name)["mean"] for metric in self.metrics}

    def write_csv(self, path: str | os.PathLike) -> Path:
        """Write ``method,name,EN,SD,...`` at full precision, UTF-8.

        A method's rows are followed by three called mean, std and median; a scene of such a name is marked as one.
        Numbers read back as the same float; nan and inf are written so, and a cell is empty where there is no value.
        """
        names = [metric.name for metric in self.metrics]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["method", "name", *names])
        for method, scenes in self._scores.items():
            for name, scores in scenes.items():
                cells = (repr(float(scores[column])) if column in scores else "" for column in names)
                writer.writerow([method, f"{name} (scene)" if name in SUMMARIES else name, *cells])
            summaries = [self.summary(method, column) for column in names]
            for kind in SUMMARIES:
                writer.writerow([method, kind, *(repr(summary[kind]) for summary in summaries)])
        return atomic_write(path, text.getvalue())
