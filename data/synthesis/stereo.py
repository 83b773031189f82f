"""Defocus by depth: a picture and its disparity rendered as a lens focused near and far would see it."""

from __future__ import annotations

import cv2
import numpy as np

from data.synthesis.blur import BORDER, make_disk

SHARP = 0.5  # a circle of confusion of half a pixel's radius cannot be seen


def fill_disparity(disparity: np.ndarray) -> np.ndarray:
    """Fill unmeasured pixels (not finite, or not positive) with the farther one of their row's nearest measured ones.

    What only one camera sees lies behind what hides it from the other, so the smaller disparity is the likely one.

    Args:
        disparity: float (H, W) in pixels, larger is nearer.

    Returns:
        float32 (H, W), finite. Rows without any measurement take the smallest disparity of all.
    """
    known = np.isfinite(disparity) & (disparity > 0)
    if not known.any():
        raise ValueError("the disparity map holds no measurement")
    columns = np.arange(disparity.shape[1])
    left = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    right = np.minimum.accumulate(np.where(known, columns, disparity.shape[1])[:, ::-1], axis=1)[:, ::-1]
    padded = np.pad(np.where(known, disparity, np.inf), ((0, 0), (1, 1)), constant_values=np.inf)
    rows = np.arange(disparity.shape[0])[:, None]
    filled = np.minimum(padded[rows, left + 1], padded[rows, right + 1])
    return np.where(np.isfinite(filled), filled, disparity[known].min()).astype(np.float32)


def confusion_radius(
    disparity: np.ndarray, focus: float, depth_of_field: float, strength: float, max_radius: float
) -> np.ndarray:
    """Return the signed radius of the circle of confusion in pixels, positive in front of the focus: float32 (H, W).

    A thin lens blurs in proportion to |1/z - 1/z_focus|, that is to |disparity - focus|; ``strength`` is in pixels of
    radius per pixel of disparity. Within ``depth_of_field`` (the whole width, in pixels of disparity, around ``focus``)
    the picture counts as sharp; beyond it the radius grows from 0, up to ``max_radius``.
    """
    away = disparity - np.float32(focus)
    radius = strength * np.maximum(np.abs(away) - depth_of_field / 2, 0)
    return (np.sign(away) * np.minimum(radius, max_radius)).astype(np.float32)


def render_defocus(image: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Render ``image`` with a blur of ``radius`` at each pixel, layer by layer from far to near.

    The picture is cut into layers of one pixel's step in signed radius. Each layer goes on behind the nearer ones (with
    the colours of its border), is blurred premultiplied with its coverage by a disk, and is laid over the farther ones:
    so a blurred near thing spreads over a sharp far one, and a sharp near thing gives the blurred far one no colour.

    Args:
        image: uint8 or float (H, W, 3) in [0, 255].
        radius: float (H, W), signed as ``confusion_radius`` gives it: larger is nearer.

    Returns:
        float32 (H, W, 3) in [0, 255]. Pixels with |radius| < 0.5 and no blurred nearer thing around keep their colour.
    """
    image = image.astype(np.float32)
    steps = np.where(np.abs(radius) < SHARP, 0, np.sign(radius) * np.maximum(np.round(np.abs(radius)), 1)).astype(
        np.int32
    )
    result, opaque = np.zeros_like(image), np.zeros((*steps.shape, 1), np.float32)
    for step in np.unique(steps):
        layer, nearer = steps == step, steps > step
        # Far enough that no blur of this layer or of a nearer one can see its end.
        reach = 2 * int(max(abs(step), steps.max())) + 2
        colours, cover = _extend_behind(image, layer, nearer, reach)
        stack = np.concatenate([colours * cover[..., None], cover[..., None]], axis=2)
        if step:
            stack = cv2.filter2D(stack, -1, make_disk(float(abs(step))), borderType=BORDER)
        result = result * (1 - stack[..., 3:]) + stack[..., :3]
        opaque = opaque * (1 - stack[..., 3:]) + stack[..., 3:]
    # Where the layers leave something open (behind the farthest one there is nothing), they share it.
    return np.clip(result / np.maximum(opaque, 1e-6), 0, 255)


def render_focus_pair(
    image: np.ndarray, disparity: np.ndarray, max_radius: float = 7.0
) -> tuple[np.ndarray, np.ndarray]:
    """Render a near-focused and a far-focused picture of one scene, so that every pixel is sharp in at least one.

    The depths are divided where Otsu's threshold divides the disparities; each picture is focused in the middle of its
    part with a depth of field as wide as the part, and the blur grows from there to ``max_radius`` at the other end.

    Args:
        image: uint8 (H, W, 3).
        disparity: float (H, W) in pixels, larger is nearer; unmeasured pixels are filled.
        max_radius: largest radius of the circle of confusion, pixels.

    Returns:
        (near, far): float32 (H, W, 3) in [0, 255].
    """
    from skimage.filters import threshold_otsu

    disparity = fill_disparity(disparity)
    low, high = float(disparity.min()), float(disparity.max())
    split = float(threshold_otsu(disparity))
    near = confusion_radius(
        disparity, (split + high) / 2, high - split, max_radius / max(split - low, 1e-6), max_radius
    )
    far = confusion_radius(disparity, (low + split) / 2, split - low, max_radius / max(high - split, 1e-6), max_radius)
    return render_defocus(image, near), render_defocus(image, far)


def _extend_behind(
    image: np.ndarray, layer: np.ndarray, nearer: np.ndarray, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """Let a layer go on behind nearer ones for ``reach`` pixels: its colours (H, W, 3) and coverage (H, W), float32."""
    from scipy.ndimage import distance_transform_edt

    distance, (rows, columns) = distance_transform_edt(~layer, return_indices=True)
    cover = layer | (nearer & (distance <= reach))
    return image[rows, columns], cover.astype(np.float32)
