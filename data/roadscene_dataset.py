"""RoadScene (Xu et al., FusionDN, AAAI 2020): road scenes from FLIR video, nearly every pair of its own size."""

from __future__ import annotations

from data.layouts import INFRARED_VISIBLE
from data.paired_dataset import PairedDataset


class RoadSceneDataset(PairedDataset):
    title = "RoadScene: infrared and visible road scenes"
    task = "infrared-visible"
    folder_names = ("RoadScene",)
    sides = (INFRARED_VISIBLE,)
