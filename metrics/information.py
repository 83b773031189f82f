"""Metrics of information theory: how much the gray levels say, and how much of it they share with the sources."""

from __future__ import annotations

import math

from metrics.histograms import entropy, histogram, joint_histogram, marginals
from metrics.registry import metric
from metrics.shared import shared
from util.lazy import torch


@shared
def mutual_information(first, second):
    """Return I(X;Y) = H(X) + H(Y) - H(X,Y) in bits, (N, H, W) levels each -> (N,), never below 0."""
    joint = joint_histogram(first, second)
    of_first, of_second = map(entropy, marginals(joint))
    return (of_first + of_second - entropy(joint)).clamp(min=0)


@metric(name="EN", title="entropy", direction="up", low=0, high=8, unit="bit", needs="fused",
        formula="H(F) = -sum p(k) log2 p(k) over the 256 gray levels",
        source="Shannon, 1948; for fusion: Roberts et al., Journal of Applied Remote Sensing 2, 2008",
        variant="256 bins of unit width, bits",
        aliases=("Entropy",))
def fused_entropy(fused):
    return entropy(histogram(fused))


@metric(name="MI", title="mutual information with the sources", direction="up", low=0, high=16, unit="bit",
        needs="sources", formula="I(A;F) + I(B;F), I(X;Y) = H(X) + H(Y) - H(X,Y)",
        source="Qu, Zhang, Yan, Electronics Letters 38(7), 2002",
        variant="sum over both sources in bits (natural logarithms give 0.693 of it), 256x256 joint histogram")
def shared_information(a, b, fused):
    return mutual_information(a, fused) + mutual_information(b, fused)


@metric(name="Q_MI", title="normalised mutual information", direction="up", low=0, high=2, needs="sources",
        formula="2 [I(A;F) / (H(A) + H(F)) + I(B;F) / (H(B) + H(F))]",
        source="Hossny, Nahavandi, Creighton, Electronics Letters 44(18), 2008",
        variant="each source normalised by its own pair of entropies; two flat images share nothing: 0/0 counts 0",
        aliases=("NMI",))
def normalised_mutual_information(a, b, fused):
    total = 0
    for source in (a, b):
        both = entropy(histogram(source)) + entropy(histogram(fused))
        share = mutual_information(source, fused) / both
        total = total + torch.where(both > 0, (2 * share).clamp(max=1), 0)
    return total


@metric(name="CE", title="cross entropy", direction="down", low=-1 / (math.e * math.log(2)), high=math.inf, unit="bit",
        needs="sources",
        formula="mean over S = A, B of sum p_S(k) log2(p_S(k) / p_F(k)) over levels k that both S and F have",
        source="Bulanon, Burks, Alchanatis, Biosystems Engineering 103(1), 2009; as VIFB computes it",
        variant="the mean of both sources (not the root mean square); levels that one image lacks are left out, so "
                "that a fused image with few levels may score too well, even below 0",
        aliases=("CrossEntropy",))
def cross_entropy(a, b, fused):
    return (divergence(a, fused) + divergence(b, fused)) / 2


def divergence(source, fused):
    """Return sum p_S log2(p_S / p_F) over the levels that both images have, 2 x (N, H, W) -> (N,), in bits."""
    of_source, of_fused = histogram(source), histogram(fused)
    ratio = torch.where((of_source > 0) & (of_fused > 0), of_source / of_fused, 1)
    return (of_source * ratio.log2()).sum(dim=1) / of_source.sum(dim=1)


@metric(name="Q_NCIE", title="nonlinear correlation information entropy", direction="up", low=1 - math.log(3, 256),
        high=1, needs="sources",
        formula="1 + sum_i (l_i/3) log256(l_i/3), l_i the eigenvalues of [[1, AB, AF], [AB, 1, BF], [AF, BF, 1]] with "
                "XY = I(X;Y) / 8 bit",
        source="Wang, Shen, Jin, in: Stathaki (ed.), Image Fusion: Algorithms and Applications, 2008",
        variant="I(X;Y) of the 256x256 histogram, without ranks; values lie between 0.80 and 0.95: compare four digits")
def nonlinear_correlation(a, b, fused):
    matrix = torch.ones(len(fused), 3, 3, dtype=torch.float64, device=fused.device)
    for row, column, pair in ((0, 1, (a, b)), (0, 2, (a, fused)), (1, 2, (b, fused))):
        matrix[:, row, column] = matrix[:, column, row] = mutual_information(*pair) / 8
    shares = torch.linalg.eigvalsh(matrix).clamp(min=0) / 3
    result = 1 + torch.special.xlogy(shares, shares).sum(dim=1) / math.log(256)
    return result.clamp(1 - math.log(3, 256), 1)
