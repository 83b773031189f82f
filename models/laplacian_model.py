"""Fusion by Laplacian pyramids, the oldest multi-scale rule and a strong one; models/pyramid.py has its sources."""

from __future__ import annotations

import argparse

from models.classic import ClassicModel
from models.pyramid import fuse_pyramids
from options.types import whole_number
from util.lazy import torch
from util.tiling import Tiling


class LaplacianModel(ClassicModel):
    """Of every level the coefficient whose magnitude, over the channels, is larger; of the rest the average."""

    title = "Laplacian pyramid (1983): the larger coefficient; learns nothing"

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        parser.group("model").add_argument(
            "--pyramid_levels",
            type=whole_number(1, 16),
            default=4,
            metavar="N",
            help="levels of the Laplacian pyramid; a small picture has fewer",
        )
        return parser

    @staticmethod
    def find_tiling(opt: argparse.Namespace) -> Tiling:
        # Two pixels of the filter down and two up at every level, whose scales add up to less than twice the last.
        scale = 2**opt.pyramid_levels
        return Tiling(reach=4 * scale, multiple=scale)

    def fuse(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return fuse_pyramids(a, b, self.opt.pyramid_levels)
