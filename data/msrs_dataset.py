"""Multi-Spectral Road Scenarios (Tang et al., PIAFusion, Information Fusion 2022): day (D) and night (N), 640x480."""

from __future__ import annotations

from data.layouts import INFRARED_VISIBLE
from data.paired_dataset import PairedDataset


class MSRSDataset(PairedDataset):
    title = "MSRS: infrared and visible road scenarios by day and night"
    task = "infrared-visible"
    folder_names = ("MSRS",)
    sides = (INFRARED_VISIBLE,)
