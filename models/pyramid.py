"""Laplacian pyramids of pictures of any size, and fusion by the larger coefficient.

P. J. Burt, E. H. Adelson, "The Laplacian Pyramid as a Compact Image Code", IEEE Trans. Communications 31(4), 1983;
fusion by the larger coefficient: A. Toet, "Image Fusion by a Ratio of Low-Pass Pyramid", Pattern Recognition Letters
9(4), 1989, and P. J. Burt, R. J. Kolczynski, "Enhanced Image Capture Through Fusion", ICCV 1993.
"""

from __future__ import annotations

from models.filters import filter_separably
from util.lazy import torch

TAPS = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)  # Burt and Adelson's with a = 3/8


def fuse_pyramids(a: torch.Tensor, b: torch.Tensor, levels: int) -> torch.Tensor:
    """Fuse (N, C, H, W): of every level the larger coefficient, of what is left the average."""
    (details_a, rest_a), (details_b, rest_b) = decompose(a, levels), decompose(b, levels)
    fused = (rest_a + rest_b) / 2
    for detail_a, detail_b in zip(reversed(details_a), reversed(details_b), strict=True):
        fused = expand(fused, detail_a.shape[-2:]) + choose_larger(detail_a, detail_b)
    return fused


def choose_larger(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return (N, C, H, W): the pixel, all channels together, whose sum of magnitudes is larger; ``a`` where equal."""
    return torch.where(a.abs().sum(1, keepdim=True) >= b.abs().sum(1, keepdim=True), a, b)


def decompose(image: torch.Tensor, levels: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return the details of (N, C, H, W), the finest first, and what is left of it at the coarsest level."""
    details = []
    while len(details) < levels and min(image.shape[-2:]) > 1:
        smaller = filter_separably(image, torch.tensor(TAPS))[..., ::2, ::2]
        details.append(image - expand(smaller, image.shape[-2:]))
        image = smaller
    return details, image


def expand(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return (N, C, H, W) at ``size`` (height, width), whose halves, rounded up, are its own."""
    spread = image.repeat_interleave(2, -2).repeat_interleave(2, -1)[..., : size[0], : size[1]]
    # Zeros between the samples; what the filter makes of them is made up for by what it makes of ones.
    mask = spread.new_zeros(1, 1, *size)
    mask[..., ::2, ::2] = 1
    mask = mask.expand(1, image.shape[1], -1, -1)
    taps = torch.tensor(TAPS)
    return filter_separably(spread * mask, taps) / filter_separably(mask, taps)
