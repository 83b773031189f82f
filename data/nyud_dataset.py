"""Pairs made from NYU Depth V2 images and depth; ``full_clear`` is the true all-in-focus image."""

from __future__ import annotations

from data.layouts import LETTERS, MULTI_FOCUS
from data.paired_dataset import PairedDataset


class NYUDDataset(PairedDataset):
    title = "NYU-D: multi-focus pairs made from depth, with ground truth"
    task = "multi-focus"
    folder_names = ("NYU-D-100", "NYU-D")
    sides = (MULTI_FOCUS, LETTERS)
