"""Q_CB and Q_CV: closed forms, and their formulas written out in NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from metrics import find_metric, score
from metrics.contrast_sensitivity import _stretch

BOTH = [find_metric("Q_CB"), find_metric("Q_CV")]


def draw(seed: int, height: int = 47, width: int = 58) -> np.ndarray:
    """A scene that does not use all gray levels, so that stretching it means rounding."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    scene = 120 + 50 * np.sin(x / (4 + seed)) * np.cos(y / 7) + generator.normal(0, 9, (height, width))
    return np.clip(np.rint(scene), 3, 236).astype(np.uint8)


def measure(a, b, fused) -> tuple[float, float]:
    return tuple(score(BOTH, a, b, fused).values())


def stretch(image: np.ndarray) -> np.ndarray:
    return np.floor((image.astype(float) - image.min()) / float(image.max() - image.min()) * 255 + 0.5)


def frequency(shape: tuple[int, int], divisor: float) -> np.ndarray:
    """The distance from 0 of MATLAB's freqspace grid, each axis times its length over a divisor."""
    axes = [(2 * np.arange(n) - (n if n % 2 == 0 else n - 1)) / n * (n / divisor) for n in shape]
    return np.hypot(*np.meshgrid(*axes, indexing="ij"))


def in_frequency(image: np.ndarray, response: np.ndarray) -> np.ndarray:
    return np.fft.ifft2(np.fft.fft2(image) * np.fft.ifftshift(response)).real


def written_out_cb(*images: np.ndarray) -> float:
    radius = frequency(images[0].shape, 30)
    response = np.exp(-((radius / 15.387) ** 2)) - 0.7622 * np.exp(-((radius / 1.3456) ** 2))
    y, x = np.mgrid[-15:16, -15:16]
    masked = []
    for image in images:
        seen = in_frequency(stretch(image), response)
        narrow, wide = (correlate(seen, np.exp(-(x**2 + y**2) / (2 * s**2)) / (2 * np.pi * s**2), mode="constant")
                        for s in (2, 4))
        contrast = np.abs(narrow / wide - 1)
        masked.append(contrast**3 / (contrast**2 + 1e-4))
    a, b, fused = masked
    kept = [np.minimum(source, fused) / np.maximum(source, fused) for source in (a, b)]
    return float(np.mean((a**2 * kept[0] + b**2 * kept[1]) / (a**2 + b**2)))


def written_out_cv(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> float:
    radius = frequency(a.shape, 8)
    response = 2.6 * (0.0192 + 0.144 * radius) * np.exp(-((0.144 * radius) ** 1.1))
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    weighted = weights = 0.0
    for source in (stretch(a), stretch(b)):
        gradient = np.hypot(*(correlate(source, kernel, mode="constant") for kernel in (across, across.T)))
        error = in_frequency(source - stretch(fused), response)
        for top in range(0, a.shape[0], 16):
            for left in range(0, a.shape[1], 16):
                block = np.s_[top:top + 16, left:left + 16]
                saliency = (gradient[block] ** 5).sum()
                weighted += saliency * (error[block] ** 2).sum() / 256
                weights += saliency
    return weighted / weights


@pytest.mark.parametrize("size", [(47, 58), (48, 64), (33, 31), (5, 90)])
def test_values_are_those_of_the_formulas_written_out(size):
    images = draw(1, *size), draw(2, *size), draw(3, *size)
    expected = written_out_cb(*images), written_out_cv(*images)
    assert measure(*images) == pytest.approx(expected, rel=1e-9)


def test_a_copy_of_both_sources_misses_nothing():
    assert measure(draw(1), draw(1), draw(1)) == (1, 0)


def test_a_copy_stretched_by_a_whole_factor_misses_nothing():
    levels = draw(1) // 64
    assert measure(levels, levels, levels * 51 + 7) == (1, 0)


def test_sources_may_be_swapped():
    a, b, fused = draw(1), draw(2), draw(3)
    assert measure(a, b, fused) == pytest.approx(measure(b, a, fused), rel=1e-12)


def test_a_flat_source_has_no_say():
    flat = np.full_like(draw(1), 200)
    assert measure(draw(1), flat, draw(1)) == (1, 0)
    contrast, difference = measure(draw(1), flat, draw(2))
    assert contrast == pytest.approx(measure(draw(1), draw(1), draw(2))[0], rel=1e-12)
    assert difference == pytest.approx(measure(draw(1), draw(1), draw(2))[1], rel=1e-12)


def test_flat_images_are_all_alike():
    assert measure(*(np.full((40, 50), level, np.uint8) for level in (100, 150, 125))) == (1, 0)


def test_flat_sources_weigh_the_same():
    """No block is salient: each counts 1, and the value is the plain mean of squares per block."""
    flat, fused = np.full((32, 48), 9, np.uint8), draw(1, 32, 48)
    radius = frequency(fused.shape, 8)
    response = 2.6 * (0.0192 + 0.144 * radius) * np.exp(-((0.144 * radius) ** 1.1))
    expected = np.mean(in_frequency(stretch(fused), response) ** 2)
    assert measure(flat, flat, fused)[1] == pytest.approx(expected, rel=1e-12)


def test_stretching_rounds_half_up_and_makes_a_flat_image_black():
    levels = torch.tensor([[[0.0, 1, 2]], [[7, 7, 7]], [[10, 12, 14]]], dtype=torch.float64)
    assert _stretch(levels).tolist() == [[[0, 128, 255]], [[0, 0, 0]], [[0, 128, 255]]]


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
        assert [together[name][index].item() for name in ("Q_CB", "Q_CV")] == pytest.approx(alone, rel=1e-12)
