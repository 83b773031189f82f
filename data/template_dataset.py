"""A pattern for your own dataset: copy to ``data/NAME_dataset.py``, call the class ``NameDataset``, fill in.

It then appears in ``--list datasets`` and ``--dataset_mode NAME``, and ``--dataset_mode auto`` recognises its folder.
No other file is touched, but that a test asks for a generated folder of its layout in ``tests/data/layout_samples.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from data.layouts import PairSet, Sides
from data.paired_dataset import PairedDataset


class TemplateDataset(PairedDataset):
    # A line for --list datasets.
    title = "what the dataset shows, in a few words"

    # 'multi-focus', 'infrared-visible', 'medical', 'multi-exposure' or 'any'.
    task = "any"

    # What its folder is usually called; case, hyphens and underscores do not matter.
    folder_names = ("Template",)

    # The words by which it names its sources A and B and its ground truth, lower case. They are looked for
    #   as folders            Template/test/left, Template/test/right, or Template/left/test
    #   and in file names     Template/test/17_left.png with 17_right.png, left3.jpg with right3.jpg
    # Splits, strips [A|B|GT], natural order, extensions, case and bad files are seen to by PairedDataset. Well-known
    # words are in data/layouts.py: INFRARED_VISIBLE, MEDICAL, MULTI_FOCUS, MULTI_EXPOSURE, LETTERS, NUMBERS.
    sides: Sequence[Sides] = (Sides(task, a=("left",), b=("right",), gt=("truth",)),)

    # Options of its own, if it needs any; they appear under "data" in --help while this dataset is chosen.
    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> argparse.ArgumentParser:
        # parser.group("data").add_argument("--scene", default="all", help="scene to read")
        return parser

    # A layout that words cannot describe: return PairSets yourself. Each holds Pairs (name, path of A, of B, of GT); a
    # file that is not right goes into PairSet.problems, and the user decides with --skip_bad.
    @classmethod
    def find(cls, opt: argparse.Namespace, dataroot: Path, phase: str) -> list[PairSet]:
        return super().find(opt, dataroot, phase)

    # Images that are no files at all: derive from data.base_dataset.BaseDataset, whose contract is three methods:
    # __init__ fills self.pairs, __getitem__ returns a sample, output_size tells its size.
