"""What an eye misses of the sources in the fused image, by its sensitivity to contrast: Q_CB and Q_CV."""

from __future__ import annotations

import math

from metrics.filters import slide, sobel, window_strips
from metrics.registry import metric
from util.lazy import torch

REACH = 15  # pixels that the windows of Q_CB (31x31) extend to each side
CENTRE, SURROUND = 2.0, 4.0  # sigmas in pixels of the two Gaussians whose ratio is the contrast of Q_CB
MASKING = 1e-4  # Z in Q_CB's masked contrast C^3 / (C^2 + Z)
TINY = 1e-300  # makes 0/0 the ratio of equals, and changes no other
BLOCK = 16  # pixels, the side of a region of Q_CV


@metric(
    name="Q_CB", title="perceptual quality of Chen and Blum", direction="up", low=0, high=1, needs="sources",
    formula="mean(l_A Q_AF + l_B Q_BF), Q_SF = min(C_S, C_F) / max(C_S, C_F), l_A = C_A^2 / (C_A^2 + C_B^2), "
            "C = c^3 / (c^2 + 1e-4), c = |G_2 * I / G_4 * I - 1|",
    source="Chen, Blum, Image and Vision Computing 27(10), 2009",
    variant="of the toolbox of Liu et al. 2012: each image is stretched to 0..255 and rounded, the sensitivity is a "
            "difference of Gaussians, the windows are 31x31 with zero border; equal contrasts of 0 score 1",
    aliases=("Q_ChenBlum",),
)  # fmt: skip
def quality_of_contrast(a, b, fused):
    height, width = fused.shape[-2:]
    square = _squared_frequencies(fused) / 15**2
    sensitivity = (-square / 15.387**2).exp() - 0.7622 * (-square / 1.3456**2).exp()
    padded = [torch.nn.functional.pad(_filter(_stretch(image), sensitivity), (REACH,) * 4) for image in (a, b, fused)]
    total = 0
    for rows in window_strips(height + 2 * REACH, width + 2 * REACH, 2 * REACH + 1):
        contrast = _masked_contrast(torch.stack([image[:, rows] for image in padded]))
        total = total + _weighted_ratio(*contrast).sum(dim=(1, 2))
    return (total / (height * width)).clamp(max=1)  # rounding could leave a digit above


@metric(
    name="Q_CV", title="perceptual difference of Chen and Varshney", direction="down", low=0, high=math.inf,
    needs="sources", unit="gray levels^2",
    formula="sum(l_A D_A + l_B D_B) / sum(l_A + l_B) over blocks of 16x16, l = sum g^5 (Sobel), D = mean of (S - F)^2 "
            "after Mannos and Sakrison's filter",
    source="Chen, Varshney, Information Fusion 8(2), 2007",
    variant="of the toolbox of Liu et al. 2012: each image is stretched to 0..255 and rounded, and blocks that the "
            "border cuts are filled up with 0; flat sources weigh the same",
    aliases=("Q_ChenVarshney",),
)  # fmt: skip
def perceptual_difference(a, b, fused):
    radius = 0.144 * _squared_frequencies(fused).sqrt() / 4
    sensitivity = 2.6 * (0.0192 + radius) * (-(radius**1.1)).exp()
    target = _stretch(fused)
    differences, saliencies = [], []
    for source in (_stretch(a), _stretch(b)):
        differences.append(_block_sums(_filter(source - target, sensitivity).square_()) / BLOCK**2)
        saliencies.append(_saliency(source))
    difference, saliency = torch.stack(differences), torch.stack(saliencies)
    # Where no block is salient, all count the same.
    saliency = saliency + (saliency.sum(dim=(0, 2, 3), keepdim=True) == 0)
    return (saliency * difference).sum(dim=(0, 2, 3)) / saliency.sum(dim=(0, 2, 3))


def _stretch(images):
    """Spread the levels of each image (N, H, W) over 0..255 and round half up, as the toolbox does; 0 if it is flat."""
    low, high = images.amin(dim=(1, 2), keepdim=True), images.amax(dim=(1, 2), keepdim=True)
    span = (high - low).clamp(min=1)  # whole levels: less than 1 is 0
    return ((images - low) / span * 255 + 0.5).floor_()


def _squared_frequencies(images):
    """Return u^2 + v^2 in squared periods per image for the half spectrum of ``rfft2``, (H, W // 2 + 1)."""
    height, width = images.shape[-2:]
    kind = {"dtype": images.dtype, "device": images.device}
    rows = torch.fft.fftfreq(height, 1 / height, **kind)
    columns = torch.fft.rfftfreq(width, 1 / width, **kind)
    return rows.square()[:, None] + columns.square()


def _filter(images, response):
    """Multiply the spectra of (N, H, W) by a real response (H, W // 2 + 1) that is even."""
    return torch.fft.irfft2(torch.fft.rfft2(images).mul_(response), s=images.shape[-2:])


def _masked_contrast(padded):
    """Return Q_CB's contrast of each pixel after masking, (..., h + 30, w + 30) -> (..., h, w)."""
    contrast = (slide(padded, _gaussian(CENTRE)) + TINY).div_(slide(padded, _gaussian(SURROUND)) + TINY).sub_(1)
    return contrast.abs().div_(MASKING / contrast.square() + 1)


def _gaussian(sigma: float) -> tuple[float, ...]:
    # Over the whole plane it sums to 1; in a window of 31x31 to somewhat less, and the contrast depends on it.
    peak = 1 / (sigma * math.sqrt(2 * math.pi))
    return tuple(peak * math.exp(-((x / sigma) ** 2) / 2) for x in range(-REACH, REACH + 1))


def _weighted_ratio(a, b, fused):
    ratios = [(torch.minimum(source, fused) + TINY).div_(torch.maximum(source, fused) + TINY) for source in (a, b)]
    weight_a, weight_b = a.square().add_(TINY), b.square().add_(TINY)
    return (weight_a * ratios[0] + weight_b * ratios[1]).div_(weight_a + weight_b)


def _saliency(images):
    """Return the sums of g^5 over blocks, g the Sobel gradient with zero border, (N, H, W) -> (N, rows, columns)."""
    height, width = images.shape[-2:]
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    sums = []
    for start in range(0, height, 8 * BLOCK):
        horizontal, vertical = sobel(padded[:, start:start + 8 * BLOCK + 2])
        square = horizontal.square_().add_(vertical.square_())
        sums.append(_block_sums(square.sqrt().mul_(square).mul_(square)))
    return torch.cat(sums, dim=1)


def _block_sums(images):
    """Sum over blocks of 16x16 from the first pixel on, 0 beyond the border: (N, H, W) -> (N, rows, columns)."""
    height, width = images.shape[-2:]
    filled = torch.nn.functional.pad(images, (0, -width % BLOCK, 0, -height % BLOCK))
    return filled.unflatten(2, (-1, BLOCK)).sum(dim=3).unflatten(1, (-1, BLOCK)).sum(dim=2)
