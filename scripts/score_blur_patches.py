"""Tell how often a trained blur classifier is right, by kernel, on blocks that are flat and on others.

    python scripts/score_blur_patches.py --name blurcnn --dataroot datasets/BlurPatches
    python scripts/score_blur_patches.py --name blurcnn --dataroot photographs --hold_out 0.2

--dataroot is a set of scripts/make_blur_patches.py, or photographs, whose blocks are then made on the spot: each
photograph with each kernel, only those that a training with the same --hold_out has left out. A block is flat where its
gray levels deviate by less than 2.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import data
import models
from options.test_options import TestOptions
from util import distributed
from util.launch import run_script
from util.logger import log


def main() -> None:
    opt = parse()
    dataset = data.create_dataset(opt, augment=False)
    distributed.start(opt)
    model = models.load_model(opt)
    loader = data.create_loader(dataset, opt, train=False)
    for name, score in model.validate(loader).items():
        log(f"{name:<14} {100 * score:6.2f} %")
    distributed.finish()


def parse():
    """Return the options of test.py, for patches."""
    words = sys.argv[1:]
    if "--help" in words or "-h" in words:
        log(__doc__)
    return TestOptions().parse(["--dataset_mode", "blur_patches", "--phase", "val", *words])


if __name__ == "__main__":
    run_script(main)
