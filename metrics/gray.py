"""From an image to the gray levels that are scored."""

from __future__ import annotations

import numpy as np

from util.lazy import torch

# The protocol of a table, in words.
RULE = "8-bit gray levels 0..255 (BT.601 luma, rounded), no border cut off"
RULE_CHANNELS = "8-bit levels 0..255, mean over the scores of R, G and B where a picture has colour, no border cut off"

# BT.601 (0.299, 0.587, 0.114) in 65536ths, as Pillow's mode "L" has it: equal to it for each of the 2^24 colours.
_RED, _GREEN, _BLUE = 19595, 38470, 7471

_OVERSHOOT = 0.5  # of a float image beyond [0, 1]: filters and networks do not go further, levels 0..255 do


def to_gray8(image):
    """Reduce an image to 8-bit gray levels by the rule that every score here is based on.

    A float image is first rounded to 8 bits, half up, as it is when written: the score of an image in memory and of
    its PNG file are the same number.

    Args:
        image: a tensor (..., C, H, W) or (H, W), or an array (H, W, C) or (H, W), with C = 1 or 3 (RGB); uint8, or
            float in [0, 1] (what overshoots a little is clipped, as in a file).

    Returns:
        uint8 tensor (..., H, W), (H, W) for one image. Where a float image holds NaN or infinity, float64 with the same
        levels and NaN at these pixels: uint8 has no NaN, and a broken image must not get a good score.

    Raises:
        ValueError: another shape, channel count or type, or float values that are plainly of another range.
    """
    levels = _channels_first(image)
    shape = tuple(image.shape)
    if levels.shape[-3] not in (1, 3):
        raise ValueError(f"an image has 1 or 3 channels, not {levels.shape[-3]} (shape {shape})")
    if levels.dtype == torch.uint8:
        return _luma(levels.to(torch.int32)).to(torch.uint8)
    if not levels.is_floating_point():
        raise ValueError(f"an image is uint8 or float in [0, 1], not {levels.dtype} (shape {shape})")
    broken = ~levels.isfinite()
    known = levels.to(torch.float64).masked_fill(broken, 0.0)
    low, high = known.amin().item(), known.amax().item()
    if low < -_OVERSHOOT or high > 1 + _OVERSHOOT:
        raise ValueError(f"a float image is in [0, 1], and this one holds {low:g} to {high:g}: divide it by its full "
                         "scale, or give uint8")
    whole = (known.clamp(0, 1) * 255 + 0.5).floor().to(torch.int32)
    gray = _luma(whole)
    if broken.any():
        return gray.to(torch.float64).masked_fill(broken.any(dim=-3), float("nan"))
    return gray.to(torch.uint8)


def _channels_first(image):
    if isinstance(image, np.ndarray):
        if image.ndim not in (2, 3):
            raise ValueError(f"an array is (H, W) or (H, W, C), not {image.shape}")
        array = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)
        return torch.from_numpy(np.array(array))
    if not isinstance(image, torch.Tensor):
        raise ValueError(f"an image is an array or a tensor, not {type(image).__name__}")
    if image.ndim < 2:
        raise ValueError(f"a tensor is (H, W) or (..., C, H, W), not {tuple(image.shape)}")
    return image.detach()[None] if image.ndim == 2 else image.detach()


def _luma(channels):
    if channels.shape[-3] == 1:
        return channels.squeeze(-3)
    red, green, blue = channels.unbind(-3)
    return (_RED * red + _GREEN * green + _BLUE * blue + 32768) >> 16
