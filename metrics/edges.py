"""Metrics of edges: how much of the sources' gradients, their strength and direction, the fused image keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from metrics.filters import sobel, window_strips
from metrics.registry import metric
from metrics.shared import row_strips, shared
from util.lazy import torch

TINY = 1e-300  # keeps 0 / 0 from being nan, and is below every other strength
GUARD = 1e-5  # gray levels: what stands for 0 where Q_G divides


@dataclass(frozen=True)
class Sigmoid:
    """peak / (1 + exp(-slope (x - centre))): how much of an edge is seen to be kept."""

    peak: float
    slope: float
    centre: float

    def divisor(self, values):
        """Return 1 + exp(-slope (x - centre)) of each value, which is overwritten: tensor -> the same tensor."""
        return values.mul_(-self.slope).add_(self.slope * self.centre).exp_().add_(1)

    def divisor_at(self, value: float) -> float:
        return 1 + math.exp(-self.slope * (value - self.centre))


STRENGTH, DIRECTION = Sigmoid(0.9994, 15, 0.5), Sigmoid(0.9879, 22, 0.8)  # of Xydeas and Petrovic
TOOLBOX_STRENGTH, TOOLBOX_DIRECTION = Sigmoid(1, 10, 0.5), Sigmoid(1, 20, 0.75)  # of Liu et al.


def sobel_strips(a, b, fused, mode: str):
    """Yield strips of the Sobel responses of A, B and F, (N, H, W) each -> horizontal, vertical, (3, N, h, W) each.

    ``mode`` is the border, as torch.nn.functional.pad has it.
    """
    padded = [torch.nn.functional.pad(images, (1, 1, 1, 1), mode=mode) for images in (a, b, fused)]
    for rows in window_strips(padded[0].shape[1], padded[0].shape[2], 3):
        yield sobel(torch.stack([images[:, rows] for images in padded]))


def length(horizontal, vertical):
    return (horizontal * horizontal).addcmul_(vertical, vertical).sqrt_()


def ratio(first, second):
    """Return the smaller over the larger of two strengths, 0 where both are 0."""
    return torch.minimum(first, second).div_(torch.maximum(first, second).clamp_(min=TINY))


def wrapped_agreement(difference):
    """Return 1 for parallel and 0 for perpendicular directions, from a difference of angles, which is overwritten."""
    return difference.abs_().sub_(math.pi / 2).abs_().mul_(2 / math.pi)


def unwrapped_agreement(difference):
    """Return 1 for equal angles and less with their difference, -1 at most; the difference is overwritten."""
    return difference.abs_().mul_(-2 / math.pi).add_(1)


@shared
def xydeas_petrovic(a, b, fused):
    """Return Q^AB/F, (N, H, W) each -> float64 (2, N): with ties as common code has them, and as the paper."""
    kept = torch.zeros(2, len(fused), dtype=torch.float64, device=fused.device)
    weights = torch.zeros_like(kept[0])
    for horizontal, vertical in sobel_strips(a, b, fused, "constant"):
        strength = length(horizontal, vertical)
        # Upright edges have +90 degrees, whatever the sign of x / 0; pixels without a gradient too. As the angles are
        # not wrapped, it matters that positive ones rise to the right.
        upright = horizontal == 0
        angle = vertical.div_(horizontal.neg_()).atan_().masked_fill_(upright, math.pi / 2)
        for source in (0, 1):
            tied = strength[source] == strength[2]
            directed = strength[source] / DIRECTION.divisor(unwrapped_agreement(angle[source] - angle[2]))
            divisor = STRENGTH.divisor(torch.where(tied, strength[2], ratio(strength[source], strength[2])))
            kept[0] += (directed / divisor).sum(dim=(1, 2))
            divisor.masked_fill_(tied, STRENGTH.divisor_at(1))
            kept[1] += (directed / divisor).sum(dim=(1, 2))
            weights += strength[source].sum(dim=(1, 2))
    return STRENGTH.peak * DIRECTION.peak * kept / weights


@shared
def toolbox_preservation(a, b, fused):
    """Return the Q_G of Liu's toolbox, (N, H, W) each -> float64 (2, N): angles wrapped, and not wrapped."""
    total = torch.zeros(2, len(fused), dtype=torch.float64, device=fused.device)
    for horizontal, vertical in sobel_strips(a, b, fused, "constant"):
        strength = length(horizontal, vertical)
        lost = (strength[2] == 0) & (strength[0] > 0)
        angle = vertical.div_(horizontal.masked_fill_(horizontal == 0, GUARD)).atan_()
        strength.masked_fill_(strength == 0, GUARD)
        kept = 0
        for source in (0, 1):
            kept_strength = ratio(strength[source], strength[2])
            if source == 0:
                kept_strength.masked_fill_(lost, 0)  # the toolbox sets the guard of F only after it has judged A
            weight = strength[source] / TOOLBOX_STRENGTH.divisor(kept_strength)
            difference = angle[source] - angle[2]
            agreements = torch.stack((wrapped_agreement(difference.clone()), unwrapped_agreement(difference)))
            kept = kept + weight / TOOLBOX_DIRECTION.divisor(agreements)
        total += (kept / (strength[0] + strength[1])).sum(dim=(2, 3))
    return total / fused[0].numel()


def step_strips(a, b, fused):
    """Yield the differences of neighbours in A, B and F, (3, N, h, W), by strip and direction, each with its weight."""
    height, width = fused.shape[1:]
    for start, stop in row_strips(height, width):
        rows = torch.stack([images[:, start:stop + 1] for images in (a, b, fused)])
        upper, lower, own = rows[..., :-1, :], rows[..., 1:, :], rows[..., :stop - start, :]
        yield own[..., 1:] - own[..., :-1], 1.0
        yield lower - upper, 1.0
        yield lower[..., 1:] - upper[..., :-1], math.sqrt(0.5)
        yield lower[..., :-1] - upper[..., 1:], math.sqrt(0.5)


_SOURCE = "Xydeas, Petrovic, Electronics Letters 36(4), 2000"
_FORMULA = "sum(Q_A g_A + Q_B g_B) / sum(g_A + g_B), Q = .9994/(1+e^(-15(G-.5))) .9879/(1+e^(-22(D-.8)))"
_BORDER = "Sobel with zero border, angles in (-90, 90] not wrapped"
_FLAT = "A and B are black: neither has a gradient"


@metric(name="Qabf", title="edge preservation Q^AB/F", direction="up", low=0, high=1, needs="sources",
        formula=_FORMULA, source=_SOURCE,
        variant="where the strengths g_S and g_F are equal, G = g_F as in nearly all code (in the paper 1: Qabf_tie1); "
                f"{_BORDER}; a perfect copy scores 0.975",
        undefined=_FLAT)
def edge_preservation(a, b, fused):
    return xydeas_petrovic(a, b, fused)[0]


@metric(name="Qabf_tie1", title="edge preservation Q^AB/F, ties as in the paper", direction="up", low=0, high=1,
        needs="sources", formula=_FORMULA, source=_SOURCE,
        variant=f"the paper's rule: G = 1 where the strengths g_S and g_F are equal; {_BORDER}; differs from Qabf by "
                "less than 0.001; a perfect copy scores 0.975",
        undefined=_FLAT)
def edge_preservation_of_paper(a, b, fused):
    return xydeas_petrovic(a, b, fused)[1]


_TOOLBOX = "Liu, Blasch, Xue, Zhao, Laganiere, Wu, IEEE Trans. PAMI 34(1), 2012, and its toolbox"
_TOOLBOX_FORMULA = ("mean of (Q_A g_A + Q_B g_B) / (g_A + g_B), Q = 1/(1+e^(-10(G-.5))) 1/(1+e^(-20(D-.75)))")
_GUARDS = "mean of ratios (not ratio of sums), 0 replaced by 1e-5, zero border; a perfect copy scores 0.987"


@metric(name="Q_G", title="gradient preservation of Liu's toolbox", direction="up", low=0, high=1, needs="sources",
        formula=_TOOLBOX_FORMULA, source=_TOOLBOX,
        variant=f"angles wrapped: -90 and 90 degrees agree; {_GUARDS}; many papers after 2020 call Qabf so")
def gradient_preservation(a, b, fused):
    return toolbox_preservation(a, b, fused)[0]


@metric(name="Q_G_nowrap", title="gradient preservation of Liu's toolbox, angles not wrapped", direction="up", low=0,
        high=1, needs="sources", formula=_TOOLBOX_FORMULA, source=_TOOLBOX,
        variant="the toolbox's constants with the angles of Qabf, D = 1 - |difference| / 90 degrees: a mixture that no "
                f"paper defines; {_GUARDS}",
        compat=True)
def gradient_preservation_unwrapped(a, b, fused):
    return toolbox_preservation(a, b, fused)[1]


@metric(name="Q_SF", title="ratio of spatial frequency error", direction="zero", low=-1, high=math.inf,
        needs="sources",
        formula="(SF_F - SF_R) / SF_R, SF of 4 directions (diagonals weigh 1/sqrt 2), R: the larger of |dA| and |dB|",
        source="Zheng, Essock, Hansen, Haun, Information Fusion 8(2), 2007",
        variant="negative: details are lost; positive: noise or artefacts",
        undefined="A and B are flat")
def spatial_frequency_error(a, b, fused):
    energies = torch.zeros(2, len(fused), dtype=torch.float64, device=fused.device)
    for steps, weight in step_strips(a, b, fused):
        sizes = steps.abs_()
        reference = torch.maximum(sizes[0], sizes[1])
        energies += weight * torch.stack((reference, sizes[2])).square_().sum(dim=(2, 3))
    reference, own = energies.sqrt()
    return ((own - reference) / reference).masked_fill(reference == 0, math.nan)
