"""Several data sets read as one: ``--more_dataroots``."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from typing import Any

from data.base_dataset import BaseDataset


class JoinedDataset(BaseDataset):
    """The pairs of several data sets, one set after the other; with a ground truth where all of them have one."""

    def __init__(self, parts: Sequence[BaseDataset]):
        self.parts = list(parts)
        self.pairs = [pair for part in parts for pair in part.pairs]
        self.all_pairs = [pair for part in parts for pair in part.all_pairs]
        self.skipped = [sentence for part in parts for sentence in part.skipped]
        self.has_gt = all(part.has_gt for part in parts)
        self.title = " + ".join(part.title for part in parts)
        self.holds_patches = any(part.holds_patches for part in parts)
        tasks = {part.task for part in parts}
        self.task = tasks.pop() if len(tasks) == 1 else "any"
        self.starts = [0, *itertools.accumulate(len(part) for part in parts)]

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        draw, index = key if isinstance(key, tuple) else (0, key)
        part, place = self._locate(index)
        sample = part[(draw, place)]
        return sample if self.has_gt else {name: value for name, value in sample.items() if not name.startswith("GT")}

    def output_size(self, index: int) -> tuple[int, int] | None:
        part, place = self._locate(index)
        return part.output_size(place)

    def _locate(self, index: int) -> tuple[BaseDataset, int]:
        number = bisect.bisect_right(self.starts, index) - 1
        return self.parts[number], index - self.starts[number]
