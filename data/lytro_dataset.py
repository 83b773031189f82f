"""Lytro Multi-focus Dataset (Nejati, Samavi, Shirani, Information Fusion 25, 2015): partners end in -A and -B."""

from __future__ import annotations

from data.layouts import LETTERS, MULTI_FOCUS
from data.paired_dataset import PairedDataset


class LytroDataset(PairedDataset):
    title = "Lytro: multi-focus pairs of a light-field camera"
    task = "multi-focus"
    folder_names = ("Lytro",)
    sides = (LETTERS, MULTI_FOCUS)
