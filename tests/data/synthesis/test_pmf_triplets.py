"""One triplet: complementary sides, seeds, geometry, and the official rule re-computed by other means."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from data.synthesis.focus_masks import FEW_REGIONS, NoSplitError
from data.synthesis.pmf import MASKS, Settings, make_legacy_triplet, make_triplet, sample_labels


@pytest.fixture
def picture() -> tuple[np.ndarray, np.ndarray]:
    """A photograph of noise, uint8 (120, 160, 3), and six labelled patches."""
    rng = np.random.default_rng(3)
    return (
        rng.integers(0, 256, (120, 160, 3), dtype=np.uint8),
        np.arange(6).reshape(2, 3).repeat(60, axis=0).repeat(54, axis=1)[:, :160],
    )


@pytest.mark.parametrize("kernel", ["gaussian", "disk"])
@pytest.mark.parametrize("resize", ["crop", "squash"])
def test_hard_sides_differ_from_the_truth_on_complementary_pixels(picture, kernel, resize):
    settings = Settings(size=(64, 64), mask="hard", kernel=kernel, resize=resize)
    a, b, truth = make_triplet(*picture, settings, "noise")
    changed_a, changed_b = ((image != truth).any(axis=2) for image in (a, b))
    assert not (changed_a & changed_b).any()
    # A blurred pixel of noise may by chance keep its colour; few do.
    assert (changed_a | changed_b).mean() > 0.995
    assert 0.14 < changed_a.mean() < 0.86


@pytest.mark.parametrize("mask", MASKS)
def test_away_from_the_border_every_mask_leaves_one_image_sharp(picture, mask):
    a, b, truth = make_triplet(*picture, Settings(size=(96, 96), mask=mask, blur_sigma=(2, 2)), "noise")
    best = np.minimum(np.abs(a.astype(int) - truth).max(axis=2), np.abs(b.astype(int) - truth).max(axis=2))
    assert (best == 0).mean() > 0.4
    assert (np.abs(a.astype(int) - b).max(axis=2) > 8).mean() > 0.9


def test_seed_name_and_variant_decide_a_triplet(picture):
    settings = Settings(size=(48, 48))
    first = make_triplet(*picture, settings, "name", 1)
    assert all(
        np.array_equal(one, two) for one, two in zip(first, make_triplet(*picture, settings, "name", 1), strict=True)
    )
    for other in (
        make_triplet(*picture, settings, "name", 2),
        make_triplet(*picture, settings, "other", 1),
        make_triplet(*picture, Settings(size=(48, 48), seed=1), "name", 1),
    ):
        assert not np.array_equal(first[0], other[0])


def test_one_region_makes_no_triplet(picture):
    with pytest.raises(NoSplitError, match=FEW_REGIONS):
        make_triplet(picture[0], np.ones((120, 160), np.int32), Settings(size=(64, 64)), "flat")


def test_the_own_size_keeps_every_pixel_of_the_photograph(picture):
    _, _, truth = make_triplet(*picture, Settings(size=None), "noise")
    assert np.array_equal(truth, picture[0])


def test_a_crop_of_the_photographs_pixels_is_not_distorted():
    """A gradient with one step per pixel and axis: the two steps stay equal whatever the crop's scale is."""
    rows, columns = np.indices((200, 240))
    photo = np.stack([rows, columns, rows], axis=2).astype(np.uint8)
    labels = (columns // 12).astype(np.int32)
    for variant in range(8):
        truth = make_triplet(photo, labels, Settings(size=(80, 60), seed=2), "gradient", variant)[2].astype(float)
        down, right = np.diff(truth[..., 0], axis=0).mean(), np.diff(truth[..., 1], axis=1).mean()
        assert 1 - 1e-6 <= down <= 3.1 and down == pytest.approx(right, rel=0.05)


def test_labels_are_sampled_at_pixel_centres_and_never_mixed():
    labels = np.array([[10, 20], [30, 40]])
    sampled = sample_labels(labels, (100, 200), (0, 0, 200, 100), (8, 4))
    assert np.array_equal(sampled, labels.repeat(2, axis=0).repeat(4, axis=1))
    assert np.array_equal(sample_labels(labels, (100, 200), (100, 50, 100, 50), (3, 3)), np.full((3, 3), 40))


@pytest.mark.parametrize("name", ["100075", "12003", "24063"])
def test_the_official_rule_agrees_with_a_plain_recomputation(shared, name):
    """Spec section 1, steps 1 to 5, colour by colour in Python."""
    folder = shared / "data" / "segmentation"
    image = cv2.resize(cv2.imread(str(folder / "images" / f"{name}.jpg")), (256, 256), interpolation=cv2.INTER_LINEAR)
    labels = cv2.resize(cv2.imread(str(folder / "labels" / f"{name}.png")), (256, 256), interpolation=cv2.INTER_LINEAR)
    colours = sorted({tuple(int(value) for value in pixel) for row in labels for pixel in row})
    blurred = cv2.GaussianBlur(image, (35, 35), 0)
    expected_a, expected_b = image.copy(), image.copy()
    for index, colour in enumerate(colours):
        pixels = cv2.inRange(labels, colour, colour) > 0
        target = expected_a if index < len(colours) // 2 else expected_b
        target[pixels] = blurred[pixels]

    made = make_legacy_triplet(
        cv2.imread(str(folder / "images" / f"{name}.jpg")), cv2.imread(str(folder / "labels" / f"{name}.png"))
    )
    for ours, theirs in zip(made, (expected_a, expected_b, image), strict=True):
        assert np.array_equal(ours, theirs)


def test_the_official_rule_sorts_colours_by_blue_first():
    colours = np.zeros((256, 256, 3), np.uint8)
    colours[:, :128] = (1, 250, 250)  # B, G, R: the smaller blue comes first, so A is blurred here
    colours[:, 128:] = (2, 0, 0)
    photo = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    a, b, truth = make_legacy_triplet(photo, colours)
    assert np.array_equal(a[:, 128:], truth[:, 128:]) and not np.array_equal(a[:, :128], truth[:, :128])
    assert np.array_equal(b[:, :128], truth[:, :128])
