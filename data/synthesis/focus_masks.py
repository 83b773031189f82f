"""Which regions of a picture are out of focus: seeded random subsets whose two sides both have a fair share of it."""

from __future__ import annotations

import numpy as np

MIN_SHARE = 0.15  # of the picture's area, for the smaller side
TRIES = 12


class NoSplitError(Exception):
    """The regions of a picture cannot be put on two sides; the text says why and is what gets counted."""


FEW_REGIONS = "fewer than two regions"
ONE_SIDED = f"no split in which the smaller side has {MIN_SHARE:.0%} of the picture"


def draw_focus_mask(labels: np.ndarray, rng: np.random.Generator, min_share: float = MIN_SHARE) -> np.ndarray:
    """Draw the side that image A has out of focus (image B has the other one): a random subset of the regions.

    Half of the draws collect regions that touch each other, as things at one distance do, the other half collect them
    anywhere, as the published rule does.

    Args:
        labels: int (H, W), equal numbers are one region.
        rng: the only source of randomness.
        min_share: least share of the area, in (0, 0.5), for either side.

    Returns:
        bool (H, W), True on the side's pixels; its area and the rest's are both at least ``min_share``.

    Raises:
        NoSplitError: there are fewer than two regions, or no draw reached ``min_share``.
    """
    _, regions, areas = np.unique(labels, return_inverse=True, return_counts=True)
    if len(areas) < 2:
        raise NoSplitError(FEW_REGIONS)
    regions = regions.reshape(labels.shape)
    shares = areas / labels.size
    touching = find_neighbours(regions, len(areas)) if rng.random() < 0.5 else None
    for _ in range(TRIES):
        order = rng.permutation(len(areas)) if touching is None else _grow(touching, rng)
        covered = np.cumsum(shares[order])[:-1]
        count = 1 + int(np.argmin(np.abs(covered - rng.uniform(0.3, 0.7))))
        if min_share <= covered[count - 1] <= 1 - min_share:
            chosen = np.zeros(len(areas), dtype=bool)
            chosen[order[:count]] = True
            return chosen[regions]
    raise NoSplitError(ONE_SIDED)


def find_neighbours(regions: np.ndarray, count: int) -> np.ndarray:
    """Return which of ``count`` regions (int (H, W), numbered from 0) share a pixel edge: bool (count, count)."""
    touching = np.zeros((count, count), dtype=bool)
    touching[regions[:, :-1], regions[:, 1:]] = True
    touching[regions[:-1], regions[1:]] = True
    touching |= touching.T
    np.fill_diagonal(touching, False)
    return touching


def _grow(touching: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Order all regions so that each one touches an earlier one (a label map's regions always hang together)."""
    order = [int(rng.integers(len(touching)))]
    seen = np.zeros(len(touching), dtype=bool)
    seen[order[0]] = True
    frontier = touching[order[0]].copy()
    while len(order) < len(touching):
        candidates = np.flatnonzero(frontier & ~seen)
        region = int(rng.choice(candidates))
        order.append(region)
        seen[region] = True
        frontier |= touching[region]
    return np.array(order)
