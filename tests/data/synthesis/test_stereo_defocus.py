"""Defocus by depth: what is focused is sharp, what is near covers what is far, light is kept."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from data.synthesis.stereo import confusion_radius, fill_disparity, render_defocus, render_focus_pair


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray]:
    """Noise, uint8 (80, 100, 3), with a near square (disparity 40) before a slanted far wall (8 to 14)."""
    image = np.random.default_rng(1).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    disparity = np.linspace(8, 14, 100, dtype=np.float32)[None].repeat(80, axis=0)
    disparity[25:55, 30:70] = 40
    return image, disparity


def local_variance(image: np.ndarray) -> np.ndarray:
    gray = image.astype(np.float64).mean(axis=2)
    return ndimage.uniform_filter(gray**2, 5) - ndimage.uniform_filter(gray, 5) ** 2


def test_unmeasured_disparity_takes_the_farther_side():
    nan, inf = np.nan, np.inf
    rows = np.array([[5, nan, 9, 9], [inf, 7, nan, nan], [0, 3, 0, 8], [nan, nan, nan, nan]])
    expected = [[5, 5, 9, 9], [7, 7, 7, 7], [3, 3, 3, 8], [3, 3, 3, 3]]
    assert fill_disparity(rows).tolist() == expected


def test_the_radius_grows_from_the_depth_of_field_on():
    disparity = np.array([0, 8, 9, 10, 12, 13, 40], np.float32)
    assert confusion_radius(disparity, 10, 4, 0.5, 6).tolist() == [-4, 0, 0, 0, 0, 0.5, 6]


def test_near_and_far_pictures_are_sharp_where_they_are_focused(scene):
    image, disparity = scene
    near, far = render_focus_pair(image, disparity, max_radius=5)
    square = disparity == 40
    deep, away = ndimage.binary_erosion(square, iterations=12), ndimage.binary_dilation(square, iterations=12)
    assert np.array_equal(near[square], image[square].astype(np.float32))  # in focus and in front: nothing changes it
    assert np.abs(far[~away] - image[~away]).max() < 0.01
    assert local_variance(far)[deep].max() < 0.1 * local_variance(image)[deep].min()
    assert local_variance(near)[~away].mean() < 0.5 * local_variance(far)[~away].mean()


def test_a_plain_picture_stays_plain_at_any_depths():
    radius = np.random.default_rng(0).uniform(-6, 6, (8, 10)).repeat(10, axis=0).repeat(10, axis=1)
    plain = np.full((80, 100, 3), (200, 100, 50), np.uint8)
    assert np.abs(render_defocus(plain, radius) - plain).max() < 0.05


def test_a_sharp_near_thing_gives_the_blurred_far_side_no_colour(scene):
    _, disparity = scene
    square = disparity == 40
    image = np.where(square[..., None], np.uint8(255), np.uint8(30)).repeat(3, axis=2)
    near, far = render_focus_pair(image, disparity, max_radius=5)
    assert np.abs(near[~square] - 30).max() < 0.05
    spread = far[40, 60:85, 0]  # across the square's right border at column 70
    assert np.all(np.diff(spread) <= 1e-3) and 80 < spread[10] < 200


def test_the_motorcycle_of_scikit_image():
    import skimage.data

    image, _, disparity = skimage.data.stereo_motorcycle()
    near, far = render_focus_pair(image, disparity)
    filled = fill_disparity(disparity)
    nearest, farthest = filled > np.quantile(filled, 0.8), filled < np.quantile(filled, 0.2)
    for region, sharp, soft in ((nearest, near, far), (farthest, far, near)):
        assert local_variance(sharp)[region].mean() > 1.5 * local_variance(soft)[region].mean()
    best = np.minimum(np.abs(near - image).max(axis=2), np.abs(far - image).max(axis=2))
    assert (best < 1).mean() > 0.85
