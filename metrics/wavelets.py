"""Metrics in the wavelet domain: how well the fused image keeps the details of each scale."""

from __future__ import annotations

from metrics.registry import metric
from util.lazy import torch

LEVEL_WEIGHTS = (2 / 3, 1 / 3)  # the finer level first


def haar(images):
    """Split images by the orthonormal Haar wavelet; an odd last row or column is left out.

    Args:
        images: float64 (..., H, W).

    Returns:
        The approximation (..., H/2, W/2) and the details (3, ..., H/2, W/2): across, down and diagonal.
    """
    height, width = images.shape[-2] // 2 * 2, images.shape[-1] // 2 * 2
    top, bottom = images[..., 0:height:2, :width], images[..., 1:height:2, :width]
    total, step = top + bottom, top - bottom
    bands = [half[..., 0::2] + sign * half[..., 1::2] for sign in (1, -1) for half in (total, step)]
    approximation, *details = (band / 2 for band in bands)
    return approximation, torch.stack(details)


@metric(name="Q_M", title="multi-scale wavelet detail preservation", direction="up", low=0, high=1, needs="sources",
        formula="Q_1^(2/3) Q_2^(1/3); Q_l = sum(W_A E_A + W_B E_B) / sum(W_A + W_B), E_X = mean of exp(-|d_X - d_F|) "
                "over the 3 bands, W_X = sum of d_X^2",
        source="Wang, Liu, IEEE International Conference on Automation and Logistics (ICAL), 2008",
        variant="orthonormal Haar wavelet, 2 levels, gray levels 0..255 (the exponential depends on the scale); the "
                "common toolbox leaves out the division by 3 bands: its value is 3 times this",
        smallest=4, undefined="A and B have no details at one of the two levels")
def wavelet_details(a, b, fused):
    result = 1
    for level_weight in LEVEL_WEIGHTS:
        (a, details_a), (b, details_b), (fused, details_fused) = map(haar, (a, b, fused))
        kept = weights = 0
        for details in (details_a, details_b):
            weight = details.square().sum(dim=0)
            likeness = (details - details_fused).abs_().neg_().exp_().mean(dim=0)
            kept = kept + (weight * likeness).sum(dim=(1, 2))
            weights = weights + weight.sum(dim=(1, 2))
        result = result * (kept / weights) ** level_weight
    return result
