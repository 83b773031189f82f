"""Tensors as 8-bit pictures, rounded in one way wherever they are shown, written or scored."""

from __future__ import annotations

import numpy as np

from util.lazy import torch

BAND = 2**20  # pixels to convert together: of huge pictures, what is in between is then small


def to_uint8(images: torch.Tensor) -> np.ndarray:
    """Convert (N, 1 or 3, H, W) in [0, 1] to uint8 (N, H, W, 3), rounding half up; one channel is repeated."""
    number, _, height, width = images.shape
    pictures = torch.empty((number, height, width, 3), dtype=torch.uint8, device=images.device)
    step = max(1, BAND // (number * width))
    for rows in (slice(top, top + step) for top in range(0, height, step)):
        band = images[:, :, rows].detach().float().clamp(0, 1).mul(255).add(0.5).floor().to(torch.uint8)
        pictures[:, rows] = band.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    return pictures.cpu().numpy()


def to_pictures(visuals: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Return the first image of each batch as uint8 (H, W, 3)."""
    return {name: to_uint8(images[:1])[0] for name, images in visuals.items()}
