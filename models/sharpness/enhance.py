"""Stage 1: high dynamic range compression of the visible image, a linear stretch of the infrared one.

The published code (Main_enhan.m, Ehn_GF.m of eyob12/Deep_infrared_and_visible_image_fusion) splits the visible image
into a base, smoothed by the fast guided filter, and detail, and narrows the base's logarithm to a contrast of 4.
"""

from __future__ import annotations

import math

from models.filters import fit_to_guide
from util.lazy import torch

CONTRAST = 4.0  # of the compressed base
RADIUS_SHARE = 0.04  # of the longer side: the guided filter's radius
EPSILON = 0.1**2  # of the guided filter, for images in [0, 1]
SUBSAMPLED_RADIUS = 4  # the filter works on an image so small that its radius is this


def stretch(image: torch.Tensor) -> torch.Tensor:
    """Stretch each image of (N, 1, H, W) to 0..255; one of a single value stays as it is."""
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    return torch.where(high > low, (image - low).mul_(255).div_(high - low), image)


def round_levels(image: torch.Tensor) -> torch.Tensor:
    """Round to whole levels from 0 to 255, halves up, as a picture written with 8 bits has them."""
    return (image + 0.5).floor_().clamp_(0, 255)


def enhance_infrared(image: torch.Tensor) -> torch.Tensor:
    """Return the stretched infrared image in whole levels; (N, 1, H, W), 0 to 255."""
    return round_levels(stretch(image))


def enhance_visible(image: torch.Tensor) -> torch.Tensor:
    """Return the visible image after ``compress_range`` in whole levels; (N, 1, H, W), 0 to 255."""
    return round_levels(compress_range(image))


def compress_range(image: torch.Tensor, contrast: float = CONTRAST) -> torch.Tensor:
    """Compress the dynamic range of the base of an image and keep its detail (HDRC).

    I = stretch(image); base = guided filter of I; l = ln(base + 1), d = ln(I + 1) - l; k = ln(contrast) / (max l -
    min l); result exp(k l + d + (1 - k) max l), at most 255. An image whose base is flat keeps I.

    Args:
        image: (N, 1, H, W), 0 to 255.
        contrast: ratio of the brightest to the darkest base (plus 1) afterwards.

    Returns:
        (N, 1, H, W), 0 to 255, not rounded.
    """
    image = stretch(image)
    # In place where it can be: the images are whole ones, and may be huge. A guided filter may leave the range of its
    # image by a rounding error.
    log_base = smooth(image / 255).mul_(255).clamp_(min=0).log1p_()
    detail = image.log1p().sub_(log_base)
    low, high = log_base.amin((1, 2, 3), keepdim=True), log_base.amax((1, 2, 3), keepdim=True)
    # Under a thousandth there is nothing to compress: the quotient would be rounding noise.
    factor = math.log(contrast) / (high - low).clamp(min=1e-3)
    compressed = log_base.mul_(factor).add_(detail).add_((1 - factor) * high).exp_()
    return torch.where(high - low < 1e-3, image, compressed.clamp_(max=255))


def smooth(image: torch.Tensor) -> torch.Tensor:
    """Return the base of an image in [0, 1]: the fast guided filter with the published radius and epsilon."""
    radius = int(RADIUS_SHARE * max(image.shape[-2:]))
    step = max(1.0, radius / SUBSAMPLED_RADIUS)
    return filter_guided_fast(image, round(radius / step), EPSILON, step)


def filter_guided_fast(image: torch.Tensor, radius: int, epsilon: float, step: float) -> torch.Tensor:
    """Smooth an image by the fast guided filter with itself as guide.

    He and Sun, "Fast Guided Filter", arXiv 1505.00996, alg. 2: coefficients on an image that is made smaller by nearest
    neighbours, window means over the part of a window that lies inside, bilinear enlargement of the coefficients.

    Args:
        image: (N, 1, H, W) in [0, 1].
        radius: of the windows on the smaller image, in its pixels; a window has 2 radius + 1 a side.
        epsilon: variance below which a window is smoothed.
        step: how many times smaller, 1 or more; need not be whole.
    """
    height, width = image.shape[-2:]
    small = image[..., _take(height, step, image.device), :][..., _take(width, step, image.device)]
    coefficients = torch.cat(fit_to_guide(small, small, radius, epsilon), 1)
    slope, offset = torch.nn.functional.interpolate(coefficients, size=(height, width), mode="bilinear").split(1, 1)
    return slope.mul_(image).add_(offset)


def _take(length: int, step: float, device) -> torch.Tensor:
    """Return the rows (or columns) that MATLAB's imresize with 1/step takes by nearest neighbours."""
    places = torch.arange(math.ceil(length / step), device=device, dtype=torch.float64)
    return ((places + 0.5) * step).floor().long().clamp(max=length - 1)
