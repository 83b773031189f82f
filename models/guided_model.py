"""GFF: weights that the guided filter fits to the pictures' edges.

S. Li, X. Kang, J. Hu, "Image Fusion With Guided Filtering", IEEE Trans. Image Processing 22(7), 2013.
"""

from __future__ import annotations

import argparse

from models.classic import ClassicModel
from models.filters import filter_guided, filter_separably, mean_in_window, pad
from options.types import real_number, whole_number
from util import color
from util.lazy import torch
from util.tiling import Tiling

BASE_RADIUS = 15  # of the mean that parts base and detail: 31x31 pixels
SALIENCY_RADIUS, SALIENCY_SIGMA = 5, 5.0


class GuidedModel(ClassicModel):
    """Base and detail of both sources, each with weights of its own: the more salient source's, fitted to the edges.

    Radii and regularisation are the paper's. Weights come from the luminance and serve all channels.
    """

    title = "guided-filter fusion, GFF (2013); learns nothing"

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        model = parser.group("model")
        for part, radius, epsilon in (("base", 45, 0.3), ("detail", 7, 1e-6)):
            model.add_argument(
                f"--radius_{part}", type=whole_number(1), default=radius, metavar="PIXELS",
                help=f"radius of the guided filter on the weights of the {part}",
            )  # fmt: skip
            model.add_argument(
                f"--epsilon_{part}", type=real_number(0, above=True), default=epsilon, metavar="X",
                help=f"regularisation of the guided filter on the weights of the {part}",
            )  # fmt: skip
        return parser

    @staticmethod
    def find_tiling(opt: argparse.Namespace) -> Tiling:
        # The guided filter takes means of means.
        return Tiling(reach=max(BASE_RADIUS, 1 + SALIENCY_RADIUS + 2 * max(opt.radius_base, opt.radius_detail)))

    def fuse(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        weight_base, weight_detail = self.find_weights(a, b)
        base_a, base_b = mean_in_window(a, BASE_RADIUS), mean_in_window(b, BASE_RADIUS)
        return torch.lerp(base_b, base_a, weight_base) + torch.lerp(b - base_b, a - base_a, weight_detail)

    def explain(self, a: torch.Tensor, b: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return A's share (white) in the base and in the detail."""
        weight_base, weight_detail = self.find_weights(a, b)
        return {"base_A": weight_base, "detail_A": weight_detail}

    def find_weights(self, a: torch.Tensor, b: torch.Tensor) -> list[torch.Tensor]:
        """Return A's weights of base and detail, (N, 1, H, W) in [0, 1]; B's are 1 less them."""
        guides = color.luma(a), color.luma(b)
        is_a = (measure_saliency(guides[0]) >= measure_saliency(guides[1])).to(a.dtype)
        weights = []
        for part in ("base", "detail"):
            radius, epsilon = getattr(self.opt, f"radius_{part}"), getattr(self.opt, f"epsilon_{part}")
            weight_a = filter_guided(is_a, guides[0], radius, epsilon).clamp(0, 1)
            weight_b = filter_guided(1 - is_a, guides[1], radius, epsilon).clamp(0, 1)
            total = weight_a + weight_b
            # Where both filters say 0 the unfiltered choice stands.
            weights.append(torch.where(total > 1e-6, weight_a / total.clamp(min=1e-6), is_a))
        return weights


def measure_saliency(image: torch.Tensor) -> torch.Tensor:
    """Return the magnitude of the Laplacian of (N, 1, H, W), smoothed by a Gaussian of 11x11 pixels."""
    edge = pad(image, 1)
    vertical, horizontal = edge[..., :-2, 1:-1] + edge[..., 2:, 1:-1], edge[..., 1:-1, :-2] + edge[..., 1:-1, 2:]
    laplacian = vertical + horizontal - 4 * image
    places = torch.arange(-SALIENCY_RADIUS, SALIENCY_RADIUS + 1)
    taps = torch.exp(-((places / SALIENCY_SIGMA) ** 2) / 2)
    return filter_separably(laplacian.abs(), taps / taps.sum())
