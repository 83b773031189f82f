"""MEFB (X. Zhang, Information Fusion 74, 2021): A is under-exposed, B over-exposed; some partners differ in case."""

from __future__ import annotations

from data.layouts import LETTERS, MULTI_EXPOSURE
from data.paired_dataset import PairedDataset


class MEFDataset(PairedDataset):
    title = "MEF: under- and over-exposed pairs"
    task = "multi-exposure"
    folder_names = ("MEF", "MEFB")
    sides = (MULTI_EXPOSURE, LETTERS)
