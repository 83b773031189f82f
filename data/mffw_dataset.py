"""Multi-Focus images in the Wild (Xu et al., arXiv 2002.04780): strong defocus spread, partners end in _A and _B."""

from __future__ import annotations

from data.layouts import LETTERS, MULTI_FOCUS
from data.paired_dataset import PairedDataset


class MFFWDataset(PairedDataset):
    title = "MFFW: multi-focus pairs with strong defocus spread"
    task = "multi-focus"
    folder_names = ("MFFW",)
    sides = (LETTERS, MULTI_FOCUS)
