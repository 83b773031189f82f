"""Metrics of information theory: how much the gray levels say, and how much of it they share with the sources."""

from __future__ import annotations

import math

from metrics.registry import metric
from util.lazy import torch

LEVELS = 256


def entropy(levels, count: int = LEVELS):
    """Return the Shannon entropy in bits of each item of whole numbers 0..count-1, (N, ...) float64 -> (N,) float64."""
    number, size = levels.shape[0], levels[0].numel()
    # One histogram over all items: each has its own stretch of bins.
    offset = torch.arange(number, device=levels.device).view(-1, *[1] * (levels.ndim - 1)) * count
    histogram = torch.bincount((levels.long() + offset).flatten(), minlength=number * count).view(number, count)
    probability = histogram.to(torch.float64) / size
    return torch.special.entr(probability).sum(dim=1) / math.log(2)


def mutual_information(first, second):
    """Return I(X;Y) = H(X) + H(Y) - H(X,Y) in bits, (N, H, W) levels each -> (N,) float64, never below 0."""
    joint = entropy(first * LEVELS + second, LEVELS * LEVELS)
    return (entropy(first) + entropy(second) - joint).clamp(min=0)


@metric(name="EN", title="entropy", direction="up", low=0, high=8, unit="bit", needs="fused",
        formula="H(F) = -sum p(k) log2 p(k) over the 256 gray levels",
        source="Shannon, 1948; for fusion: Roberts et al., Journal of Applied Remote Sensing 2, 2008",
        variant="256 bins of unit width, bits")
def fused_entropy(fused):
    return entropy(fused)


@metric(name="MI", title="mutual information with the sources", direction="up", low=0, high=16, unit="bit",
        needs="sources", formula="I(A;F) + I(B;F), I(X;Y) = H(X) + H(Y) - H(X,Y)",
        source="Qu, Zhang, Yan, Electronics Letters 38(7), 2002",
        variant="sum over both sources in bits (natural logarithms give 0.693 of it), 256x256 joint histogram")
def shared_information(a, b, fused):
    return mutual_information(a, fused) + mutual_information(b, fused)
