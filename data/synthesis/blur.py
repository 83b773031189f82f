"""What defocus does to a picture: kernels, and three ways to join a blurred side and a sharp one.

All images here are float32 (H, W, 3) in [0, 255], masks bool (H, W); sigmas are standard deviations in pixels.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

KERNELS = ("gaussian", "disk")
BORDER = cv2.BORDER_REFLECT_101


@lru_cache(maxsize=64)
def make_disk(radius: float) -> np.ndarray:
    """Return the image of a point through a round aperture: float32 (2k+1, 2k+1), sum 1, its rim antialiased."""
    samples = 8  # per pixel and axis
    reach = int(np.ceil(radius + 0.5 - 1e-6))
    side = (np.arange((2 * reach + 1) * samples) + 0.5) / samples - reach - 0.5
    inside = (side[:, None] ** 2 + side[None, :] ** 2 <= radius**2).astype(np.float32)
    disk = inside.reshape(2 * reach + 1, samples, 2 * reach + 1, samples).mean(axis=(1, 3))
    if disk.sum() == 0:
        disk[reach, reach] = 1
    return (disk / disk.sum()).astype(np.float32)


def blur(image: np.ndarray, kernel: str, sigma: float) -> np.ndarray:
    """Blur a float32 image (H, W) or (H, W, C) by a ``gaussian`` or a ``disk`` of that standard deviation per axis.

    A disk of radius r has the standard deviation r / 2 along each axis, so both kernels blur equally strongly.
    """
    if kernel == "gaussian":
        return cv2.GaussianBlur(image, (0, 0), sigma, borderType=BORDER)
    return cv2.filter2D(image, -1, make_disk(round(2 * sigma, 3)), borderType=BORDER)


def join_hard(image: np.ndarray, mask: np.ndarray, kernel: str, sigma: float) -> np.ndarray:
    """Blur ``image`` and keep that on ``mask`` alone: the published rule, with an edge that no lens makes."""
    return np.where(mask[..., None], blur(image, kernel, sigma), image)


def join_feathered(image: np.ndarray, mask: np.ndarray, kernel: str, sigma: float, feather: float) -> np.ndarray:
    """As ``join_hard``, with the mask softened by a Gaussian of ``feather`` pixels; ``~mask`` gives the complement."""
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), feather, borderType=BORDER)[..., None]
    return image + weight * (blur(image, kernel, sigma) - image)


def defocus_foreground(image: np.ndarray, foreground: np.ndarray, kernel: str, sigma: float) -> np.ndarray:
    """Put the near side out of focus: its blur spreads over the sharp background (the defocus spread of real lenses).

    The layers are blurred premultiplied with their coverage and laid over each other: K(F I) + (1 - K(F)) background.
    What the foreground hides is unknown; taking the blurred surroundings for it makes the inside exactly K(I).
    """
    layer = blur(_cut_layer(image, foreground), kernel, sigma)
    outside = (1 - layer[..., 3:]) * image
    outside += layer[..., :3]
    return cv2.copyTo(blur(image, kernel, sigma), foreground.astype(np.uint8), outside)


def defocus_background(image: np.ndarray, foreground: np.ndarray, kernel: str, sigma: float) -> np.ndarray:
    """Put the far side out of focus: the sharp foreground hides it and gives it no colour, K((1-F) I) / K(1-F)."""
    layer = blur(_cut_layer(image, ~foreground), kernel, sigma)
    background = layer[..., :3] / np.maximum(layer[..., 3:], 1e-6)
    return cv2.copyTo(image, foreground.astype(np.uint8), background)


def _cut_layer(image: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Return the picture premultiplied with its coverage, and the coverage: float32 (H, W, 4), 0 off ``cover``."""
    whole = cv2.merge([*cv2.split(image), np.ones(cover.shape, np.float32)])
    return cv2.copyTo(whole, cover.astype(np.uint8))
