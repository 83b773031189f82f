"""MFI-WHU (Zhang et al., MFF-GAN, Information Fusion 66, 2021): synthetic pairs; ``full_clear`` is the ground truth."""

from __future__ import annotations

from data.layouts import LETTERS, MULTI_FOCUS
from data.paired_dataset import PairedDataset


class MFIWHUDataset(PairedDataset):
    title = "MFI-WHU: synthetic multi-focus pairs"
    task = "multi-focus"
    folder_names = ("MFI-WHU",)
    sides = (MULTI_FOCUS, LETTERS)
