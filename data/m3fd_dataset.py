"""M3FD (Liu et al., TarDAL, CVPR 2022): ``Ir/`` and ``Vis/``, without a split."""

from __future__ import annotations

from data.layouts import INFRARED_VISIBLE
from data.paired_dataset import PairedDataset


class M3FDDataset(PairedDataset):
    title = "M3FD: infrared and visible scenes for fusion and detection"
    task = "infrared-visible"
    folder_names = ("M3FD", "M3FD_Fusion", "M3FD_Detection")
    sides = (INFRARED_VISIBLE,)
