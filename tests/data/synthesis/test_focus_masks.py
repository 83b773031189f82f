"""Drawing the side that is out of focus."""

from __future__ import annotations

import numpy as np
import pytest

from data.synthesis.focus_masks import FEW_REGIONS, ONE_SIDED, NoSplitError, draw_focus_mask, find_neighbours


def stripes(widths: list[int], height: int = 20) -> np.ndarray:
    return np.repeat(np.arange(len(widths)) * 7 + 3, widths)[None].repeat(height, axis=0)


@pytest.mark.parametrize("seed", range(20))
def test_a_mask_is_a_union_of_whole_regions_and_neither_side_is_a_sliver(seed):
    labels = np.random.default_rng(seed).integers(0, 9, (6, 8)).repeat(8, axis=0).repeat(8, axis=1)
    mask = draw_focus_mask(labels, np.random.default_rng(seed))
    for region in np.unique(labels):
        assert len(np.unique(mask[labels == region])) == 1
    assert 0.15 <= mask.mean() <= 0.85


def test_a_generator_decides_the_mask_and_seeds_differ():
    labels = np.arange(64).reshape(8, 8).repeat(4, axis=0).repeat(4, axis=1)
    first, again, other = (draw_focus_mask(labels, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_one_region_is_refused():
    with pytest.raises(NoSplitError, match=FEW_REGIONS):
        draw_focus_mask(np.full((10, 10), 5), np.random.default_rng(0))


def test_a_sliver_beside_one_large_region_is_refused():
    with pytest.raises(NoSplitError, match="15%") as caught:
        draw_focus_mask(stripes([95, 5]), np.random.default_rng(0))
    assert str(caught.value) == ONE_SIDED


def test_neighbours_share_a_pixel_edge():
    regions = np.array([[0, 1], [2, 3]])
    expected = np.array([[0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]], dtype=bool)
    assert np.array_equal(find_neighbours(regions, 4), expected)


def test_some_draws_hang_together_and_some_do_not():
    """In a row of stripes a side that hangs together has at most two borders."""
    labels = stripes([5] * 20)
    borders = [
        int(np.abs(np.diff(draw_focus_mask(labels, np.random.default_rng(seed))[0].astype(int))).sum())
        for seed in range(40)
    ]
    assert sum(count <= 2 for count in borders) >= 10
    assert sum(count > 4 for count in borders) >= 10
