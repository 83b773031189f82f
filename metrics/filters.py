"""Sliding windows: weighted means under Gaussians and boxes, and Sobel gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

from metrics.shared import STRIP, row_strips


@lru_cache
def gaussian_weights(size: int, sigma: float) -> tuple[float, ...]:
    """Return ``size`` weights of a sampled Gaussian (sigma in pixels) that sum to 1."""
    weights = [math.exp(-((index - (size - 1) / 2) ** 2) / (2 * sigma**2)) for index in range(size)]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


def slide(images, weights: tuple[float, ...]):
    """Average under the square window ``weights`` x ``weights`` where it fits.

    Args:
        images: float64 (..., H, W), both sides at least ``len(weights)``.
        weights: of one dimension, symmetric.

    Returns:
        float64 (..., H - n + 1, W - n + 1).
    """
    # Rows and columns apart, as shifted sums: many times as fast as a float64 convolution on the CPU.
    for dim in (-2, -1):
        length = images.shape[dim] - len(weights) + 1
        total = images.narrow(dim, 0, length) * weights[0]
        for shift in range(1, len(weights)):
            total.add_(images.narrow(dim, shift, length), alpha=weights[shift])
        images = total
    return images


def gaussian_mean(images, size: int, sigma: float):
    """Average under a normalised Gaussian of size x size where it fits: (..., H, W) -> (..., H-size+1, W-size+1)."""
    return slide(images, gaussian_weights(size, sigma))


def box_sum(images, size: int):
    """Sum over size x size where it fits: (..., H, W) -> (..., H-size+1, W-size+1).

    Whole numbers give exact sums (below 2^53), whatever the order: a flat window has a variance of exactly 0.
    """
    for dim in (-2, -1):
        # Sums of 1, 2, 4, ... neighbours, each made of two of the last; those that make up the size are added.
        length, total, width, offset = images.shape[dim] - size + 1, None, 1, 0
        while True:
            if size & width:
                part = images.narrow(dim, offset, length)
                total = part if total is None else total + part
                offset += width
            if 2 * width > size:
                break
            rest = images.shape[dim] - width
            images = images.narrow(dim, 0, rest) + images.narrow(dim, width, rest)
            width *= 2
        images = total
    return images


def box_mean(images, size: int):
    """Average over size x size where it fits: (..., H, W) -> (..., H-size+1, W-size+1)."""
    return box_sum(images, size) / size**2


def window_strips(rows: int, width: int, size: int) -> Iterator[slice]:
    """Yield the rows of strips of an image such that each window of size x size lies in exactly one strip.

    Neighbouring strips share size - 1 rows; they are high enough for that to cost little.
    """
    for start, stop in row_strips(rows - size + 1, min(width, STRIP // (4 * size))):
        yield slice(start, stop + size - 1)


def sobel(padded):
    """Return the responses (horizontal, vertical) of the Sobel pair where it fits: (..., H, W) -> 2 x (..., H-2, W-2).

    The pair is [-1 0 1; -2 0 2; -1 0 1] and its transpose, as a correlation: positive where levels rise to the right
    and downwards. Pad before for another border.
    """
    across = padded[..., 2:] - padded[..., :-2]
    down = padded[..., 2:, :] - padded[..., :-2, :]
    # 1 2 1 is 1 1 twice.
    across = across[..., :-1, :] + across[..., 1:, :]
    down = down[..., :-1] + down[..., 1:]
    return across[..., :-1, :] + across[..., 1:, :], down[..., :-1] + down[..., 1:]
