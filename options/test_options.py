"""The options of ``test.py``."""

from __future__ import annotations

import argparse
import math

from options import saved_options
from options.base_options import BaseOptions
from options.option_parser import OptionParser
from options.scoring_options import add_scoring_options, check_scoring_options
from options.types import whole_number
from util.errors import UserError


class TestOptions(BaseOptions):
    """Adds which weights to use, how many pairs to fuse, where the results go and how they are scored."""

    __test__ = False  # not a pytest class, in spite of its name
    is_train = False
    description = (
        "Fuse a data set with a trained run, score it, and write a gallery.\n\n"
        "  python test.py --dataroot datasets/Lytro --name PMF_R2GAN\n\n"
        "The model and its networks are taken from the run; a flag given here wins."
    )

    def add_options(self, parser: OptionParser) -> None:
        super().add_options(parser)
        testing = parser.group("testing")
        testing.add_argument(
            "--epoch", "--which_epoch", default="latest", help="snapshot to use: latest, best, or an epoch's number"
        )
        testing.add_argument(
            "--num_test",
            "--how_many",
            type=whole_number(1, infinite=True),
            default=math.inf,
            metavar="PAIRS",
            help="fuse the first pairs only",
        )
        testing.add_argument(
            "--eval",
            action="store_true",
            help="accepted for users of CycleGAN: networks always run in evaluation mode here",
        )
        add_scoring_options(parser)

    def read_stored(self, first: argparse.Namespace, given: set[str]) -> dict:
        stored = saved_options.read(first.checkpoints_dir, first.name)
        return {name: value for name, value in stored.items() if name != "dataset_mode"}

    def finish(self, opt: argparse.Namespace, parser: OptionParser) -> None:
        super().finish(opt, parser)
        if opt.epoch not in ("latest", "best") and not opt.epoch.isdigit():
            raise UserError(f"--epoch '{opt.epoch}' is no snapshot: give latest, best or an epoch's number")
        check_scoring_options(opt)
        if opt.load_size and opt.preprocess == "none":
            opt.preprocess = "resize"  # the published protocol: every image at LOAD_SIZE x LOAD_SIZE
        opt.max_dataset_size = min(opt.max_dataset_size, opt.num_test)
