"""Selection by a focus measure: of each pixel the source that is sharper around it.

S. K. Nayar, Y. Nakagawa, "Shape from Focus", IEEE TPAMI 16(8), 1994, for the sum-modified Laplacian; W. Huang, Z. Jing,
"Evaluation of Focus Measures in Multi-Focus Image Fusion", Pattern Recognition Letters 28(4), 2007, for its use here.
"""

from __future__ import annotations

import argparse

from models.classic import ClassicModel
from models.filters import mean_in_window, pad
from options.types import whole_number
from util import color
from util.lazy import torch
from util.tiling import Tiling


class FocusModel(ClassicModel):
    """The larger sum-modified Laplacian of the luminance, confirmed by the majority of the same window [ours]."""

    title = "selection by the sum-modified Laplacian (1994), for focus distances; learns nothing"

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        parser.group("model").add_argument(
            "--focus_radius",
            type=whole_number(1),
            default=8,
            metavar="PIXELS",
            help="radius of the window in which sharpness is summed up",
        )
        return parser

    @staticmethod
    def find_tiling(opt: argparse.Namespace) -> Tiling:
        return Tiling(reach=1 + 2 * opt.focus_radius)

    def fuse(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.where(self.decide(a, b), a, b)

    def explain(self, a: torch.Tensor, b: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return where A is taken (white) and where B (black)."""
        return {"decision": self.decide(a, b).to(a.dtype)}

    def decide(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return bool (N, 1, H, W), True where A is taken."""
        radius = self.opt.focus_radius
        sharpness = (mean_in_window(modified_laplacian(color.luma(image)), radius) for image in (a, b))
        return mean_in_window(torch.ge(*sharpness).to(a.dtype), radius) >= 0.5


def modified_laplacian(image: torch.Tensor) -> torch.Tensor:
    """Return |2 I - left - right| + |2 I - above - below| of (N, 1, H, W)."""
    edge = pad(image, 1)
    across = 2 * image - edge[..., 1:-1, :-2] - edge[..., 1:-1, 2:]
    down = 2 * image - edge[..., :-2, 1:-1] - edge[..., 2:, 1:-1]
    return across.abs() + down.abs()
