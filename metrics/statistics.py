"""Metrics of the fused image's own statistics: contrast and activity. Noise raises them as well as detail does."""

from __future__ import annotations

import math

from metrics.filters import sobel, window_strips
from metrics.histograms import histogram, variance
from metrics.registry import metric
from metrics.shared import row_strips, shared
from util.lazy import torch


@metric(name="SD", title="standard deviation", direction="up", low=0, high=127.5, unit="gray levels", needs="fused",
        formula="sqrt(mean((F - mean F)^2))",
        source="the population standard deviation; no one paper defines it for fusion",
        variant="divided by the number of pixels, computed on signed numbers",
        aliases=("STD",))
def standard_deviation(fused):
    return variance(histogram(fused)).sqrt()


@shared
def squared_steps(images):
    """Sum the squared steps from pixel to pixel: (N, H, W) -> (2, N), downwards and to the right."""
    sums = torch.zeros(2, len(images), dtype=torch.float64, device=images.device)
    for start, stop in row_strips(images.shape[1], images.shape[2]):
        sums[0] += images[:, start:stop + 1].diff(dim=1).square_().sum(dim=(1, 2))
        sums[1] += images[:, start:stop].diff(dim=2).square_().sum(dim=(1, 2))
    return sums


@metric(name="SF", title="spatial frequency", direction="up", low=0, high=255 * math.sqrt(2), unit="gray levels",
        needs="fused",
        formula="sqrt((sum of squared horizontal steps + sum of squared vertical steps) / (H W))",
        source="Eskicioglu, Fisher, IEEE Trans. Communications 43(12), 1995",
        variant="both sums divided by the number of pixels, gray levels 0..255 (not 0..1)")
def spatial_frequency(fused):
    return (squared_steps(fused).sum(dim=0) / fused[0].numel()).sqrt()


@metric(name="AG", title="average gradient", direction="up", low=0, high=math.inf, unit="gray levels", needs="fused",
        formula="sum sqrt((Fx^2 + Fy^2) / 2) / ((H-1)(W-1))",
        source="Cui et al., Optics Communications 341, 2015",
        variant="central differences, one-sided at the border, as MATLAB's gradient", smallest=2)
def average_gradient(fused):
    padded = _extrapolate(fused)
    total = 0
    for rows in window_strips(padded.shape[1], padded.shape[2], 3):
        strip = padded[:, rows]
        horizontal = strip[:, 1:-1, 2:] - strip[:, 1:-1, :-2]
        vertical = strip[:, 2:, 1:-1] - strip[:, :-2, 1:-1]
        total = total + horizontal.square_().add_(vertical.square_()).sqrt_().sum(dim=(1, 2))
    return total / (2 * math.sqrt(2) * (fused.shape[1] - 1) * (fused.shape[2] - 1))


def _extrapolate(images):
    """Add a border that continues the last step: across it a central difference is twice the one-sided one."""
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    padded[:, 1:-1, 0] = 2 * images[..., 0] - images[..., 1]
    padded[:, 1:-1, -1] = 2 * images[..., -1] - images[..., -2]
    padded[:, 0, 1:-1] = 2 * images[:, 0] - images[:, 1]
    padded[:, -1, 1:-1] = 2 * images[:, -1] - images[:, -2]
    return padded


@metric(name="DF", title="definition", direction="up", low=0, high=255, unit="gray levels", needs="fused",
        formula="sum sqrt((Fx^2 + Fy^2) / 2) / ((H-1)(W-1)), Fx, Fy the steps to the next pixel",
        source="the average gradient of textbooks; as the tables of DenseFuse's and later papers have it",
        variant="steps to the right and downwards, over the pixels that have both", smallest=2, aliases=("Definition",))
def definition(fused):
    height, width = fused.shape[1:]
    total = 0
    for start, stop in row_strips(height - 1, width):
        rows = fused[:, start:stop + 1]
        vertical, horizontal = rows[..., :-1].diff(dim=1), rows[:, :-1].diff(dim=2)
        total = total + horizontal.square_().add_(vertical.square_()).sqrt_().sum(dim=(1, 2))
    return total / (math.sqrt(2) * (height - 1) * (width - 1))


@metric(name="EI", title="edge intensity", direction="up", low=0, high=255 * math.sqrt(20), unit="gray levels",
        needs="fused",
        formula="mean sqrt(Sx^2 + Sy^2), S the Sobel responses",
        source="the mean strength of Sobel edges; as VIFB computes it",
        variant="the border pixel repeated outwards (zeros outside give up to 45 % more)")
def edge_intensity(fused):
    padded = torch.nn.functional.pad(fused, (1, 1, 1, 1), mode="replicate")
    total = 0
    for rows in window_strips(padded.shape[1], padded.shape[2], 3):
        horizontal, vertical = sobel(padded[:, rows])
        total = total + horizontal.square_().add_(vertical.square_()).sqrt_().sum(dim=(1, 2))
    return total / fused[0].numel()
