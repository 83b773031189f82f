#!/usr/bin/env python3
"""Split a data set of pairs into a part to train on and a part that is held out.

    python scripts/split_pairs.py --dataroot datasets/NYU-D-100 --out datasets/NYU-D-100_split --held 20
    python scripts/split_pairs.py --dataroot datasets/MFI-WHU --out datasets/MFI-WHU_split --held 19 --seed 42

Any layout that train.py reads. OUT/train and OUT/test get a folder for each source, with links to the files: nothing is
copied. Which pairs are held out depends on --seed and the pairs' names alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import data
from data.pairing import Pair
from options.data_options import add_data_options, add_shape_options, check_data_options
from options.option_parser import OptionParser
from options.types import whole_number
from util.errors import UserError
from util.launch import run_script
from util.logger import log


def main() -> None:
    opt = parse()
    dataset = data.create_dataset(opt, augment=False)
    pairs = {pair.name: pair for pair in dataset.pairs}
    if opt.held >= len(pairs):
        raise UserError(f"--held {opt.held}: there are {len(pairs)} pairs, and one at least should be left to train on")
    if opt.out.exists() and not (opt.out.is_dir() and not any(opt.out.iterdir())):
        raise UserError(f"--out {opt.out} is there already: choose another, or remove it")
    order = np.random.default_rng(opt.seed).permutation(sorted(pairs))
    for part, names in (("test", order[: opt.held]), ("train", order[opt.held :])):
        for name in names:
            link_pair(pairs[name], opt.out / part)
    log(f"{len(pairs) - opt.held} pairs in {opt.out / 'train'}, {opt.held} held out in {opt.out / 'test'}")


def parse() -> argparse.Namespace:
    parser = OptionParser(description=__doc__, prog="split_pairs.py")
    group = parser.group("split")
    group.add_argument("-h", "--help", action="help", help="show this and stop")
    group.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the two parts are made")
    group.add_argument("--held", type=whole_number(1), required=True, metavar="PAIRS", help="pairs to hold out")
    group.add_argument("--seed", type=whole_number(0, 2**31 - 1), default=42, metavar="N", help="draws them")
    add_data_options(parser, is_train=True)
    opt = parser.parse_strictly(sys.argv[1:])
    check_data_options(opt)
    shape = OptionParser()
    add_shape_options(shape, is_train=False)  # of samples, at which nobody looks here
    return argparse.Namespace(**vars(shape.parse_args([])), **vars(opt))


def link_pair(pair: Pair, folder: Path) -> None:
    """Link the files of a pair below ``folder``, in folders called as its own are where they differ."""
    sources = pair.files()
    words = [path.parent.name for path in sources]
    if len(sources) == 1:
        words = [""]
    elif len(set(words)) < len(words):
        words = ["A", "B", "GT"][: len(words)]
    for word, path in zip(words, sources, strict=True):
        (folder / word).mkdir(parents=True, exist_ok=True)
        (folder / word / f"{pair.name}{path.suffix}").symlink_to(path.absolute())


if __name__ == "__main__":
    run_script(main)
