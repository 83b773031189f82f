"""Counts of gray levels and of pairs of levels: all that metrics without neighbourhoods need to know of an image.

Entropies, moments, correlations and errors are sums over at most 256x256 cells, whatever the image's size. Counts are
whole numbers, so that such sums start from exact values.
"""

from __future__ import annotations

import math

from metrics.shared import shared
from util.lazy import torch

LEVELS = 256


@shared
def histogram(images):
    """Count the pixels of each level: (N, H, W) -> (N, 256) float64."""
    return _count(images, LEVELS)


@shared
def joint_histogram(first, second):
    """Count the pixels where the first image has level i and the second j: 2 x (N, H, W) -> (N, 256, 256) float64."""
    return count_pairs(first, second)


def count_pairs(first, second):
    """Do the same as ``joint_histogram`` for images that live for a moment: nothing is kept."""
    return _count(torch.add(second, first, alpha=LEVELS), LEVELS**2).unflatten(1, (LEVELS, LEVELS))


def _count(numbers, bins: int):
    bin_of = numbers.to(torch.int32).flatten(1)
    if len(numbers) > 1:  # each image has its own stretch of bins
        bin_of += torch.arange(len(numbers), dtype=torch.int32, device=numbers.device)[:, None] * bins
    return torch.bincount(bin_of.flatten(), minlength=len(numbers) * bins).to(torch.float64).view(-1, bins)


def marginals(joint):
    """Return the histograms of the first and of the second image: (N, 256, 256) -> 2 x (N, 256)."""
    return joint.sum(dim=2), joint.sum(dim=1)


def entropy(counts):
    """Return the Shannon entropy in bits of each distribution, (N, ...) counts -> (N,); between 0 and log2 of cells."""
    counts = counts.flatten(1)
    return torch.special.entr(counts / counts.sum(dim=1, keepdim=True)).sum(dim=1) / math.log(2)


def levels_of(counts):
    """Return 0..255 as a float64 tensor (256,) on the device of the counts."""
    return torch.arange(LEVELS, dtype=torch.float64, device=counts.device)


def centred_levels(counts):
    """Return each level less the image's mean level: (N, 256) -> (N, 256)."""
    levels = levels_of(counts)
    return levels - ((counts * levels).sum(dim=1) / counts.sum(dim=1))[:, None]


def variance(counts):
    """Return the population variance of the levels of each image: (N, 256) -> (N,); exactly 0 for a flat image."""
    return (counts * centred_levels(counts).square()).sum(dim=1) / counts.sum(dim=1)


def covariance(joint):
    """Return the population covariance of the two images' levels: (N, 256, 256) -> (N,)."""
    first, second = (centred_levels(counts) for counts in marginals(joint))
    return torch.einsum("nij,ni,nj->n", joint, first, second) / joint.sum(dim=(1, 2))


def differences(joint):
    """Return the level of the second image less that of the first for each cell, float64 (256, 256)."""
    levels = levels_of(joint)
    return levels - levels[:, None]


def mean_over_pixels(joint, values):
    """Average a function of both levels over the pixels: (N, 256, 256) counts, values that broadcast to it -> (N,)."""
    return (joint * values).sum(dim=(1, 2)) / joint.sum(dim=(1, 2))
