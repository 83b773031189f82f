"""LLVIP (Jia et al., ICCV Workshops 2021): low-light pedestrians, 1280x1024, the split below the modality."""

from __future__ import annotations

from data.layouts import INFRARED_VISIBLE
from data.paired_dataset import PairedDataset


class LLVIPDataset(PairedDataset):
    title = "LLVIP: infrared and visible pedestrians in low light"
    task = "infrared-visible"
    folder_names = ("LLVIP",)
    sides = (INFRARED_VISIBLE,)
