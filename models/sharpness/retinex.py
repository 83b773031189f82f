"""Stage 4: single-scale Retinex, which lifts local contrast over the whole image (Jobson et al., 1997).

The Gaussian of sigma 300 has a kernel of 2401 pixels, far longer than an image is. Along one side it is a matrix: with
the border rule folded into it, two products of matrices give the very same numbers at a hundredth of the time.
"""

from __future__ import annotations

import functools

from util.lazy import torch

SIGMA = 300.0
RARE = 0.1  # share of the bin of zeros below which a bin ends the range


def apply_retinex(image: torch.Tensor, sigma: float = SIGMA) -> torch.Tensor:
    """Return the logarithm of an image over its surroundings, clipped, stretched and cast to whole levels.

    R = log10(F + 1) - log10(Gauss_sigma(F + 1)); in the histogram of int(100 R) the range ends at the first bin on
    each side of 0 that holds less than a tenth of bin 0, or else at the extremes.

    Args:
        image: (N, 1, H, W) in whole levels, 0 to 255.
        sigma: of the Gaussian, in pixels.

    Returns:
        (N, 1, H, W) in whole levels, 0 to 255; a flat image is returned as it is.
    """
    bright = image.double() + 1
    reflectance = bright.log10() - blur(bright, sigma).log10()
    results = [_stretch_common(one) for one in reflectance]
    flat = image.amax((1, 2, 3), keepdim=True) == image.amin((1, 2, 3), keepdim=True)
    return torch.where(flat, image, torch.stack(results).to(image.dtype))


def blur(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur (N, 1, H, W) with a Gaussian, reflected at the border without repeating the edge, as OpenCV does."""
    height, width = image.shape[-2:]
    vertical, horizontal = (_blur_matrix(side, sigma).to(image) for side in (height, width))
    return vertical @ image @ horizontal.T


@functools.lru_cache(maxsize=8)
def _blur_matrix(length: int, sigma: float) -> torch.Tensor:
    """Return the matrix that blurs a line of pixels; (length, length), each row adds up to 1."""
    radius = int(round(sigma * 8 + 1) | 1) // 2  # OpenCV's for images that are not of 8 bit
    offsets = torch.arange(-radius, radius + 1)
    weights = (offsets.double() / sigma).square().mul(-0.5).exp()
    # The line reflected at both ends repeats every 2 (length - 1) pixels.
    period = max(2 * (length - 1), 1)
    places = (torch.arange(length)[:, None] + offsets) % period
    places = torch.minimum(places, period - places) if length > 1 else torch.zeros_like(places)
    matrix = torch.zeros(length, length, dtype=torch.float64)
    return matrix.scatter_add_(1, places, (weights / weights.sum()).expand(length, -1).contiguous())


def _stretch_common(reflectance: torch.Tensor) -> torch.Tensor:
    """Clip one image's reflectance to its common values and stretch it to whole levels."""
    bins = (reflectance * 100).int()
    lowest = int(bins.min())
    counts = torch.bincount((bins - lowest).flatten().long()).cpu()
    numbers = torch.arange(len(counts)) + lowest
    zeros = counts[numbers == 0].sum()
    rare = numbers[(counts > 0) & (counts < RARE * zeros)]
    negative, positive = rare[rare < 0], rare[rare > 0]
    low = (negative[-1] if len(negative) else numbers[0]) / 100.0
    high = (positive[0] if len(positive) else numbers[-1]) / 100.0
    clipped = reflectance.clamp(float(low), float(high))
    low, high = clipped.min(), clipped.max()
    return ((clipped - low) / (high - low).clamp(min=1e-12) * 255).floor()
