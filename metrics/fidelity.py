"""Metrics of the distance between the fused image and a reference, level by level."""

from __future__ import annotations

import math

from metrics.registry import metric
from util.lazy import torch

PEAK = 255.0


def peak_signal_to_noise(first, second):
    """Return 10 log10(255^2 / MSE) in dB, (N, H, W) levels each -> (N,) float64; inf where the images are equal."""
    error = (first - second).square().mean(dim=(1, 2))
    return 10 * torch.log10(PEAK**2 / error)


@metric(name="PSNR_GT", title="peak signal-to-noise ratio, to the ground truth", direction="up", low=0, high=math.inf,
        unit="dB", needs="gt",
        formula="10 log10(255^2 / mean((F - GT)^2))",
        source="Huynh-Thu, Ghanbari, Electronics Letters 44(13), 2008, on the ratio and its scope",
        variant="against the ground truth, peak 255; inf for equal images")
def peak_signal_to_noise_gt(fused, gt):
    return peak_signal_to_noise(fused, gt)
