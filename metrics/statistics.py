"""Metrics of the fused image's own statistics: contrast and activity. Noise raises them as well as detail does."""

from __future__ import annotations

import math

from metrics.registry import metric
from util.lazy import torch


@metric(name="SD", title="standard deviation", direction="up", low=0, high=127.5, unit="gray levels", needs="fused",
        formula="sqrt(mean((F - mean F)^2))",
        source="the population standard deviation; no one paper defines it for fusion",
        variant="divided by the number of pixels, computed on signed numbers")
def standard_deviation(fused):
    return (fused - fused.mean(dim=(1, 2), keepdim=True)).square().mean(dim=(1, 2)).sqrt()


@metric(name="SF", title="spatial frequency", direction="up", low=0, high=255 * math.sqrt(2), unit="gray levels",
        needs="fused",
        formula="sqrt((sum of squared horizontal steps + sum of squared vertical steps) / (H W))",
        source="Eskicioglu, Fisher, IEEE Trans. Communications 43(12), 1995",
        variant="both sums divided by the number of pixels, gray levels 0..255 (not 0..1)")
def spatial_frequency(fused):
    steps = fused.diff(dim=1).square().sum(dim=(1, 2)) + fused.diff(dim=2).square().sum(dim=(1, 2))
    return (steps / fused[0].numel()).sqrt()


@metric(name="AG", title="average gradient", direction="up", low=0, high=math.inf, unit="gray levels", needs="fused",
        formula="sum sqrt((Fx^2 + Fy^2) / 2) / ((H-1)(W-1))",
        source="Cui et al., Optics Communications 341, 2015",
        variant="central differences, one-sided at the border, as MATLAB's gradient", smallest=2)
def average_gradient(fused):
    vertical, horizontal = torch.gradient(fused, dim=(1, 2))
    length = ((horizontal.square() + vertical.square()) / 2).sqrt()
    return length.sum(dim=(1, 2)) / ((fused.shape[1] - 1) * (fused.shape[2] - 1))
