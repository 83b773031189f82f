"""The scores of a test: a row for each pair, their mean, and the CSV file."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path

from metrics.registry import Metric
from util.files import atomic_write


class ScoreTable:
    """Collects the scores of image pairs.

    Attributes:
        metrics: the columns.
        rows: list of (pair's name, {metric's name: value}); a value is missing where the pair has no ground truth.
    """

    def __init__(self, metrics: Sequence[Metric]):
        self.metrics = list(metrics)
        self.rows: list[tuple[str, dict[str, float]]] = []

    def add(self, name: str, scores: dict[str, float]) -> None:
        """Append the row of one pair, as ``metrics.score`` returns it."""
        self.rows.append((name, dict(scores)))

    def counts(self) -> dict[str, int]:
        """Return, for each metric, how many pairs its mean is taken over: those whose value is there and not nan."""
        return {metric.name: len(self._values(metric.name)) for metric in self.metrics}

    def mean(self) -> dict[str, float]:
        """Return the mean of each metric over the pairs that have a value; nan values are left out, inf is not.

        A metric that no pair has a value of is nan; ``counts`` tells how many pairs stand behind each number.
        """
        means = {}
        for metric in self.metrics:
            values = self._values(metric.name)
            means[metric.name] = math.fsum(values) / len(values) if values else math.nan
        return means

    def write_csv(self, path: str | os.PathLike) -> Path:
        """Write ``name,EN,SD,...``, a row for each pair and a last row ``mean``, at full precision, UTF-8.

        Numbers read back as the same float; nan and inf are written so, and a cell is empty where there is no value.
        """
        names = [metric.name for metric in self.metrics]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["name", *names])
        for name, scores in [*self.rows, ("mean", self.mean())]:
            writer.writerow([name, *(repr(float(scores[column])) if column in scores else "" for column in names)])
        return atomic_write(path, text.getvalue())

    def _values(self, name: str) -> list[float]:
        values = (scores.get(name, math.nan) for _, scores in self.rows)
        return [value for value in values if not math.isnan(value)]
