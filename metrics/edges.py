"""Metrics of edges: how much of the sources' gradients, their strength and direction, the fused image keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from metrics.filters import sobel, window_strips
from metrics.registry import metric
from metrics.shared import shared
from util.lazy import torch


@dataclass(frozen=True)
class Sigmoid:
    """peak / (1 + exp(-slope (x - centre))): how much of an edge is seen to be kept."""

    peak: float
    slope: float
    centre: float

    def __call__(self, values):
        """Return the sigmoid of each value, which is overwritten: tensor -> the same tensor."""
        return values.sub_(self.centre).mul_(-self.slope).exp_().add_(1).reciprocal_().mul_(self.peak)

    def at(self, value: float) -> float:
        return self.peak / (1 + math.exp(-self.slope * (value - self.centre)))


STRENGTH, DIRECTION = Sigmoid(0.9994, 15, 0.5), Sigmoid(0.9879, 22, 0.8)


@shared
def xydeas_petrovic(a, b, fused):
    """Return Q^AB/F of Xydeas and Petrovic, (N, H, W) each -> (2, N): ties by common code, and by the paper."""
    kept = torch.zeros(2, len(fused), dtype=torch.float64, device=fused.device)
    weights = torch.zeros_like(kept[0])
    for strength, angle in _sobel_strips(a, b, fused):
        for source in (0, 1):
            tied = strength[source] == strength[2]
            ratio = _ratio(strength[source], strength[2])
            quality = STRENGTH(torch.where(tied, strength[2], ratio))
            direction = DIRECTION(angle[source].sub_(angle[2]).abs_().mul_(-2 / math.pi).add_(1)).mul_(strength[source])
            kept[0] += (quality * direction).sum(dim=(1, 2))
            kept[1] += quality.masked_fill_(tied, STRENGTH.at(1)).mul_(direction).sum(dim=(1, 2))
            weights += strength[source].sum(dim=(1, 2))
    return kept / weights


def _sobel_strips(a, b, fused):
    """Yield strips of the gradients of A, B and F, zero border: strength and angle, (3, N, h, W) each."""
    padded = [torch.nn.functional.pad(images, (1, 1, 1, 1)) for images in (a, b, fused)]
    for rows in window_strips(padded[0].shape[1], padded[0].shape[2], 3):
        horizontal, vertical = sobel(torch.stack([images[:, rows] for images in padded]))
        strength = (horizontal * horizontal).addcmul_(vertical, vertical).sqrt_()
        # Upright edges have +90 degrees, whatever the sign of x / 0; pixels without a gradient too.
        upright = horizontal == 0
        yield strength, vertical.div_(horizontal.neg_()).atan_().masked_fill_(upright, math.pi / 2)


def _ratio(first, second):
    """Return min / max of two strengths, 0 / 0 = nan."""
    return torch.minimum(first, second).div_(torch.maximum(first, second))


_FORMULA = "sum(Q_A g_A + Q_B g_B) / sum(g_A + g_B), Q = .9994/(1+e^(-15(G-.5))) .9879/(1+e^(-22(D-.8)))"
_SOURCE = "Xydeas, Petrovic, Electronics Letters 36(4), 2000"
_FLAT = "neither source has a gradient"


@metric(name="Qabf", title="edge preservation Q^AB/F", direction="up", low=0, high=1, needs="sources",
        formula=_FORMULA, source=_SOURCE,
        variant="as nearly all code: where the strengths g_S and g_F are equal, G = g_F (the paper has 1: Qabf_tie1); Sobel "
                "with zero border, angles in (-90, 90] not wrapped; a perfect copy scores 0.975",
        undefined=_FLAT, aliases=("QAB/F",))
def edge_preservation(a, b, fused):
    return xydeas_petrovic(a, b, fused)[0]
