"""Kernels and the three ways to join a blurred and a sharp side."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from data.synthesis.blur import blur, defocus_background, defocus_foreground, join_feathered, join_hard, make_disk

KERNELS = ("gaussian", "disk")


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray]:
    """A textured picture, float32 (64, 72, 3) in [0, 255], and a foreground (a rectangle in its middle)."""
    image = np.random.default_rng(0).uniform(0, 255, (64, 72, 3)).astype(np.float32)
    foreground = np.zeros((64, 72), dtype=bool)
    foreground[20:44, 24:50] = True
    return image, foreground


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("sigma", [1.0, 2.5, 6.0])
def test_both_kernels_have_the_standard_deviation_that_was_asked_for(kernel, sigma):
    point = np.zeros((81, 81), np.float32)
    point[40, 40] = 1
    spread = blur(point, kernel, sigma)
    offsets = np.arange(81) - 40
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    # The grid adds a pixel's own variance, about 1/12, to the disk.
    grid = 1 / 12 if kernel == "disk" else 0
    assert np.sqrt((spread.sum(axis=0) * offsets**2).sum()) == pytest.approx(np.sqrt(sigma**2 + grid), rel=0.03)


def test_a_disk_is_flat_inside_and_empty_outside():
    disk = make_disk(5.0)
    rows, columns = np.indices(disk.shape) - disk.shape[0] // 2
    distance = np.hypot(rows, columns)
    assert np.ptp(disk[distance < 4.2]) < 1e-7
    assert not disk[distance > 5.8].any()
    assert disk.max() == pytest.approx(1 / (np.pi * 25), rel=0.02)


def test_gaussian_blur_is_that_of_scipy(scene):
    image, _ = scene
    expected = np.stack(
        [ndimage.gaussian_filter(image[..., channel], 3.0, mode="mirror") for channel in range(3)], axis=-1
    )
    assert np.abs(blur(image, "gaussian", 3.0) - expected).max() < 0.1


@pytest.mark.parametrize("kernel", KERNELS)
def test_hard_sides_are_complementary(scene, kernel):
    image, mask = scene
    a, b = join_hard(image, mask, kernel, 3.0), join_hard(image, ~mask, kernel, 4.0)
    assert np.array_equal((a != image).any(axis=2), mask)
    assert np.array_equal((b != image).any(axis=2), ~mask)


def test_feathered_sides_share_each_pixel_between_them(scene):
    image, mask = scene
    a, b = (join_feathered(image, side, "gaussian", 3.0, 2.0) for side in (mask, ~mask))
    assert np.abs(a + b - image - blur(image, "gaussian", 3.0)).max() < 1e-2
    assert np.abs(a[32, 36] - blur(image, "gaussian", 3.0)[32, 36]).max() < 1e-2  # deep inside
    assert np.array_equal(a[2, 2], image[2, 2])  # far outside


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_near_thing_out_of_focus_spreads_over_the_sharp_far_side(kernel):
    image = np.zeros((40, 60, 3), np.float32)
    foreground = np.zeros((40, 60), dtype=bool)
    foreground[:, :30] = True
    image[foreground] = 200
    result = defocus_foreground(image, foreground, kernel, 3.0)[20, :, 0]
    assert 60 < result[30] < 100  # nearly half of its light at the first pixel beyond the border
    assert np.all(np.diff(result[20:40]) <= 1e-3)  # and ever less farther out: no seam at the border
    assert result[50] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_sharp_near_thing_gives_the_blurred_far_side_no_colour(kernel, scene):
    _, foreground = scene
    image = np.where(foreground[..., None], np.float32(255), np.float32(40)).repeat(3, axis=2)
    result = defocus_background(image, foreground, kernel, 5.0)
    assert np.array_equal(result[foreground], image[foreground])
    assert np.abs(result[~foreground] - 40).max() < 0.05


@pytest.mark.parametrize("kernel", KERNELS)
def test_layers_keep_a_plain_picture_plain(kernel, scene):
    _, foreground = scene
    plain = np.full((64, 72, 3), 120, np.float32)
    for defocus in (defocus_foreground, defocus_background):
        assert np.abs(defocus(plain, foreground, kernel, 4.0) - 120).max() < 0.05
