"""Metrics of linear correlation between the fused image and its sources."""

from __future__ import annotations

import math

from metrics.histograms import covariance, differences, joint_histogram, marginals, mean_over_pixels, variance
from metrics.registry import metric
from util.lazy import torch


def pearson(covariances, first_variance, second_variance):
    """Return the correlation coefficient (N,) in [-1, 1]; nan where a variance is 0."""
    scale = (first_variance * second_variance).sqrt()
    return torch.where(scale > 0, covariances / scale, math.nan).clamp(-1, 1)


@metric(name="CC", title="correlation coefficient with the sources", direction="up", low=-1, high=1, needs="sources",
        formula="[r(A,F) + r(B,F)] / 2, r Pearson's correlation",
        source="Pearson; for fusion: Ma, Ma, Li, Information Fusion 45, 2019 (survey)",
        variant="mean of both sources, computed on signed numbers",
        undefined="A, B or F is flat")
def correlation(a, b, fused):
    total = 0
    for source in (a, b):
        joint = joint_histogram(source, fused)
        total = total + pearson(covariance(joint), *map(variance, marginals(joint)))
    return total / 2


@metric(name="SCD", title="sum of the correlations of differences", direction="up", low=-2, high=2, needs="sources",
        formula="r(F - B, A) + r(F - A, B), r Pearson's correlation",
        source="Aslantas, Bendes, AEU International Journal of Electronics and Communications 69(12), 2015",
        variant="signed differences (8-bit arithmetic, which cuts them at 0, moves it by up to 0.5: SCD_uint8)",
        undefined="a source is flat, or F differs from a source by a constant")
def correlations_of_differences(a, b, fused):
    # cov(F - B, A) = cov(F, A) - cov(B, A): the joint histograms of the three pairs tell all.
    between = covariance(joint_histogram(a, b))
    total = 0
    for source, other in ((a, b), (b, a)):
        joint = joint_histogram(source, fused)
        spread = variance_of_difference(joint_histogram(other, fused))
        total = total + pearson(covariance(joint) - between, variance(marginals(joint)[0]), spread)
    return total


def variance_of_difference(joint):
    """Return the population variance of the second image less the first: (N, 256, 256) -> (N,)."""
    difference = differences(joint)
    return mean_over_pixels(joint, (difference - mean_over_pixels(joint, difference)[:, None, None]).square())
