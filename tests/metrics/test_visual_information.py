"""VIF and VIFF: closed forms, and their formulas written out in SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from metrics import find_metric, score, visual_information
from metrics.visual_information import SMALLEST

BOTH = [find_metric("VIF"), find_metric("VIFF")]


def draw(seed: int, height: int = 61, width: int = 74) -> np.ndarray:
    """Smooth and rough, with a saturated corner and a black one."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    scene = 127 + 60 * np.sin(x / (4 + seed)) * np.cos(y / 7) + generator.normal(0, 25, (height, width))
    scene[: height // 3, : width // 3] = 255
    scene[-height // 3:, -width // 3:] = 0
    return np.clip(np.rint(scene), 0, 255).astype(np.uint8)


def measure(a, b, fused) -> tuple[float, float]:
    return tuple(score(BOTH, a, b, fused).values())


def local_mean(image: np.ndarray, size: int) -> np.ndarray:
    weights = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * (size / 5) ** 2))
    for axis in (0, 1):
        image = correlate1d(image, weights / weights.sum(), axis=axis)
    margin = size // 2
    return image[margin:-margin, margin:-margin]


def parts(source: np.ndarray, fused: np.ndarray, noise: float):
    """Yield (gain, VID, VIND) of each scale, as the papers write them."""
    for size in (17, 9, 5, 3):
        if size != 17:
            source, fused = (local_mean(image, size)[::2, ::2] for image in (source, fused))
        means = local_mean(source, size), local_mean(fused, size)
        variance = np.maximum(local_mean(source**2, size) - means[0] ** 2, 0)
        variance_fused = np.maximum(local_mean(fused**2, size) - means[1] ** 2, 0)
        covariance = local_mean(source * fused, size) - means[0] * means[1]
        gain = covariance / (variance + 1e-10)
        rest = variance_fused - gain * covariance
        flat, flat_fused = variance < 1e-10, variance_fused < 1e-10
        gain[flat | flat_fused] = 0
        rest[flat] = variance_fused[flat]
        rest[flat_fused] = 0
        variance[flat] = 0
        rest[gain < 0] = variance_fused[gain < 0]
        gain[gain < 0] = 0
        rest = np.maximum(rest, 1e-10)
        yield gain, np.log10(1 + gain**2 * variance / (rest + noise)), np.log10(1 + variance / noise)


def written_out(a, b, fused) -> tuple[float, float]:
    images = [image.astype(float) for image in (a, b, fused)]
    vif = 0
    for source in images[:2]:
        scales = list(parts(source, images[2], 2))
        vif += sum(told.sum() for _, told, _ in scales) / sum(sent.sum() for *_, sent in scales)
    viff = 0
    scales = zip(*(parts(source, images[2], 0.005 * 255**2) for source in images[:2]), strict=True)
    for weight, (of_a, of_b) in zip((1, 0, 0.15, 1), scales, strict=True):
        told, sent = (np.where(of_a[0] < of_b[0], of_a[part], of_b[part]) for part in (1, 2))
        viff += weight / 2.15 * (told + 1e-7).sum() / (sent + 1e-7).sum()
    return vif, viff


@pytest.mark.parametrize("size", [(61, 74), (41, 41), (52, 141)])
def test_values_are_those_of_the_formulas_written_out(size):
    images = draw(1, *size), draw(2, *size), draw(3, *size)
    assert measure(*images) == pytest.approx(written_out(*images), rel=1e-10)


def test_a_copy_of_both_sources_tells_all_there_is():
    assert measure(draw(1), draw(1), draw(1)) == pytest.approx((2, 1), abs=1e-9)


def test_an_inverted_or_a_flat_image_tells_nothing():
    image, flat = draw(1), np.full_like(draw(1), 93)
    assert measure(image, image, 255 - image) == pytest.approx((0, 0), abs=1e-5)
    assert measure(image, image, flat) == pytest.approx((0, 0), abs=1e-5)


def test_one_gain_over_the_whole_image_has_a_closed_form():
    """With F = 2 S the gain is 2 and no noise is added: F tells what a source 2 S would send."""
    half = draw(1) // 2
    source, double = half.astype(float), 2 * half.astype(float)
    sent, more = (sum(part.sum() for *_, part in parts(image, image, 2)) for image in (source, double))
    vif, viff = measure(half, half, 2 * half)
    assert vif == pytest.approx(2 * more / sent, rel=1e-9)
    assert vif > 2 and viff > 1


@pytest.mark.parametrize("flat", range(0, 256, 15))
def test_rounding_in_a_flat_source_is_not_information(flat, capsys):
    vif, viff = measure(np.full_like(draw(1), flat), draw(1), draw(1))
    assert math.isnan(vif) and viff == 1
    assert "VIF is nan: a source is flat and has no information" in capsys.readouterr().err


def test_a_source_that_is_swapped_with_the_other_counts_the_same():
    a, b, fused = draw(1), draw(2), draw(3)
    assert measure(a, b, fused)[0] == pytest.approx(measure(b, a, fused)[0], rel=1e-12)


def test_the_smallest_image_has_one_window_at_the_last_scale(capsys):
    images = [draw(seed, SMALLEST, SMALLEST) for seed in (1, 2, 3)]
    assert all(map(math.isfinite, measure(*images)))
    assert all(map(math.isnan, measure(*(image[:-1] for image in images))))


@pytest.mark.parametrize("strip", [1, 1 << 9, 1 << 30])
def test_strips_of_any_height_give_the_same_values(monkeypatch, strip):
    images = [draw(seed) for seed in (1, 2, 3)]
    expected = measure(*images)
    for module in ("metrics.shared", "metrics.filters"):
        monkeypatch.setattr(f"{module}.STRIP", strip)
    assert measure(*images) == pytest.approx(expected, rel=1e-12)


def test_a_batch_scores_as_its_images():
    stacks = [torch.from_numpy(np.stack([draw(seed), draw(seed + 3)])) for seed in (1, 2, 3)]
    together = score(BOTH, *stacks)
    for index in (0, 1):
        alone = measure(*(stack[index].numpy() for stack in stacks))
        assert [together[name][index].item() for name in ("VIF", "VIFF")] == pytest.approx(alone, rel=1e-12)


def test_both_come_from_one_pass(monkeypatch):
    calls = []
    real = visual_information._sum_scale
    monkeypatch.setattr(visual_information, "_sum_scale", lambda *given: calls.append(1) or real(*given))
    measure(draw(1), draw(2), draw(3))
    assert len(calls) == 4
