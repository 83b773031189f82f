"""Metrics that are sums over histograms: closed forms, other libraries, and what must not change a value."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy, pearsonr

from metrics import find_metric, score
from metrics.histograms import count_pairs, covariance, variance

ALL = ["EN", "MI", "Q_MI", "CE", "Q_NCIE", "Q_TE", "Q_TE_cvejic", "SD", "MSE", "RMSE", "PSNR", "CC", "SCD"]


def noise(seed: int, low: int = 0, high: int = 256, shape=(48, 37)) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape, dtype=np.uint8)


def scores(names, *images, **options) -> dict[str, float]:
    return score([find_metric(name) for name in names], *images, reasons={}, **options)


def test_values_of_other_libraries():
    sklearn = pytest.importorskip("skimage.metrics")
    a, b, fused = noise(1), noise(2) // 3, noise(3) // 2
    found = scores(ALL, a, b, fused)
    plain = [image.astype(float).ravel() for image in (a, b, fused)]
    counts = [np.bincount(image.ravel(), minlength=256) for image in (a, b, fused)]
    bits = [entropy(count, base=2) for count in counts]
    joints = [np.histogram2d(image, plain[2], bins=256, range=((0, 256), (0, 256)))[0] for image in plain[:2]]
    shares = [own + bits[2] - entropy(joint.ravel(), base=2) for own, joint in zip(bits, joints, strict=False)]
    assert found["EN"] == pytest.approx(bits[2], rel=1e-12)
    assert found["MI"] == pytest.approx(sum(shares), rel=1e-12)
    both = [2 * share / (own + bits[2]) for share, own in zip(shares, bits, strict=False)]
    assert found["Q_MI"] == pytest.approx(sum(both), rel=1e-12)
    assert found["SD"] == pytest.approx(fused.std(), rel=1e-12)
    errors = [sklearn.mean_squared_error(image, fused) for image in (a, b)]
    assert found["MSE"] == pytest.approx(np.mean(errors), rel=1e-12)
    assert found["RMSE"] == pytest.approx(math.sqrt(np.mean(errors)), rel=1e-12)
    assert found["PSNR"] == pytest.approx(10 * math.log10(65025 / np.mean(errors)), rel=1e-12)
    assert found["CC"] == pytest.approx(np.mean([pearsonr(image, plain[2])[0] for image in plain[:2]]), rel=1e-11)
    expected = pearsonr(plain[2] - plain[1], plain[0])[0] + pearsonr(plain[2] - plain[0], plain[1])[0]
    assert found["SCD"] == pytest.approx(expected, rel=1e-11)
    gt = noise(4)
    ours = scores(["PSNR_GT", "MAE_GT"], a, b, fused, gt=gt)
    assert ours["PSNR_GT"] == pytest.approx(sklearn.peak_signal_noise_ratio(gt, fused, data_range=255), rel=1e-12)
    assert ours["MAE_GT"] == pytest.approx(np.abs(fused.astype(float) - gt).mean(), rel=1e-12)


def test_cross_entropy_and_correlation_entropy_by_their_formulas():
    a, b, fused = noise(1) // 4, noise(2) // 8 + 20, noise(3) // 5
    of_a, of_b, of_f = (np.bincount(image.ravel(), minlength=256) / image.size for image in (a, b, fused))
    expected = 0.0
    for own in (of_a, of_b):
        there = (own > 0) & (of_f > 0)
        expected += (own[there] * np.log2(own[there] / of_f[there])).sum() / 2
    found = scores(["CE", "Q_NCIE", "MI"], a, b, fused)
    assert found["CE"] == pytest.approx(expected, rel=1e-12)
    halves = {pair: scores(["MI"], first, first, second)["MI"] / 2 / 8
              for pair, first, second in (("ab", a, b), ("af", a, fused), ("bf", b, fused))}
    matrix = [[1, halves["ab"], halves["af"]], [halves["ab"], 1, halves["bf"]], [halves["af"], halves["bf"], 1]]
    shares = np.linalg.eigvalsh(matrix) / 3
    assert found["Q_NCIE"] == pytest.approx(1 + (shares * np.log(shares)).sum() / math.log(256), rel=1e-12)


def test_closed_forms():
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    found = scores(ALL, ramp, ramp, ramp)
    assert found["EN"] == pytest.approx(8, rel=1e-12) and found["MI"] == pytest.approx(16, rel=1e-12)
    assert found["Q_MI"] == 2 and found["CE"] == 0 and found["Q_NCIE"] == pytest.approx(1, rel=1e-12)
    assert found["Q_TE_cvejic"] == pytest.approx(2 * (256**0.85 - 1) / 0.85, rel=1e-12)
    information, total = 1 - 256 ** (0.43137 - 1), 256 ** (1 - 0.43137) - 1
    assert found["Q_TE"] == pytest.approx(2 * information / (2 * total - information), rel=1e-12)
    assert found["SD"] == pytest.approx(math.sqrt((256**2 - 1) / 12), rel=1e-12)
    assert found["MSE"] == 0 and found["RMSE"] == 0 and found["PSNR"] == math.inf
    assert found["CC"] == pytest.approx(1, rel=1e-12) and math.isnan(found["SCD"])
    inverse = scores(ALL, ramp, ramp, 255 - ramp)
    assert inverse["CC"] == pytest.approx(-1, rel=1e-12) and inverse["SCD"] == pytest.approx(-2, rel=1e-12)
    assert inverse["MI"] == pytest.approx(16, rel=1e-12)
    black, white = np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8)
    extremes = scores(["MSE", "RMSE", "PSNR", "Q_MI", "CE", "Q_NCIE"], black, black, white)
    assert (extremes["MSE"], extremes["RMSE"], extremes["PSNR"]) == (65025, 255, 0)
    assert (extremes["Q_MI"], extremes["CE"]) == (0, 0) and extremes["Q_NCIE"] == pytest.approx(1 - math.log(3, 256))


@pytest.mark.parametrize("name", ALL)
def test_sources_may_change_places(name):
    a, b, fused = noise(1) // 2, noise(2) // 3 + 40, noise(3)
    assert scores([name], a, b, fused)[name] == pytest.approx(scores([name], b, a, fused)[name], rel=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_a_common_shift_of_all_levels_changes_nothing(name):
    images = noise(1, 0, 120), noise(2, 10, 90), noise(3, 0, 150)
    shifted = (image + 100 for image in images)
    assert scores([name], *images)[name] == pytest.approx(scores([name], *shifted)[name], rel=1e-11)


def test_correlations_do_not_see_a_shift_of_one_image():
    a, b, fused = noise(1, 0, 120), noise(2, 10, 90), noise(3, 0, 150)
    found, shifted = (scores(["CC", "SCD", "MI", "SD"], a, b, image) for image in (fused, fused + 90))
    assert found == pytest.approx(shifted, rel=1e-11)


def test_one_pixel_in_a_million_is_not_lost_in_rounding():
    image = np.full((1000, 1000), 200, np.uint8)
    image[3, 4] = 201
    pixels = image.size
    exact = math.sqrt((1 / pixels) * (1 - 1 / pixels))
    assert scores(["SD"], image, image, image)["SD"] == pytest.approx(exact, rel=1e-9)
    other = image.copy()
    other[5, 6] = 201
    # Two pixels against one: r = sqrt((1 - 2/n) / (2 (1 - 1/n))).
    expected = math.sqrt((1 - 2 / pixels) / (2 * (1 - 1 / pixels)))
    assert scores(["CC"], image, image, other)["CC"] == pytest.approx(expected, rel=1e-9)
    # F - B is that one pixel: r(F - B, A) cannot be told from variances that almost cancel.
    source = noise(1, shape=(1000, 1000))
    fused = image.copy()
    fused[7, 8] += 1
    found = scores(["SCD"], source, image, fused)["SCD"]
    plain = [each.astype(float).ravel() for each in (source, image, fused)]
    step = plain[2] - plain[1]
    expected = np.corrcoef(step, plain[0])[0, 1] + np.corrcoef(plain[2] - plain[0], plain[1])[0, 1]
    assert found == pytest.approx(expected, rel=1e-9)


def test_moments_of_each_image_of_a_batch():
    first, second = (torch.from_numpy(np.stack([noise(seed), noise(seed + 1)])).double() for seed in (1, 7))
    joint = count_pairs(first, second)
    assert joint.shape == (2, 256, 256) and joint.sum().item() == first.numel()
    for index in range(2):
        x, y = first[index].numpy().ravel(), second[index].numpy().ravel()
        assert covariance(joint)[index].item() == pytest.approx(np.cov(x, y, bias=True)[0, 1], rel=1e-9)
        assert variance(joint.sum(dim=2))[index].item() == pytest.approx(x.var(), rel=1e-12)
