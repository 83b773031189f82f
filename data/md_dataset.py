"""Harvard Whole Brain Atlas (AANLIB): registered slices, A is CT, PET or SPECT and B is MRI; all load together."""

from __future__ import annotations

from data.layouts import MEDICAL, NUMBERS
from data.paired_dataset import PairedDataset


class MDDataset(PairedDataset):
    title = "MD: CT-MRI, PET-MRI and SPECT-MRI brain slices"
    task = "medical"
    folder_names = ("MD", "Harvard", "AANLIB", "Havard-Medical-Image-Fusion-Datasets", "MDDataset")
    sides = (MEDICAL, NUMBERS)
