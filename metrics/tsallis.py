"""Metrics of Tsallis entropy, mutual information of another order q: by the formula, and as circulating code has it."""

from __future__ import annotations

import math

from metrics.histograms import entropy, histogram, joint_histogram, levels_of, marginals
from metrics.registry import metric
from util.lazy import torch

NAVA, CVEJIC = 0.43137, 1.85  # the orders q of the two papers


def tsallis_entropy(counts, order: float):
    """Return H_q = (1 - sum p^q) / (q - 1) of each histogram: (N, 256) -> (N,)."""
    probability = counts / counts.sum(dim=1, keepdim=True)
    return (1 - (probability**order).sum(dim=1)) / (order - 1)


def tsallis_information(first, second, order: float):
    """Return I_q = [1 - sum p_xy^q / (p_x p_y)^(q-1)] / (1 - q) of two images: 2 x (N, H, W) -> (N,), never below 0."""
    joint = joint_histogram(first, second)
    return _information(joint, *marginals(joint), order).clamp(min=0)


def _information(joint, of_first, of_second, order: float):
    # p_xy^q (p_x p_y)^(1-q): the one power over all cells is that of the joint counts.
    pixels = joint.sum(dim=(1, 2))
    first, second = ((torch.where(counts > 0, counts, 1) ** (1 - order)).mul_(counts > 0)
                     for counts in (of_first, of_second))
    total = torch.einsum("nij,ni,nj->n", joint**order, first, second) * pixels ** (order - 2)
    return (1 - total) / (1 - order) + 0.0  # never -0.0


@metric(name="Q_TE", title="Tsallis mutual information of Nava", direction="up", low=0, high=math.inf, needs="sources",
        formula="[I_q(A,F) + I_q(B,F)] / [H_q(A) + H_q(B) - I_q(A,B)], q = 0.43137, "
                "I_q = [1 - sum p_xy^q / (p_x p_y)^(q-1)] / (1-q)",
        source="Nava, Cristobal, Escalante-Ramirez, SPIE Newsroom, 2007",
        variant="the formula; code in circulation gives numbers of another size (Q_TE_compat)",
        undefined="both sources are flat")
def nava(a, b, fused):
    above = tsallis_information(a, fused, NAVA) + tsallis_information(b, fused, NAVA)
    below = tsallis_entropy(histogram(a), NAVA) + tsallis_entropy(histogram(b), NAVA) - tsallis_information(a, b, NAVA)
    return torch.where(below > 0, above / below, math.nan)


@metric(name="Q_TE_cvejic", title="Tsallis mutual information of Cvejic", direction="up", low=0, high=260,
        needs="sources",
        formula="I_q(A,F) + I_q(B,F), I_q = [1 - sum p_xy^q / (p_x p_y)^(q-1)] / (1-q), q = 1.85",
        source="Cvejic, Canagarajah, Bull, Electronics Letters 42(11), 2006",
        variant="the formula; code in circulation gives numbers a hundred times as large (Q_TE_cvejic_compat)")
def cvejic(a, b, fused):
    return tsallis_information(a, fused, CVEJIC) + tsallis_information(b, fused, CVEJIC)


def _transposed_information(first, second, order: float):
    """Return I_q with each joint cell (i, j) divided by p_y(i) p_x(j) instead of p_x(i) p_y(j), of stretched levels.

    Cells whose wrong marginals are 0 are left out, as the code does.
    """
    joint = joint_histogram(first, second)
    of_first, of_second = marginals(joint)
    stretched_first, stretched_second = _stretched_levels(of_first), _stretched_levels(of_second)
    # The histogram of one image, read at the stretched levels of the other.
    wrong_first = torch.zeros_like(of_second).scatter_add_(1, stretched_second, of_second).gather(1, stretched_first)
    wrong_second = torch.zeros_like(of_first).scatter_add_(1, stretched_first, of_first).gather(1, stretched_second)
    return _information(joint, wrong_first, wrong_second, order)


def _stretched_levels(counts):
    """Return where each level goes when the image is stretched to 0..255 and rounded: (N, 256) int64."""
    levels = levels_of(counts).expand_as(counts)
    low = torch.where(counts > 0, levels, math.inf).amin(dim=1, keepdim=True)
    high = torch.where(counts > 0, levels, -math.inf).amax(dim=1, keepdim=True)
    stretched = ((levels - low) / (high - low).clamp(min=1) * 255 + 0.5).floor()
    return stretched.clamp(0, 255).long()


@metric(name="Q_TE_compat", title="Tsallis mutual information of Nava, as computed by Liu's toolbox", direction="up",
        low=-math.inf, high=math.inf, needs="sources",
        formula="[I(A,F) + I(B,F)] / [H(A)^q + H(B)^q + I(A,B)], I = [1 - sum p_xy(i,j)^q / (p_y(i) p_x(j))^(q-1)] / "
                "(1-q), q = 0.43137",
        source="code of Liu et al., IEEE Trans. PAMI 34(1), 2012",
        variant="three deviations from the paper: marginals in the wrong order, Shannon's entropies to the power of q, "
                "and I(A,B) added; the images are stretched to 0..255 before",
        undefined="both sources are flat", compat=True)
def nava_compat(a, b, fused):
    below = entropy(histogram(a)) ** NAVA + entropy(histogram(b)) ** NAVA + _transposed_information(a, b, NAVA)
    above = _transposed_information(a, fused, NAVA) + _transposed_information(b, fused, NAVA)
    return above / below


@metric(name="Q_TE_cvejic_compat", title="Tsallis mutual information of Cvejic, as computed by Liu's toolbox and MEFB",
        direction="up", low=-math.inf, high=math.inf, needs="sources",
        formula="I(A,F) + I(B,F), I = [1 - sum p_xy(i,j)^q / (p_y(i) p_x(j))^(q-1)] / (1-q), q = 1.85",
        source="code of Liu et al., IEEE Trans. PAMI 34(1), 2012",
        variant="the marginals in the wrong order; the images are stretched to 0..255 before; MEFB calls it TE",
        compat=True)
def cvejic_compat(a, b, fused):
    return _transposed_information(a, fused, CVEJIC) + _transposed_information(b, fused, CVEJIC)
