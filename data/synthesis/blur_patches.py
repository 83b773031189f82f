"""Sharp and blurred blocks of one photograph, as the blur classifier learns from them.

create_training_dataset.m of eyob12/Deep_infrared_and_visible_image_fusion: a Gaussian of sigma 9 cut off at K pixels,
Sobel gradients cast to 8 bit, blocks of 32x32 pixels with the channels gray, Gx and Gy.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from util.image_io import read_pixels, to_float

BLOCK = 32  # pixels a side
SIGMA = 9.0  # of the Gaussian: within the kernels it is almost a box
KERNELS = (9, 11, 13, 15)  # pixels a side


def read_gray(path) -> np.ndarray:
    """Read an image as luminance, uint8 (H, W).

    Raises:
        UserError: it cannot be read.
    """
    pixels = read_pixels(path)
    if pixels.dtype != np.uint8:
        pixels = np.rint(to_float(pixels) * 255).astype(np.uint8)
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels


def make_planes(gray: np.ndarray, kernel: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the planes of a photograph and of its blurred version: gray, Gx, Gy, uint8 (3, H, W) each.

    Args:
        gray: uint8 (H, W).
        kernel: side of the Gaussian's kernel in pixels.
    """
    weights = _kernel_weights(kernel)
    # In float32: OpenCV's own blur of 8-bit images rounds the weights to 1/256.
    blurred = cv2.sepFilter2D(gray, cv2.CV_32F, weights, weights, borderType=cv2.BORDER_REPLICATE)
    return find_planes(gray), find_planes(np.rint(blurred).astype(np.uint8))


def find_planes(gray: np.ndarray) -> np.ndarray:
    """Return gray and its 3x3 Sobel gradients, replicated borders; negative ones become 0, those above 255 are 255."""
    gradients = (cv2.Sobel(gray, cv2.CV_8U, dx, 1 - dx, borderType=cv2.BORDER_REPLICATE) for dx in (1, 0))
    return np.stack([gray, *gradients])


def cut_blocks(planes: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Cut blocks with the upper left corners (rows, columns) out of planes (3, H, W); returns (P, 3, 32, 32)."""
    windows = np.lib.stride_tricks.sliding_window_view(planes, (BLOCK, BLOCK), axis=(1, 2))
    return windows[:, rows, columns].swapaxes(0, 1)


def draw_places(
    gray: np.ndarray, count: int, rng: np.random.Generator, min_std: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the upper left corners of blocks anywhere in a photograph, uint8 (H, W).

    With ``min_std`` four times as many are drawn, and of these the first ``count`` whose deviation is that many gray
    levels; where too few are left, those of the largest deviation come with them.
    """
    height, width = gray.shape
    drawn = count * (4 if min_std else 1)
    rows, columns = rng.integers(0, height - BLOCK + 1, drawn), rng.integers(0, width - BLOCK + 1, drawn)
    if min_std:
        deviation = cut_blocks(gray[None], rows, columns).std((1, 2, 3))
        chosen = np.argsort(-np.minimum(deviation, min_std), kind="stable")[:count]
        rows, columns = rows[chosen], columns[chosen]
    return rows, columns


def list_places(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the upper left corners of all blocks that lie side by side in a photograph, row by row."""
    rows, columns = np.mgrid[0 : height - BLOCK + 1 : BLOCK, 0 : width - BLOCK + 1 : BLOCK]
    return rows.ravel(), columns.ravel()


def lay_out(blocks: np.ndarray) -> np.ndarray:
    """Put blocks (P, 3, 32, 32) side by side: (3, 32, 32 P)."""
    return blocks.transpose(1, 2, 0, 3).reshape(3, BLOCK, -1)


@cache
def _kernel_weights(kernel: int) -> np.ndarray:
    places = np.arange(kernel) - kernel // 2
    weights = np.exp(-0.5 * (places / SIGMA) ** 2)
    return weights / weights.sum()
