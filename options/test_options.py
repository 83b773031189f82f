"""The options of ``test.py``."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import models
from options import saved_options
from options.base_options import BaseOptions
from options.option_parser import OptionParser
from options.scoring_options import add_scoring_options, check_scoring_options
from options.types import choice, tile_side, whole_number
from util.errors import UserError
from util.tiling import AUTO

FAST = ("off", "exact", "bf16")


class TestOptions(BaseOptions):
    """Adds which weights to use, how many pairs to fuse, where the results go and how they are scored."""

    __test__ = False  # not a pytest class, in spite of its name
    is_train = False
    description = (
        "Fuse a data set with a trained run, score it, and write a gallery.\n\n"
        "  python test.py --dataroot datasets/Lytro --name PMF_R2GAN\n"
        "  python test.py --dataroot datasets/TNO --model refusion --weights ReFusion_IVIF.pth --name official\n"
        "  python test.py --dataroot datasets/Lytro --model laplacian --name laplacian    classics need no run\n\n"
        "The model and its networks are taken from the run; a flag given here wins."
    )

    def add_options(self, parser: OptionParser) -> None:
        super().add_options(parser)
        testing = parser.group("testing")
        testing.add_argument(
            "--epoch", "--which_epoch", default="latest", help="snapshot to use: latest, best, or an epoch's number"
        )
        testing.add_argument(
            "--weights",
            metavar="FILE",
            help="fuse with the weights that the authors of --model published; no run of yours is read then",
        )
        testing.add_argument(
            "--no_maps", action="store_true", help="leave out the maps that show how a method decided (quicker)"
        )
        testing.add_argument(
            "--tile",
            type=tile_side,
            default=AUTO,
            metavar="auto|N|off",
            help="fuse pictures in tiles: auto, those of more than two megapixels or that memory does not suffice for; "
            "N, in tiles of N pixels a side; off, never (docs/huge_pictures.md)",
        )
        testing.add_argument(
            "--fast",
            type=choice(*FAST),
            default="exact",
            help="how networks are computed: exact, as quickly as the same result allows (to 1e-4); bf16, in half the "
            "precision where the processor or the GPU has it (to 0.02); off, layer by layer as they were trained "
            "(docs/performance.md)",
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
        if first.weights:
            if "model" not in given:
                raise UserError("--weights needs --model NAME: whose weights the file holds")
            return {}
        if "model" in given and not models.find_model(first.model).learns():
            return {}  # nothing was learned, so no run has to be there
        stored = saved_options.read(first.checkpoints_dir, first.name)
        return {name: value for name, value in stored.items() if name != "dataset_mode"}

    def finish(self, opt: argparse.Namespace, parser: OptionParser) -> None:
        learns = models.find_model(opt.model).learns()
        if not learns and "name" not in opt.given:
            opt.name = opt.model
        super().finish(opt, parser)
        if not learns and "epoch" in opt.given:
            raise UserError(f"--epoch {opt.epoch}: --model {opt.model} learns nothing, leave the flag out")
        if opt.weights:
            if "epoch" in opt.given:
                raise UserError(f"--epoch {opt.epoch} and --weights {opt.weights} both name weights: give one of them")
            if not Path(opt.weights).is_file():
                raise UserError(f"--weights {opt.weights}: no such file")
            opt.epoch = Path(opt.weights).stem
        elif opt.epoch not in ("latest", "best") and not opt.epoch.isdigit():
            raise UserError(f"--epoch '{opt.epoch}' is no snapshot: give latest, best or an epoch's number")
        if isinstance(opt.tile, int) and models.find_model(opt.model).find_tiling(opt) is None:
            raise UserError(
                f"--tile {opt.tile}: --model {opt.model} fuses every picture as a whole, leave the flag out"
            )
        check_scoring_options(opt)
        if opt.load_size and opt.preprocess == "none":
            opt.preprocess = "resize"  # the published protocol: every image at LOAD_SIZE x LOAD_SIZE
        opt.max_dataset_size = min(opt.max_dataset_size, opt.num_test)
