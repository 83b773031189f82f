"""Colour, decided in one place: luminance, chroma, and how the chroma of two sources becomes one.

The conversion is full-range BT.601 as in OpenCV's YCrCb: Y = 0.299 R + 0.587 G + 0.114 B, Cr = (R - Y) * 0.713 + 0.5,
Cb = (B - Y) * 0.564 + 0.5, all in [0, 1].
"""

from __future__ import annotations

from util.lazy import torch

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
CR_SCALE, CB_SCALE = 0.713, 0.564


def luma(image: torch.Tensor) -> torch.Tensor:
    """Return the luminance of ``image`` (N, 3, H, W) in [0, 1] as (N, 1, H, W); one channel is returned as it is."""
    if image.shape[1] == 1:
        return image
    red, green, blue = image.unbind(1)
    return (LUMA_WEIGHTS[0] * red + LUMA_WEIGHTS[1] * green + LUMA_WEIGHTS[2] * blue).unsqueeze(1)


def rgb_to_ycbcr(image: torch.Tensor) -> torch.Tensor:
    """Convert (N, 3, H, W) in [0, 1] to Y, Cb, Cr in [0, 1], neutral chroma being 0.5."""
    y = luma(image)
    cb = (image[:, 2:3] - y) * CB_SCALE + 0.5
    cr = (image[:, 0:1] - y) * CR_SCALE + 0.5
    return torch.cat([y, cb, cr], 1)


def ycbcr_to_rgb(image: torch.Tensor) -> torch.Tensor:
    """Invert ``rgb_to_ycbcr``; (N, 3, H, W), not clamped."""
    y, cb, cr = image.split(1, 1)
    red = y + (cr - 0.5) / CR_SCALE
    blue = y + (cb - 0.5) / CB_SCALE
    green = (y - LUMA_WEIGHTS[0] * red - LUMA_WEIGHTS[2] * blue) / LUMA_WEIGHTS[1]
    return torch.cat([red, green, blue], 1)


def merge_chroma(chroma_a: torch.Tensor, chroma_b: torch.Tensor) -> torch.Tensor:
    """Merge two chroma planes (any equal shape, in [0, 1]), each weighted by its distance from neutral.

    c = (c_A |c_A - 0.5| + c_B |c_B - 0.5|) / (|c_A - 0.5| + |c_B - 0.5|), and 0.5 where both are neutral: the rule
    of Prabhakar et al., DeepFuse, ICCV 2017, eq. 3.
    """
    weight_a, weight_b = (chroma_a - 0.5).abs(), (chroma_b - 0.5).abs()
    total = weight_a + weight_b
    # Under a millionth of the range both are neutral: the quotient would be rounding noise.
    neutral = total < 1e-6
    merged = (chroma_a * weight_a + chroma_b * weight_b) / total.masked_fill(neutral, 1)
    return merged.masked_fill(neutral, 0.5)


def stretch(image: torch.Tensor) -> torch.Tensor:
    """Stretch each image of (N, C, H, W), its channels together, to [0, 1]; one of a single value stays as it is."""
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    return torch.where(high > low, (image - low) / (high - low), image)
