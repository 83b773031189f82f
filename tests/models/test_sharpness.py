"""The stages of the blur-classifier pipeline against independent renderings of their formulas, and at their limits."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from models.sharpness import blend, decide, enhance, pipeline, retinex
from tests.tiny import make_image


def as_image(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array, np.float32))[None, None]


def make_gray(seed: int, height: int, width: int) -> np.ndarray:
    return cv2.GaussianBlur(make_image(seed, height, width)[..., 1], (0, 0), 1.0)


# Enhancement ----------------------------------------------------------------------------------------------------------


def render_hdrc(image: np.ndarray) -> np.ndarray:
    """The specification's five steps in float64, pixel by pixel; bilinear enlargement by OpenCV."""
    height, width = image.shape
    stretched = 255 * (image.astype(np.float64) - image.min()) / (float(image.max()) - image.min())
    radius = math.floor(0.04 * max(height, width))
    step = max(1.0, radius / 4)
    rows = [min(height - 1, math.floor((i + 0.5) * step)) for i in range(math.ceil(height / step))]
    columns = [min(width - 1, math.floor((i + 0.5) * step)) for i in range(math.ceil(width / step))]
    small, reach = (stretched / 255)[np.ix_(rows, columns)], round(radius / step)

    def mean(values):
        found = np.empty_like(values)
        for y in range(len(rows)):
            for x in range(len(columns)):
                found[y, x] = values[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].mean()
        return found

    variance = mean(small**2) - mean(small) ** 2
    a = variance / (variance + 0.01)
    b = mean(small) - a * mean(small)
    a, b = (cv2.resize(mean(part), (width, height), interpolation=cv2.INTER_LINEAR) for part in (a, b))
    base = np.log(255 * (a * stretched / 255 + b) + 1)
    detail = np.log(stretched + 1) - base
    k = math.log(4) / (base.max() - base.min())
    return np.minimum(255, np.exp(k * base + detail + (1 - k) * base.max()))


@pytest.mark.parametrize(("height", "width"), [(60, 88), (130, 101), (24, 20)])
def test_range_compression_is_the_formula(height, width):
    image = make_gray(3, height, width)
    ours = enhance.compress_range(as_image(image))[0, 0].numpy()
    np.testing.assert_allclose(ours, render_hdrc(image), atol=0.01)


def test_range_compression_brings_the_base_to_a_contrast_of_four():
    ramp = as_image(np.tile(np.linspace(0, 255, 128), (128, 1)))
    compressed = enhance.compress_range(ramp)
    base = (255 * enhance.smooth(compressed / 255)).clamp(min=0)
    assert compressed.max() <= 255 and compressed[..., 20].mean() > 60  # shadows are lifted: 40 before
    assert (base[..., 100] / base[..., 20]).mean() < 3  # five times as bright before


def test_guided_filter_smooths_noise_and_keeps_a_step():
    step = np.where(np.arange(64) < 32, 0.1, 0.9) + np.random.default_rng(0).normal(0, 0.02, (64, 64))
    smoothed = enhance.filter_guided_fast(as_image(step), 4, 0.01, 1.0)[0, 0].numpy()
    assert smoothed[8:-8, 8:20].std() < 0.5 * step[8:-8, 8:20].std()
    assert smoothed[:, 33].mean() - smoothed[:, 30].mean() > 0.7


def test_infrared_is_stretched_to_the_whole_range():
    stretched = enhance.enhance_infrared(as_image([[30, 40], [60, 80]]))
    assert stretched.flatten().tolist() == [0, 51, 153, 255]


@pytest.mark.parametrize("stage", [enhance.enhance_visible, enhance.enhance_infrared, retinex.apply_retinex])
@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_flat_image_stays_as_it_is(stage, level):
    flat = torch.full((1, 1, 40, 33), float(level))
    assert torch.equal(stage(flat), flat)


# Votes ----------------------------------------------------------------------------------------------------------------


def test_planes_are_gray_and_gradients_of_8_bit():
    image = make_gray(1, 40, 50)
    planes = decide.find_planes(as_image(image))[0].numpy()
    expected = [cv2.Sobel(image, cv2.CV_8U, dx, 1 - dx, borderType=cv2.BORDER_REPLICATE) for dx in (1, 0)]
    np.testing.assert_array_equal(planes, np.stack([image, *expected]))


@pytest.mark.parametrize(
    ("sides", "stride"), [((32, 32), 8), (((1, 5)), 8), ((33, 70), 8), ((50, 41), 5), ((90, 64), 32)]
)
def test_windows_cover_every_image(sides, stride):
    padded = decide.pad_to_windows(torch.zeros(1, 1, *sides), stride)
    for side, length in zip(padded.shape[-2:], sides, strict=True):
        assert side >= max(32, length) and (side - 32) % stride == 0 and side - length < max(stride, 32)
    rows, columns = ((side - 32) // stride + 1 for side in padded.shape[-2:])
    assert decide.spread(torch.ones(1, 1, rows, columns), stride).shape == padded.shape


def test_votes_are_added_where_windows_lie():
    logits = torch.zeros(1, 2, 2, 2, 3)  # ties: all classes are 0, the first image wins
    logits[0, 0, 1, 1, 2] = 1  # one window says that the second image is sharp, in both orders
    votes = torch.zeros(40, 48)
    for row in range(2):
        for column in range(3):
            votes[8 * row : 8 * row + 32, 8 * column : 8 * column + 32] += -1 if (row, column) == (1, 2) else 1
    assert torch.equal(decide.count_votes(logits, 8)[0, 0], votes)
    logits[0, 1, 1, 1, 2] = 1  # "the lower one" in both orders: no verdict, a tie again
    assert decide.count_votes(logits, 8).min() == 1


def test_soft_weight_is_the_mean_probability():
    logits = torch.zeros(1, 2, 2, 1, 2)
    logits[0, 0, 0, 0, 0], logits[0, 1, 1, 0, 0] = 2.0, 4.0
    weight = decide.weigh(logits, 8)[0, 0]
    left = (torch.tensor(2.0).sigmoid() + torch.tensor(4.0).sigmoid()).item() / 2
    assert weight[0, 0].item() == pytest.approx(left) and weight[0, -1].item() == pytest.approx(0.5)
    assert weight[0, 20].item() == pytest.approx((left + 0.5) / 2)


# Blend and Retinex ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("without_zeros", blend.WITHOUT_ZEROS)
@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_blend_is_the_formula(without_zeros, share):
    rng = np.random.default_rng(5)
    visible, infrared = rng.integers(1, 256, (2, 20, 30)).astype(np.float64)
    chosen = np.arange(30)[None].repeat(20, 0) < 30 * share
    zero_at = chosen.argmin() if not chosen.all() else None
    if without_zeros != "corner":  # one black pixel: all distances are defined
        infrared.flat[zero_at or 0] = visible.flat[zero_at or 0] = 0
    ours = blend.blend_hard(as_image(visible), as_image(infrared), torch.from_numpy(chosen)[None, None], without_zeros)

    def distance(mask):
        places = np.argwhere(~mask) if not mask.all() else np.array([[-1, 0]])
        grid = np.stack(np.mgrid[0:20, 0:30], -1)[:, :, None]
        found = np.sqrt(((grid - places) ** 2).sum(-1)).min(-1)
        return np.full(mask.shape, 30.0) if mask.all() and without_zeros != "corner" else found

    d, v, t = distance(np.where(chosen, visible, infrared) != 0), distance(chosen), distance(~chosen)
    fused = ((d + t) * infrared + (d + v) * visible) / (2 * d + v + t)
    expected = 255 * (fused - fused.min()) / (fused.max() - fused.min())
    np.testing.assert_allclose(ours[0, 0].numpy(), expected, atol=1e-9)


def test_distances_without_a_black_pixel():
    visible, infrared = as_image(np.full((4, 6), 50)), as_image(np.tile(np.arange(60, 66), (4, 1)))
    chosen = (torch.arange(6) < 3).expand(1, 1, 4, 6)
    mean = blend.blend_hard(visible, infrared, chosen, "mean")
    zero = blend.blend_hard(visible, infrared, chosen, "zero")
    # With D = 0 each pixel is of one source alone: a step; else both share in it.
    assert zero[..., :3].max() == 0 and zero[..., 3:].min() > 150
    assert mean[..., 2].max() > 0


def test_long_blur_is_opencvs():
    image = make_gray(2, 70, 51).astype(np.float64) + 1
    for sigma in (300.0, 12.0):
        expected = cv2.GaussianBlur(image, (0, 0), sigma)
        np.testing.assert_allclose(retinex.blur(torch.from_numpy(image)[None, None], sigma)[0, 0], expected, rtol=1e-9)


def test_retinex_lifts_shadows_and_uses_the_range():
    image = make_gray(4, 96, 120).astype(np.float32)
    shaded = (image * np.linspace(0.15, 1, 120)).astype(np.uint8)
    lifted = retinex.apply_retinex(as_image(shaded))
    assert lifted.min() == 0 and lifted.max() == 255 and torch.equal(lifted, lifted.floor())
    assert lifted.mean() > shaded.mean()


def test_retinex_does_not_see_a_pair_beside_it():
    images = torch.cat([as_image(make_gray(seed, 40, 40)) for seed in (1, 2)])
    together = retinex.apply_retinex(images)
    assert torch.equal(together[1:], retinex.apply_retinex(images[1:]))


# The whole --------------------------------------------------------------------------------------------------------


def favour(which: int):
    """A classifier that calls the first (0) or the second image (1) sharp everywhere."""

    def compare_windows(first, second, stride):
        rows, columns = ((side - 32) // stride + 1 for side in first.shape[-2:])
        logits = torch.zeros(len(first), 2, 2, rows, columns)
        logits[:, 0, which], logits[:, 1, 1 - which] = 1, 1
        return logits

    return compare_windows


@pytest.mark.parametrize("size", [0, 456])
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_the_winner_weighs_more(size, kind):
    visible, infrared = (as_image(make_gray(seed, 50, 61)) for seed in (1, 2))
    settings = pipeline.Settings(work_size=size, blend=kind, retinex_sigma=0)
    for which in (0, 1):
        stages = pipeline.run_pipeline(visible, infrared, favour(which), settings)
        assert stages.fused.shape[-2:] == ((size, size) if size else (50, 61))
        assert stages.chosen.all() if which == 0 else not stages.chosen.any()
        wins, loses = ((stages.visible, stages.infrared), (stages.infrared, stages.visible))[which]
        assert (stages.blended - wins).abs().mean() < (stages.blended - loses).abs().mean()


def test_classifier_sees_the_infrared_image_that_was_asked_for():
    visible, infrared = as_image(make_gray(1, 40, 40)), as_image(make_gray(2, 40, 40) / 4)
    seen = {}

    def spy(first, second, stride):
        seen["infrared"] = second[0, 0]
        return favour(0)(first, second, stride)

    for kind, image in (("original", infrared), ("enhanced", enhance.enhance_infrared(infrared))):
        pipeline.run_pipeline(visible, infrared, spy, pipeline.Settings(work_size=0, classifier_infrared=kind))
        torch.testing.assert_close(seen["infrared"], (image[0, 0] / 255 - 0.45) / 0.1)
