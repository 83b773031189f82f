"""TNO Image Fusion Dataset (A. Toet, figshare 1008029): military and surveillance scenes, gray in both sources."""

from __future__ import annotations

from data.layouts import INFRARED_VISIBLE
from data.paired_dataset import PairedDataset


class TNODataset(PairedDataset):
    title = "TNO: infrared and visible military scenes"
    task = "infrared-visible"
    folder_names = ("TNO", "TNO21", "TNO_Image_Fusion_Dataset")
    sides = (INFRARED_VISIBLE,)
