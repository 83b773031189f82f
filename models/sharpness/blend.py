"""Stage 3: one image of two, by a decision for each pixel or by a weight.

Model_Test.py of eyob12/Deep_infrared_and_visible_image_fusion: distances in the decision map weigh the two images.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.sharpness.enhance import stretch
from util.lazy import torch

WITHOUT_ZEROS = ("mean", "zero", "corner")  # what stands for distances that are not defined


def blend_hard(
    visible: torch.Tensor, infrared: torch.Tensor, chosen: torch.Tensor, without_zeros: str = "mean"
) -> torch.Tensor:
    """Weigh two images by how deep a pixel lies in the area of either.

    S = visible where chosen, else infrared; D, w_V, w_T are the Euclidean distances to the nearest zero in S, in the
    decision and in its negation; result [(D + w_T) infrared + (D + w_V) visible] / (2 D + w_T + w_V), stretched.

    Args:
        visible, infrared: (N, 1, H, W), 0 to 255, in whole levels.
        chosen: bool (N, 1, H, W), True where the visible image is taken.
        without_zeros: D where S has no zero: "mean", that of w_T + w_V [ours]; "zero"; "corner", the distance to the
            pixel above the upper left one, which is what SciPy gives the published code there. Where one image is
            taken throughout, its own weight is the longer side [ours], or the corner's distance.

    Returns:
        (N, 1, H, W), 0 to 255, not rounded; float64, for the next stage casts to whole levels.
    """
    direct = torch.where(chosen, visible, infrared)
    corner = _measure_from_corner(chosen)
    undefined = corner if without_zeros == "corner" else torch.full_like(corner, max(chosen.shape[-2:]))
    weight_visible, weight_infrared = measure_distance(chosen, undefined), measure_distance(~chosen, undefined)
    total = weight_visible + weight_infrared
    if without_zeros == "mean":
        undefined = total.mean((-2, -1), keepdim=True)
    elif without_zeros == "zero":
        undefined = torch.zeros_like(corner)
    distance = measure_distance(direct != 0, undefined)
    both = distance * infrared + distance * visible
    fused = both + weight_infrared * infrared + weight_visible * visible
    return stretch(fused / (2 * distance + total))


def blend_soft(visible: torch.Tensor, infrared: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return weight * visible + (1 - weight) * infrared, stretched; weight (N, 1, H, W) in [0, 1] [ours]."""
    return stretch(infrared.double() + weight.double() * (visible - infrared))


def measure_distance(mask: torch.Tensor, undefined: torch.Tensor) -> torch.Tensor:
    """Return the exact Euclidean distance of each pixel to the nearest False of its image, in pixels.

    OpenCV does it on the CPU: a mask goes there from another device, and its distances come back.

    Args:
        mask: bool (N, 1, H, W).
        undefined: float64, what an image without any False gets; of a shape that expands to the mask's.

    Returns:
        float64 (N, 1, H, W).
    """
    images = mask[:, 0].to(torch.uint8).cpu().numpy()
    maps = np.stack([cv2.distanceTransform(image, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for image in images])
    distance = torch.from_numpy(maps)[:, None].to(mask.device).double()
    distance = distance.square().round().sqrt()  # roots of whole numbers, to the precision that OpenCV drops
    return torch.where(mask.all(-1, keepdim=True).all(-2, keepdim=True), undefined, distance)


def _measure_from_corner(mask: torch.Tensor) -> torch.Tensor:
    rows, columns = (torch.arange(side, device=mask.device, dtype=torch.float64) for side in mask.shape[-2:])
    return torch.hypot(rows[:, None] + 1, columns)
