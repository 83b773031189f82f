"""Fusion by the discrete wavelet transform.

H. Li, B. S. Manjunath, S. K. Mitra, "Multisensor Image Fusion Using the Wavelet Transform", Graphical Models and Image
Processing 57(3), 1995: activity is the largest magnitude in a window, and a majority in a window confirms each choice.
"""

from __future__ import annotations

import argparse

import numpy as np

from models.classic import ClassicModel
from models.filters import mean_in_window
from options.types import whole_number
from util.errors import UserError, unknown_name
from util.lazy import torch
from util.tiling import Tiling


class DWTModel(ClassicModel):
    """Details by the more active source, confirmed by the majority of 3x3; the approximation is averaged [ours].

    The transform is PyWavelets', on the CPU; pictures come from another device and go back to it.
    """

    title = "discrete wavelet transform (1995): the more active coefficient; learns nothing"

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        model = parser.group("model")
        model.add_argument("--wavelet", default="db2", metavar="NAME", help="wavelet, by its name in PyWavelets")
        model.add_argument(
            "--wavelet_levels",
            type=whole_number(1, 16),
            default=4,
            metavar="N",
            help="levels of the wavelet transform; a small picture has fewer",
        )
        return parser

    @staticmethod
    def check_options(opt: argparse.Namespace) -> None:
        import pywt

        known = pywt.wavelist(kind="discrete")
        if opt.wavelet not in known:
            raise UserError(unknown_name("wavelet", opt.wavelet, known, "--wavelet"))

    @staticmethod
    def find_tiling(opt: argparse.Namespace) -> Tiling:
        import pywt

        # At every level a filter down and half of one up; activity and majority reach a coefficient further each.
        taps, scale = pywt.Wavelet(opt.wavelet).dec_len, 2**opt.wavelet_levels
        return Tiling(reach=(taps + taps // 2 + 1) * scale, multiple=scale)

    def fuse(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        import pywt

        height, width = a.shape[-2:]
        levels = min(self.opt.wavelet_levels, pywt.dwt_max_level(min(height, width), self.opt.wavelet))
        (rest_a, *details_a), (rest_b, *details_b) = (
            pywt.wavedec2(image.float().cpu().numpy(), self.opt.wavelet, "symmetric", levels) for image in (a, b)
        )
        fused = [(rest_a + rest_b) / 2]
        for level_a, level_b in zip(details_a, details_b, strict=True):
            fused.append(tuple(map(choose_more_active, level_a, level_b)))
        image = pywt.waverec2(fused, self.opt.wavelet, "symmetric")[..., :height, :width]
        return torch.from_numpy(np.ascontiguousarray(image)).to(a)


def choose_more_active(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (N, C, H, W): of each place, all channels together, the coefficients of the source that is more active."""
    a, b = torch.from_numpy(a), torch.from_numpy(b)
    activity = (
        torch.nn.functional.max_pool2d(band.abs().sum(1, keepdim=True), 3, stride=1, padding=1) for band in (a, b)
    )
    votes = torch.ge(*activity).to(a.dtype)
    return torch.where(mean_in_window(votes, 1) >= 0.5, a, b).numpy()
