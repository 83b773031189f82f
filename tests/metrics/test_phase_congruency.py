"""Q_P against a plain implementation with full complex spectra, and what phase congruency must find."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from metrics import find_metric, phase_congruency
from metrics import shared as shared_work


def draw(seed: int, height: int = 48, width: int = 37) -> np.ndarray:
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = 120 + 70 * np.sign(np.sin((x + seed * y) / (4 + seed))) + generator.normal(0, 9, (height, width))
    return np.clip(np.rint(image), 0, 255)


def tensor(image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image, dtype=np.float64))


def find_features(image) -> np.ndarray:
    image = tensor(image)
    return phase_congruency.phase_congruency(image, phase_congruency.make_filters(*image.shape, image.device)).numpy()


def value(*images) -> float:
    return find_metric("Q_P").function(*(tensor(image)[None] for image in images)).item()


def reference_features(image: np.ndarray) -> np.ndarray:
    """Kovesi's algorithm with filters over the whole plane and complex inverse transforms."""
    height, width = image.shape

    def axis(side):
        return (np.arange(side) - side // 2) / (side - side % 2)

    x, y = np.meshgrid(axis(width), axis(height))
    radius, direction = np.fft.ifftshift(np.hypot(x, y)), np.fft.ifftshift(np.arctan2(-y, x))
    radius[0, 0] = 1
    x, y = np.meshgrid((np.arange(width) - width // 2) / width, (np.arange(height) - height // 2) / height)
    low_pass = np.fft.fftshift(1 / (1 + (np.hypot(x, y) / 0.45) ** 30))
    energy_sum, amplitude_sum = np.zeros(image.shape), np.zeros(image.shape)
    xx, yy, xy = np.zeros(image.shape), np.zeros(image.shape), np.zeros(image.shape)
    for angle in np.arange(6) * np.pi / 6:
        distance = np.abs(np.angle(np.exp(1j * (direction - angle))))
        spread = np.exp(-(distance**2) / (2 * (np.pi / 6 / 1.2) ** 2))
        filters = []
        for wavelength in 3 * 2.1 ** np.arange(4):
            band = np.exp(-(np.log(radius * wavelength) ** 2) / (2 * np.log(0.55) ** 2)) * low_pass
            band[0, 0] = 0
            filters.append(band * spread)
        responses = np.array([np.fft.ifft2(np.fft.fft2(image) * one) for one in filters])
        amplitudes = np.abs(responses)
        kernels = np.array([np.real(np.fft.ifft2(one)) * math.sqrt(image.size) for one in filters])
        pairs = sum((kernels[i] * kernels[j]).sum() for i in range(4) for j in range(i + 1, 4))
        power = np.median(amplitudes[0] ** 2) / math.log(2) / (filters[0] ** 2).sum()
        tau = math.sqrt((2 * power * (kernels**2).sum() + 4 * power * pairs) / 2)
        threshold = (tau * math.sqrt(math.pi / 2) + 2 * math.sqrt((2 - math.pi / 2) * tau**2)) / 1.7
        total = responses.sum(0)
        mean = total / (np.abs(total) + 1e-4)
        energy = sum(one.real * mean.real + one.imag * mean.imag - np.abs(one.real * mean.imag - one.imag * mean.real)
                     for one in responses)
        width_of_band = amplitudes.sum(0) / (amplitudes.max(0) + 1e-4) / 4
        energy = np.maximum(energy - threshold, 0) / (1 + np.exp(10 * (0.5 - width_of_band)))
        energy_sum += energy
        amplitude_sum += amplitudes.sum(0)
        congruency = energy / amplitudes.sum(0)
        xx += (congruency * np.cos(angle)) ** 2 / 3
        yy += (congruency * np.sin(angle)) ** 2 / 3
        xy += congruency**2 * np.cos(angle) * np.sin(angle) / 6
    root = np.sqrt(xy**2 + (xx - yy) ** 2) + 1e-4
    return np.stack([energy_sum / (amplitude_sum + 1e-4), (xx + yy + root) / 2, (xx + yy - root) / 2])


def reference(a, b, fused) -> float:
    maps = [reference_features(image) for image in (a, b, fused)]
    larger = np.where(maps[0][0] > maps[1][0], maps[0], maps[1])
    masks = [one[0] > 0.1 for one in (maps[0], maps[1], larger)]
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2

    def mean(image):
        return ndimage.correlate(image, window, mode="constant")

    result = 1.0
    for kind in range(3):
        target = maps[2][kind]
        correlations = []
        for features, mask in zip((maps[0], maps[1], larger), masks, strict=True):
            source = features[kind] * mask
            covariance = mean(source * target) - mean(source) * mean(target)
            variances = (mean(source**2) - mean(source) ** 2) * (mean(target**2) - mean(target) ** 2)
            correlations.append(mask * (covariance + 1e-4) / (np.sqrt(np.abs(variances)) + 1e-4))
        result *= np.max(correlations, axis=0).sum() / masks[2].sum()
    return result


@pytest.mark.parametrize("size", [(48, 36), (48, 37), (31, 52), (33, 41)])
def test_features_and_value_are_those_of_the_definition(size):
    images = [draw(seed, *size) for seed in (1, 2, 3)]
    np.testing.assert_allclose(find_features(images[0]), reference_features(images[0]), atol=1e-12)
    assert value(*images) == pytest.approx(reference(*images), rel=1e-10)


def test_an_edge_is_found_whatever_its_contrast():
    for height in (20, 200):
        image = np.full((64, 64), 20.0)
        image[:, 32:] += height
        congruency, edge, _ = find_features(image)
        assert congruency[32, 31:33].min() > 0.3 and edge[32, 31:33].min() > 0.3
        assert congruency[32, 12:20].max() < 0.1


def test_features_ignore_brightness_and_inversion():
    image = draw(1)
    np.testing.assert_allclose(find_features(image / 2 + 60), find_features(image / 2), atol=1e-12)
    np.testing.assert_allclose(find_features(255 - image), find_features(image), atol=1e-12)


def test_sources_may_be_swapped_and_a_copy_of_both_is_the_best():
    a, b, fused = (draw(seed) for seed in (1, 2, 3))
    assert value(a, b, fused) == pytest.approx(value(b, a, fused), rel=1e-12)
    assert value(a, a, a) > max(value(a, b, fused), 0.8)


def test_flat_images():
    flat, scene = np.full((32, 32), 90.0), draw(1, 32, 32)
    assert math.isnan(value(flat, flat, flat)) and math.isnan(value(scene, scene, flat))
    assert math.isnan(value(flat, flat, scene))
    assert value(scene, flat, scene) == pytest.approx(value(scene, scene, scene), rel=1e-9)
    assert value(scene, np.zeros_like(flat), scene) == pytest.approx(value(scene, scene, scene), rel=1e-9)


def test_strips_and_batches_change_nothing(monkeypatch):
    images = [np.stack([draw(seed), draw(seed + 3)]) for seed in (1, 2, 3)]
    together = find_metric("Q_P").function(*map(tensor, images))
    monkeypatch.setattr(shared_work, "STRIP", 1)
    alone = [value(*(stack[index] for stack in images)) for index in range(2)]
    assert together.tolist() == pytest.approx(alone, rel=1e-12)
