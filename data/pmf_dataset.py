"""PMF (Paired Multi-Focus), which R2GAN trains on: strips [A|B|GT] or folder triplets from ``scripts/make_pmf.py``."""

from __future__ import annotations

from data.layouts import LETTERS, MULTI_FOCUS
from data.paired_dataset import PairedDataset


class PMFDataset(PairedDataset):
    title = "PMF: synthetic multi-focus strips [A|B|GT], or folders A, B and GT"
    task = "multi-focus"
    folder_names = ("PMF",)
    sides = (LETTERS, MULTI_FOCUS)
    strips_before_flat = True
