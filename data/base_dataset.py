"""The contract between a dataset and the rest of the house."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any


class BaseDataset(ABC):
    """Samples by number. ``data/NAME_dataset.py`` holds a class ``NameDataset`` that keeps this contract.

    A sample is a dict:

    * ``A``, ``B``: float32 (3, H, W) in [0, 1], RGB, of one size, gray replicated. ``GT`` likewise, where ``has_gt``.
    * ``A_gray``, ``B_gray``: whether all three channels are equal in every pixel of the file.
    * ``name``: unique within the dataset and safe as a file name. ``A_path``, ``B_path`` (and ``GT_path``): str.

    Attributes:
        title: a line for ``--list datasets``.
        task: 'multi-focus', 'infrared-visible', 'medical', 'multi-exposure' or 'any'.
        folder_names: names of a dataset's own folder, by which ``--dataset_mode auto`` recognises it in ``--dataroot``.
        has_gt: whether every sample has a ground truth.
        holds_patches: whether samples are rows of patches for a classifier, which ``blur_patches`` explains, no pairs.
        pairs: what the samples are made from, in order, each with a ``name``.
        all_pairs: ``pairs`` and with them, by their names, those that ``--max_dataset_size`` and ``--skip_bad`` leave
            out: anybody's pictures are told apart among all of them.
        skipped: a sentence for each image that was left out.
    """

    title = ""
    task = "any"
    folder_names: tuple[str, ...] = ()
    holds_patches = False

    def __init__(self, opt: argparse.Namespace, dataroot: Path | None, phase: str, augment: bool):
        """Find and check everything, so that whatever is wrong is told (UserError) before anything starts."""
        self.pairs: list = []
        self.skipped: list[str] = []
        self.has_gt = False

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> argparse.ArgumentParser:
        """Add a dataset's own options, or change defaults with ``parser.set_defaults``; returns the parser."""
        return parser

    @classmethod
    def fits(cls, opt: argparse.Namespace, dataroot: Path, phase: str) -> bool:
        """Whether this dataset's layout is under ``dataroot``, for ``--dataset_mode auto``."""
        return False

    @cached_property
    def all_pairs(self) -> list:
        """A dataset that leaves pairs out sets this in ``__init__``."""
        return self.pairs

    def __len__(self) -> int:
        return len(self.pairs)

    @abstractmethod
    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        """Load a sample by its index, or by (epoch, index) in training: its augmentation depends on these alone."""

    def output_size(self, index: int) -> tuple[int, int] | None:
        """(width, height) in pixels of a sample, which decides what shares a batch; None puts it in one of its own."""
        return None
