"""What all datasets of image pairs share; one of them adds its name, its task and the words for its two sources."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.augment import JointTransform
from data.base_dataset import BaseDataset
from data.check import check_pairs
from data.layouts import ALL_SIDES, PairSet, Sides, explain_nothing_found, find_sets
from data.pairing import Pair, Problem, describe_problems, name_pairs
from util.errors import UserError
from util.image_io import is_gray, read_pixels
from util.logger import warn


class PairedDataset(BaseDataset):
    """Pairs of images in any layout of ``data.layouts``.

    A subclass sets ``title``, ``task`` and ``folder_names``, and ``sides`` where only certain words name its sources.
    """

    sides: Sequence[Sides] = ALL_SIDES
    strips_before_flat = False  # whether x_1.png and x_2.png are two strips rather than the two sources of x

    def __init__(self, opt: argparse.Namespace, dataroot: Path | None, phase: str, augment: bool):
        super().__init__(opt, dataroot, phase, augment)
        self.transform = JointTransform(opt, augment)
        sets = self.find(opt, dataroot, phase)
        if not sets:
            raise UserError(explain_nothing_found(dataroot, phase))
        # Named before any is left out: a name does not depend on what is wrong with other files, nor on their number.
        self.all_pairs: list[Pair] = name_pairs([pair for found in sets for pair in found.pairs])
        problems = [problem for found in sets for problem in found.problems]
        series = [sentence for found in sets for sentence in found.left_out]
        count = int(min(opt.max_dataset_size, len(self.all_pairs)))
        self.pairs, bad = check_pairs(self.all_pairs[:count], opt.check)
        problems += bad
        self._refuse(problems, opt.skip_bad)
        if not self.pairs:
            reasons = series + ([describe_problems(problems)] if problems else [])
            raise UserError(f"no image pair is left in {sets[0].folder}: {'; '.join(reasons)}")
        for sentence in [found.remark for found in sets if found.remark] + series:
            warn(sentence)
        if problems:
            warn(f"left out by --skip_bad: {describe_problems(problems)}")
        self.skipped = series + [problem.sentence() for problem in problems]
        self.has_gt = all(pair.gt is not None for pair in self.pairs)
        tasks = {found.task for found in sets if found.pairs}
        if self.task == "any" and len(tasks) == 1:
            self.task = tasks.pop()

    @classmethod
    def find(cls, opt: argparse.Namespace, dataroot: Path, phase: str) -> list[PairSet]:
        """The sets of pairs under ``dataroot``; empty where this dataset's layout is not there."""
        return find_sets(dataroot, phase, cls.sides, opt.panels, cls.strips_before_flat)

    @classmethod
    def fits(cls, opt: argparse.Namespace, dataroot: Path, phase: str) -> bool:
        return bool(cls.find(opt, dataroot, phase))

    @staticmethod
    def _refuse(problems: list[Problem], skip_bad: bool) -> None:
        if problems and not skip_bad:
            raise UserError(f"{describe_problems(problems)}; mend this, or go on without them with --skip_bad")

    def output_size(self, index: int) -> tuple[int, int]:
        return self.transform.output_size(*self.pairs[index].size)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        pair = self.pairs[index]
        images = read_pair(pair)
        if not self.has_gt:
            images = images[:2]
        tensors = self.transform(images, epoch, index)
        sample = {
            "A": tensors[0],
            "B": tensors[1],
            "A_gray": is_gray(images[0]),
            "B_gray": is_gray(images[1]),
            "name": pair.name,
            "A_path": str(pair.a),
            "B_path": str(pair.b),
        }
        if self.has_gt:
            sample |= {"GT": tensors[2], "GT_path": str(pair.gt)}
        return sample


def read_pair(pair: Pair) -> list[np.ndarray]:
    """Decode [A, B] or [A, B, GT] as ``util.image_io.read_pixels`` gives them, all of one size.

    Raises:
        UserError: a file cannot be read, or it has changed its size since it was checked.
    """
    if pair.panels:
        images = np.split(read_pixels(pair.a), pair.panels, axis=1)
        found = [(pair.a, image) for image in images]
    else:
        found = [(path, read_pixels(path)) for path in (pair.a, pair.b, pair.gt) if path is not None]
    width, height = pair.size
    for path, image in found:
        if image.shape[:2] != (height, width):
            raise UserError(
                f"{path} has {image.shape[1]}x{image.shape[0]} pixels where {width}x{height} were found at the start; "
                "it was changed, or its header is wrong"
            )
    return [image for _, image in found]
