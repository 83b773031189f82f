"""What becomes of the sources' gradients: kept (Q), lost (L), or joined by artefacts (N), a split by Petrovic."""

from __future__ import annotations

import math

from metrics.edges import Sigmoid, length, ratio, sobel_strips, wrapped_agreement
from metrics.registry import metric
from metrics.shared import shared
from util.lazy import torch

STRENGTH, DIRECTION = Sigmoid(0.9999, 19, 0.5), Sigmoid(0.9995, 22, 0.5)
THRESHOLD, FAINT = 2.0, 0.001  # gray levels: below the threshold a gradient's weight is that of a faint one


@shared
def split_gradients(a, b, fused):
    """Return Q, L and N (Kumar's), and N by Petrovic: (N, H, W) each, both sides at least 2 -> float64 (4, N)."""
    sums = torch.zeros(4, len(fused), dtype=torch.float64, device=fused.device)
    weights = torch.zeros_like(sums[0])
    for horizontal, vertical in sobel_strips(a, b, fused, "reflect"):
        strength = length(horizontal, vertical).div_(8)
        angle = horizontal.div_(vertical).atan_().nan_to_num_(nan=0.0)
        weight = torch.where(strength[:2] < THRESHOLD, FAINT, strength[:2] * strength[:2].sqrt())
        divisor = STRENGTH.divisor(ratio(strength[:2], strength[2]))
        divisor.mul_(DIRECTION.divisor(wrapped_agreement(angle[:2] - angle[2])))
        quality = divisor.rsqrt_().mul_(math.sqrt(STRENGTH.peak * DIRECTION.peak))
        joined = strength[2] > torch.maximum(strength[0], strength[1])
        kept = (quality * weight).sum(dim=0)
        weight_of_both = weight[0] + weight[1]
        missing = weight_of_both - kept
        artefacts = missing * joined
        artefacts_of_paper = (2 - quality[0] - quality[1]).mul_(weight_of_both).mul_(joined)
        maps = (kept, missing - artefacts, artefacts, artefacts_of_paper)
        sums += torch.stack([values.sum(dim=(1, 2)) for values in maps])
        weights += weight_of_both.sum(dim=(1, 2))
    return sums / weights


_KUMAR = "Shreyamsha Kumar, Signal, Image and Video Processing 7(6), 2013"
_PETROVIC = "Petrovic, Xydeas, IEEE International Conference on Computer Vision, 2005"
_Q = "Q = sqrt(.9999/(1+e^(-19(G-.5))) .9995/(1+e^(-22(D-.5))))"
_WEIGHTS = "w = g^1.5, .001 where g < 2; Sobel / 8, mirror border, angles wrapped, levels 0..255"


@metric(name="Qabf_petrovic", title="gradient information kept, Q^AB/F of Petrovic", direction="up", low=0, high=1,
        needs="sources",
        formula=f"sum(Q_A w_A + Q_B w_B) / sum(w_A + w_B), {_Q}",
        source=_PETROVIC,
        variant=f"not Qabf: other constants, with which Q + L + N = 1; {_WEIGHTS}", smallest=2)
def gradients_kept(a, b, fused):
    return split_gradients(a, b, fused)[0]


@metric(name="Labf", title="gradient information lost, L^AB/F", direction="down", low=0, high=1, needs="sources",
        formula=f"sum((1-Q_A) w_A + (1-Q_B) w_B where g_F <= g_A or g_F <= g_B) / sum(w_A + w_B), {_Q}",
        source=_PETROVIC,
        variant=_WEIGHTS, smallest=2)
def gradients_lost(a, b, fused):
    return split_gradients(a, b, fused)[1]


@metric(name="Nabf", title="artefacts of fusion, N^AB/F", direction="down", low=0, high=1, needs="sources",
        formula=f"sum((1-Q_A) w_A + (1-Q_B) w_B where g_F > g_A and g_F > g_B) / sum(w_A + w_B), {_Q}",
        source=_KUMAR,
        variant=f"Kumar's modified N, so that Q + L + N = 1; F is judged (common code judges A by mistake); {_WEIGHTS}",
        smallest=2)
def artefacts(a, b, fused):
    return split_gradients(a, b, fused)[2]


@metric(name="Nabf_petrovic", title="artefacts of fusion, N^AB/F of Petrovic", direction="down", low=0, high=2,
        needs="sources",
        formula=f"sum((2-Q_A-Q_B)(w_A+w_B) where g_F > g_A and g_F > g_B) / sum(w_A + w_B), {_Q}",
        source=_PETROVIC,
        variant=f"before Kumar's modification, which is Nabf; {_WEIGHTS}", smallest=2)
def artefacts_of_petrovic(a, b, fused):
    return split_gradients(a, b, fused)[3]
