"""MEF-SSIM: the fused image against the patches that the sources together would ideally give."""

from __future__ import annotations

import math
import sys

from metrics.filters import box_sum, window_strips
from metrics.registry import metric
from metrics.structural import C2, SCALE_WEIGHTS, WINDOW, halve
from metrics.universal import SSIM
from util.lazy import torch

WEIGHTS = SCALE_WEIGHTS[:3]  # of the scales, the finest first; they are divided by their sum
SMALLEST = (WINDOW - 1) * 2 ** (len(WEIGHTS) - 1) + 1  # pixels: the window fits at the coarsest scale
PIXELS = WINDOW**2
STEEPEST = 10.0  # the largest exponent of the weights
BIAS = 1e-3  # gray levels, added to the norms of patches
EPSILON = sys.float_info.epsilon


def ideal_patch(a, b):
    """Return the ideal patch as a combination of those of A and B, less their means: the coefficients of both.

    Its contrast is the higher of the two, its structure a mean of theirs: a patch weighs by its norm, and the more the
    further the two structures agree.

    Args:
        a, b: float64 (N, h, W).

    Returns:
        Two float64 (N, h - 10, W - 10).
    """
    sums = box_sum(torch.stack((a, b, a * a, b * b, a * b)), WINDOW)
    # Squared norms and inner product of the patches less their means; whole numbers until here, so 0 is exact.
    square_a, square_b = ((sums[2 + k] * PIXELS).sub_(sums[k] * sums[k]).div_(PIXELS) for k in (0, 1))
    product = (sums[4] * PIXELS).sub_(sums[0] * sums[1]).div_(PIXELS)
    norm_a, norm_b = square_a.sqrt(), square_b.sqrt()
    norm_of_sum = (square_a + square_b).add_(product, alpha=2).clamp_(min=0).sqrt_()
    consistency = norm_of_sum.add_(EPSILON).div_((norm_a + norm_b).add_(EPSILON)).clamp_(max=1)
    exponent = consistency.mul_(math.pi / 2).tan_().clamp_(max=STEEPEST)
    norm_a, norm_b = norm_a.add_(BIAS), norm_b.add_(BIAS)
    weight_a, weight_b = ((norm / WINDOW).log_().mul_(exponent).exp_().add_(EPSILON) for norm in (norm_a, norm_b))
    total = weight_a + weight_b
    part_a, part_b = weight_a.div_(total).div_(norm_a), weight_b.div_(total).div_(norm_b)
    square = square_a.mul_(part_a * part_a).add_(square_b.mul_(part_b * part_b)).add_(product.mul_(part_a * part_b * 2))
    scale = torch.maximum(norm_a, norm_b).div_(square.sqrt_()).masked_fill_(~(square > 0), 0)
    return part_a.mul_(scale), part_b.mul_(scale)


def patch_similarity(a, b, fused):
    """Return the mean similarity in contrast and structure of F to the ideal patches: (N, H, W) each -> (N,)."""
    total = torch.zeros(len(fused), dtype=torch.float64, device=fused.device)
    for rows in window_strips(fused.shape[1], fused.shape[2], WINDOW):
        images = torch.stack([image[:, rows] for image in (a, b, fused)])
        part_a, part_b = ideal_patch(images[0], images[1])
        _, variances, (between, with_a, with_b) = SSIM.moments(images, ((0, 1), (0, 2), (1, 2)))
        with_fused = (with_a * part_a).add_(with_b * part_b)
        ideal = (variances[0] * part_a).add_(between * part_b, alpha=2).mul_(part_a)
        ideal.add_(variances[1].mul_(part_b).mul_(part_b))
        total += with_fused.mul_(2).add_(C2).div_(ideal.add_(variances[2]).add_(C2)).sum(dim=(1, 2))
    return total / ((fused.shape[1] - WINDOW + 1) * (fused.shape[2] - WINDOW + 1))


@metric(name="MEF_SSIM", title="structural similarity for fusion of exposures", direction="up", low=0, high=1,
        needs="sources",
        formula="prod_l q_l^w_l over 3 scales, q = mean of (2 cRF + C) / (vR + vF + C), R: the ideal patch",
        source="Ma, Zeng, Wang, IEEE Trans. Image Processing 24(11), 2015",
        variant="ideal patches of 11x11 compared under a Gaussian of sigma 1.5, C = (0.03 255)^2, w = .0448 .2856 "
                ".3001 over their sum; no term for luminance; many tables call it MS_SSIM",
        smallest=SMALLEST, undefined="the mean at one scale is negative: F has the inverse structure")
def exposure_fusion_similarity(a, b, fused):
    result = 1
    for level, weight in enumerate(WEIGHTS):
        if level:
            a, b, fused = map(halve, (a, b, fused))
        result = result * patch_similarity(a, b, fused) ** (weight / sum(WEIGHTS))
    return result
