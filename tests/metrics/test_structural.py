"""SSIM, MS-SSIM and MEF-SSIM against scikit-image, closed forms and patches taken one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from metrics import find_metric, score
from metrics import shared as sharing


def draw(seed: int, height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(height, width))
    scene = 128 + 600 * gaussian_filter(noise, 3) + 12 * noise
    return np.clip(np.rint(scene), 0, 255).astype(np.uint8)


def one(name: str, *images) -> float:
    return score([find_metric(name)], *images)[name]


@pytest.mark.parametrize(("height", "width"), [(11, 11), (64, 48), (37, 121)])
def test_ssim_is_the_mean_of_scikit_images(height, width):
    metrics = pytest.importorskip("skimage.metrics")
    a, b, fused = (draw(seed, height, width) for seed in (1, 2, 3))

    def theirs(reference):
        # Its own mean leaves out the border; at 11x11 that is one window.
        return metrics.structural_similarity(reference, fused, gaussian_weights=True, sigma=1.5, data_range=255,
                                             use_sample_covariance=False)

    assert one("SSIM", a, b, fused) == pytest.approx((theirs(a) + theirs(b)) / 2, rel=1e-12)
    assert one("SSIM_GT", a, b, fused, b) == pytest.approx(theirs(b), rel=1e-12)


def test_ssim_of_flat_images_is_the_luminance_term():
    a, b, fused = (np.full((20, 30), level, np.uint8) for level in (100, 200, 150))
    c1 = 2.55**2
    expected = [(2 * x * 150 + c1) / (x * x + 150 * 150 + c1) for x in (100, 200)]
    assert one("SSIM", a, b, fused) == pytest.approx(sum(expected) / 2, rel=1e-9)


@pytest.mark.parametrize("name", ["SSIM", "MS_SSIM", "MEF_SSIM"])
def test_sources_may_be_swapped_and_a_copy_is_perfect(name):
    a, b, fused = (draw(seed, 181, 177) for seed in (1, 2, 3))
    assert one(name, a, b, fused) == pytest.approx(one(name, b, a, fused), rel=1e-13)
    assert one(name, a, a, a) == pytest.approx(1, abs=1e-9)


def test_ms_ssim_by_its_definition_on_an_odd_size():
    metrics = pytest.importorskip("skimage.metrics")
    a, fused = draw(1, 187, 201), draw(1, 187, 201) // 2 + draw(2, 187, 201) // 2
    x, y = a.astype(float), fused.astype(float)
    expected = 1
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        options = dict(gaussian_weights=True, sigma=1.5, data_range=255, use_sample_covariance=False, full=True)
        whole, full = metrics.structural_similarity(x, y, **options)
        if scale < 4:
            def mean(image):
                return gaussian_filter(image, 1.5, radius=5)

            top = 2 * mean(x) * mean(y) + 2.55**2
            luminance = top / (mean(x) ** 2 + mean(y) ** 2 + 2.55**2)
            whole = (full / luminance)[5:-5, 5:-5].mean()
        expected *= max(whole, 0) ** weight
        x, y = (np.pad(image, [(0, side % 2) for side in image.shape], mode="edge") for image in (x, y))
        x, y = ((image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4 for image in (x, y))
    assert one("MS_SSIM_GT", a, a, fused, a) == pytest.approx(expected, rel=1e-11)
    assert one("MS_SSIM", a, a, fused) == pytest.approx(expected, rel=1e-11)


def test_ms_ssim_needs_its_five_scales():
    assert math.isnan(one("MS_SSIM", *(draw(seed, 175, 300) for seed in (1, 2, 3))))
    assert one("MS_SSIM", *(draw(seed, 176, 176) for seed in (1, 1, 1))) == pytest.approx(1)


def mef_by_patches(a, b, fused) -> float:
    """One scale of MEF-SSIM, patch by patch, from the definition of the ideal patch."""
    window = np.zeros((11, 11))
    window[5, 5] = 1
    window = gaussian_filter(window, 1.5, radius=5)
    total, count = 0.0, 0
    for y in range(a.shape[0] - 10):
        for x in range(a.shape[1] - 10):
            first, second, own = (image[y:y + 11, x:x + 11].astype(float) for image in (a, b, fused))
            first, second = first - first.mean(), second - second.mean()
            norms = np.linalg.norm(first), np.linalg.norm(second)
            consistency = np.linalg.norm(first + second) / sum(norms)
            power = min(math.tan(math.pi / 2 * min(consistency, 1)), 10)
            weights = [((norm + 0.001) / 11) ** power for norm in norms]
            ideal = (weights[0] * first / (norms[0] + 0.001) + weights[1] * second / (norms[1] + 0.001)) / sum(weights)
            ideal *= (max(norms) + 0.001) / np.linalg.norm(ideal)
            ideal = ideal - (window * ideal).sum()
            own = own - (window * own).sum()
            top = 2 * (window * ideal * own).sum() + 7.65**2
            total += top / ((window * ideal**2).sum() + (window * own**2).sum() + 7.65**2)
            count += 1
    return total / count


def test_mef_ssim_by_its_patches():
    a, b, fused = (draw(seed, 48, 56) for seed in (1, 2, 3))
    fused = (fused // 2 + np.maximum(a, b) // 2).astype(np.uint8)
    expected, images = 1, (a.astype(float), b.astype(float), fused.astype(float))
    weights = np.array((0.0448, 0.2856, 0.3001))
    for weight in weights / weights.sum():
        expected *= mef_by_patches(*images) ** weight
        images = [(image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4 for image in images]
    assert one("MEF_SSIM", a, b, fused) == pytest.approx(expected, rel=1e-9)


def test_an_inverse_structure_has_no_mef_ssim(capsys):
    a = draw(1, 64, 64)
    assert math.isnan(one("MEF_SSIM", a, a, 255 - a))
    assert "MEF_SSIM is nan: the mean at one scale is negative" in capsys.readouterr().err


NAMES = ("SSIM", "MEF_SSIM", "Q_S", "Q_W", "Q_E", "Q_C", "Q_Y", "Q_E_ssim", "Q_C_compat", "Qabf",
         "Qabf_tie1", "Q_G", "Q_G_nowrap", "Q_SF", "Qabf_petrovic", "Labf", "Nabf", "Nabf_petrovic", "Q_M")


def test_strips_give_what_the_whole_image_gives(monkeypatch):
    images = [draw(seed, 131, 60) for seed in (1, 2)]
    images.append(images[0] // 2 + images[1] // 3)
    images[0][50:90] = 255
    chosen = [find_metric(name) for name in NAMES]
    values = score(chosen, *images)
    for pixels in (1, 900, 1 << 30):
        monkeypatch.setattr(sharing, "STRIP", pixels)
        monkeypatch.setattr("metrics.filters.STRIP", pixels)
        again = score(chosen, *images)
        assert again == pytest.approx(values, rel=1e-12), pixels
