"""Definitions of structure that are kept to reproduce published tables, faults included (see published.py)."""

from __future__ import annotations

import math

from metrics.filters import box_mean, gaussian_mean, gaussian_weights, slide, window_strips
from metrics.petrovic import artefacts
from metrics.published import CDDFUSE, NESTFUSE, TANG, VIFB, published
from metrics.structural import SIGMA, WINDOW, structural_similarity
from metrics.universal import Index
from metrics.visual_information import FLAT, SCALES, SMALLEST, VISUAL_NOISE, model_distortion
from metrics.wavelets import wavelet_details
from util.lazy import torch

BOX = 7  # pixels, the default window of scikit-image


@published(name="SSIM_sum", title="structural similarity, sum over the sources", direction="up", low=-2, high=2,
           needs="sources", formula="SSIM(A,F) + SSIM(B,F)", source=VIFB, variant="twice SSIM", smallest=WINDOW)
def sum_of_similarities(a, b, fused):
    return 2 * structural_similarity(a, b, fused)


@published(name="SSIM_matlab", title="structural similarity as MATLAB's ssim", direction="up", low=-1, high=1,
           needs="sources", formula="mean of SSIM(A,F) and SSIM(B,F)", source=f"MATLAB's ssim; {NESTFUSE}",
           variant="the border repeated outwards, so that every pixel has a window: 0.2 to 1 % off SSIM")
def similarity_of_matlab(a, b, fused):
    return (_similarity_with_border(a, fused, 255) + _similarity_with_border(b, fused, 255)) / 2


@published(name="SSIM_matlab_L1", title="structural similarity as MATLAB's ssim, levels 0..255 taken for 0..1",
           direction="up", low=-1, high=1, needs="sources", formula="mean of SSIM(A,F) and SSIM(B,F), L = 1",
           source=f"{TANG}, since October 2023",
           variant="doubles 0..255 make MATLAB assume L = 1: both constants all but vanish, and flat areas are noise")
def similarity_without_constants(a, b, fused):
    return (_similarity_with_border(a, fused, 1) + _similarity_with_border(b, fused, 1)) / 2


def _similarity_with_border(source, fused, peak: float):
    border = (WINDOW // 2,) * 4
    source, fused = (torch.nn.functional.pad(images, border, mode="replicate") for images in (source, fused))
    return _similarity(source, fused, WINDOW, lambda maps: gaussian_mean(maps, WINDOW, SIGMA), peak)


def _similarity(source, fused, size: int, average, peak: float, unbias: float = 1.0):
    """Return the mean SSIM over the windows that lie inside, 2 x (N, H, W) -> (N,).

    Args:
        average: takes maps (..., H, W) to their means under windows of ``size``.
        peak: L of the two constants.
        unbias: n / (n - 1) for the moments of a sample of n.
    """
    index = Index(size, average, (0.01 * peak) ** 2, (0.03 * peak) ** 2)
    total = 0
    for rows in window_strips(source.shape[1], source.shape[2], size):
        means, variances, covariances = index.moments(torch.stack([source[:, rows], fused[:, rows]]), ((0, 1),))
        total = total + index(means, unbias * variances, unbias * covariances[0]).sum(dim=(1, 2))
    return total / ((source.shape[1] - size + 1) * (source.shape[2] - size + 1))


@published(name="SSIM_cddfuse", title="structural similarity of CDDFuse, sum over the sources", direction="up", low=-2,
           high=2, needs="sources", formula="SSIM(A,F) + SSIM(B,F), L = 2", source=CDDFUSE,
           variant="scikit-image's defaults for floats: 7x7 box, moments of a sample, levels 0..255 taken for -1..1",
           smallest=BOX)
def similarity_of_cddfuse(a, b, fused):
    unbias = BOX**2 / (BOX**2 - 1)
    return sum(_similarity(source, fused, BOX, lambda maps: box_mean(maps, BOX), 2, unbias) for source in (a, b))


@published(name="VIF_uint8", title="visual information fidelity in saturating 8-bit arithmetic", direction="up", low=0,
           high=math.inf, needs="sources", formula="VIFp(A -> F) + VIFp(B -> F)",
           source=f"{TANG}, before October 2023",
           variant="at the finest scale products of two levels stop at 255: 28 to 82 % above VIF", smallest=SMALLEST,
           undefined="a source is flat and has no information")
def saturated_visual_information(a, b, fused):
    return _saturated_fidelity(a, fused) + _saturated_fidelity(b, fused)


def _saturated_fidelity(source, fused):
    told = sent = 0
    for size in SCALES:
        weights, limit = gaussian_weights(size, size / 5), 255.0 if size == SCALES[0] else math.inf
        if size != SCALES[0]:
            source, fused = (slide(images, weights)[..., ::2, ::2] for images in (source, fused))
        for rows in window_strips(source.shape[1], source.shape[2], size):
            told_here, sent_here = _saturated_strip(source[:, rows], fused[:, rows], weights, limit)
            told, sent = told + told_here, sent + sent_here
    return told / sent


def _saturated_strip(source, fused, weights: tuple[float, ...], limit: float):
    products = torch.stack([source * source, fused * fused, source * fused]).clamp_(max=limit)
    mean_source, mean_fused, square_source, square_fused, product = slide(
        torch.cat([torch.stack([source, fused]), products]), weights)
    variance = torch.threshold(square_source - mean_source.square(), FLAT, 0)
    variance_fused = torch.threshold(square_fused - mean_fused.square(), FLAT, 0)
    covariance = product - mean_source * mean_fused
    gain, noise = model_distortion(variance, variance_fused, covariance)
    told = torch.log10(1 + gain.square() * variance / (noise + VISUAL_NOISE)).sum(dim=(1, 2))
    return told, torch.log10(1 + variance / VISUAL_NOISE).sum(dim=(1, 2))


@published(name="Nabf_tang", title="artefacts in source A", direction="down", low=0, high=1, needs="sources",
           formula="N^AB/F with B and F as sources and A as fused image", source=f"{TANG}, and its forks",
           variant="analysis_nabf takes (F, A, B) and is called with (A, B, F): it says nothing of F's artefacts",
           smallest=2)
def artefacts_in_the_wrong_image(a, b, fused):
    return artefacts(b, fused, a)


@published(name="Q_M_liu", title="wavelet details kept, three times", direction="up", low=0, high=3, needs="sources",
           formula="3 Q_M", source="code of Liu et al., IEEE Trans. PAMI 34(1), 2012",
           variant="the sum over three bands instead of their mean", smallest=4,
           undefined="A and B have no details at one of the two levels")
def wavelet_details_of_liu(a, b, fused):
    return 3 * wavelet_details(a, b, fused)
