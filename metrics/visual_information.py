"""How much of what the sources tell an eye is still told by the fused image: VIF and VIFF."""

from __future__ import annotations

import math

from metrics.filters import gaussian_weights, slide, window_strips
from metrics.registry import metric
from metrics.shared import row_strips, shared
from util.lazy import torch

SCALES = (17, 9, 5, 3)  # pixels of the Gaussian window, whose sigma is a fifth of it
SMALLEST = 41  # the side from which on the window of every scale fits into what the scales before it left
VISUAL_NOISE = 2.0  # variance of the eye's noise in squared gray levels, for VIF
FUSION_NOISE = 0.005 * 255**2  # the same for VIFF
FUSION_WEIGHTS = (1, 0, 0.15, 1)  # of VIFF's scales, before division by their sum
FLAT = 1e-10  # a variance below it is the rounding of a flat window
TINY = 1e-7  # Han's guard of a window without information
FACTORS = 32  # of a product under one logarithm: each is below 1e5, and a float64 holds 1e308


@metric(
    name="VIF", title="visual information fidelity in the pixel domain, both sources", direction="up", low=0,
    high=math.inf, needs="sources", smallest=SMALLEST, undefined="a source is flat and has no information",
    formula="VIFp(A, F) + VIFp(B, F); VIFp = sum log(1 + g^2 s_A^2 / (s_v^2 + 2)) / sum log(1 + s_A^2 / 2), "
            "4 scales",
    source="Sheikh and Bovik, Image information and visual quality, IEEE Trans. Image Processing 15(2), 2006",
    variant="the pixel-domain form (VIFp, not the steerable pyramid) of gray levels 0..255; the sum over A and B, "
            "twice the mean that some tables print",
    aliases=("VIFp",),
)  # fmt: skip
def visual_information_fidelity(a, b, fused):
    return _information(a, b, fused)[0]


@metric(
    name="VIFF", title="visual information fidelity for fusion", direction="up", low=0, high=math.inf,
    needs="sources", smallest=SMALLEST,
    formula="sum_k p_k sum (VID + 1e-7) / sum (VIND + 1e-7), each pixel by the source with the smaller gain g; "
            "p = (1, 0, 0.15, 1) / 2.15",
    source="Han, Cai, Cao and Xu, A new image fusion performance metric based on visual information fidelity, "
           "Information Fusion 14(2), 2013",
    variant="noise variance 0.005 * 255^2; where both gains are equal B is taken, as in the authors' code",
)  # fmt: skip
def visual_information_fidelity_for_fusion(a, b, fused):
    return _information(a, b, fused)[1]


@shared
def _information(a, b, fused):
    """Return (VIF, VIFF), each (N,), of images (N, H, W): both come from the same local moments."""
    images = (a, b, fused)
    told, sent, fusion = 0, 0, 0
    for size, weight in zip(SCALES, FUSION_WEIGHTS, strict=True):
        weights = gaussian_weights(size, size / 5)
        if size != SCALES[0]:
            images = tuple(_halve(image, weights) for image in images)
        told_here, sent_here, fusion_told, fusion_sent = _sum_scale(images, weights)
        told, sent = told + told_here, sent + sent_here
        fusion = fusion + weight * fusion_told / fusion_sent
    return (told / sent).sum(dim=1), fusion / sum(FUSION_WEIGHTS)


def _halve(image, weights: tuple[float, ...]):
    """Filter (N, H, W) where the window fits and keep every second row and column, from the first on."""
    height, width = image.shape[-2:]
    strips = row_strips((height - len(weights)) // 2 + 1, 2 * width)
    return torch.cat([slide(image[:, 2 * start:2 * stop - 2 + len(weights)], weights)[..., ::2, ::2]
                      for start, stop in strips], dim=1)  # fmt: skip


def _sum_scale(images, weights: tuple[float, ...]):
    """Sum the information at one scale over all windows.

    Args:
        images: A, B and F, (N, H, W) each.

    Returns:
        For VIF: what F tells of A and of B, (N, 2), and what there is to tell, (N, 2). For VIFF, with its guards: what
        F tells, (N,), and what there is to tell, (N,).
    """
    height, width = images[0].shape[-2:]
    size = len(weights)
    strips = window_strips(height, width, size)
    sums = [_sum_strip(*(image[:, rows] for image in images), weights) for rows in strips]
    told, sent, fusion_told, fusion_sent = (torch.stack(strips).sum(dim=0) for strips in zip(*sums, strict=True))
    guards = (height - size + 1) * (width - size + 1) * TINY
    return told, sent, fusion_told + guards, fusion_sent + guards


def _sum_strip(a, b, fused, weights: tuple[float, ...]):
    moments = slide(torch.stack([a, b, fused, a * a, b * b, fused * fused, a * fused, b * fused], dim=1), weights)
    mean, square, product = moments[:, :3], moments[:, 3:6], moments[:, 6:]
    variance = torch.threshold_(square - mean * mean, FLAT, 0)
    covariance = product - mean[:, :2] * mean[:, 2:]
    source, fused = variance[:, :2], variance[:, 2:]
    gain, noise = model_distortion(source, fused, covariance)
    told, sent = gain.square().mul_(source), source
    smaller = (gain[:, 0] < gain[:, 1]).to(gain.dtype)
    chosen = [torch.lerp(both[:, 1], both[:, 0], smaller) for both in (told, noise, source)]
    return (
        _sum_log10(1 + told / (noise + VISUAL_NOISE)),
        _sum_log10(1 + sent / VISUAL_NOISE),
        _sum_log10(1 + chosen[0] / (chosen[1] + FUSION_NOISE)),
        _sum_log10(1 + chosen[2] / FUSION_NOISE),
    )


def model_distortion(source, fused, covariance):
    """Return gain and noise, by which F is a source's window times the gain plus noise, of variances and covariance."""
    # No gain where the image turns the source's contrast round, nor where one of them is flat: it would be rounding.
    gain = (covariance / (source + FLAT)).clamp_(min=0).mul_(source.sign()).mul_(fused.sign())
    return gain, (fused - gain * covariance).clamp_(min=FLAT)


def _sum_log10(values):
    """Sum log10 over the last two dimensions of values in [1, 1e5], by one logarithm for the product of many."""
    values = values.flatten(-2)
    size = values.shape[-1] // FACTORS * FACTORS
    products = values[..., :size].unflatten(-1, (FACTORS, -1)).prod(dim=-2)
    return products.log10().sum(dim=-1) + values[..., size:].log10().sum(dim=-1)
