"""Feature mutual information against its definition, spelled out window by window, and against scipy's transforms."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import fft, ndimage

from metrics import feature_images, find_metric, mutual_features
from metrics import shared as shared_work

NAMES = ("FMI_pixel", "FMI_gradient", "FMI_edge", "FMI_dct", "FMI_wavelet")
FEATURES = {
    "FMI_pixel": lambda image: image,
    "FMI_gradient": lambda image: np.gradient(image, axis=1),
    "FMI_edge": lambda image: find_edges(image),
    "FMI_dct": lambda image: fft.dctn(image, norm="ortho"),
}


def draw(seed: int, height: int = 21, width: int = 18) -> np.ndarray:
    """Whole levels, smooth in one half and noisy in the other, with a flat and a saturated patch."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    noise = generator.normal(0, 25, (height, width)) * (x > width / 2)
    image = 120 + 60 * np.sin(x / (2 + seed)) * np.cos(y / 5) + noise
    image[:6, :6] = 40 + seed
    image[-5:, -5:] = 255
    return np.clip(np.rint(image), 0, 255)


def tensors(*images):
    return [torch.from_numpy(np.asarray(image, dtype=np.float64))[None] for image in images]


def value(name: str, *images) -> float:
    return find_metric(name).function(*tensors(*images)).item()


def score_window(source: np.ndarray, fused: np.ndarray) -> float:
    """The definition for one pair of windows, with all 81 cells of the joint distribution."""
    if (source == fused).all():
        return 1.0
    densities = []
    for window in (source, fused):
        flat = window.T.flatten()  # column by column
        height = flat.max() - flat.min()
        flat = (flat - flat.min()) / height if height else np.ones(9)
        densities.append(flat / flat.sum())
    p, q = densities
    if np.ptp(p) == 0 or np.ptp(q) == 0:
        return 0.0
    places = np.arange(1, 10)
    deviation = [math.sqrt(max(0.0, (places**2 * x).sum() - (places * x).sum() ** 2)) for x in (p, q)]
    correlation = np.corrcoef(p, q)[0, 1]
    sums_p, sums_q = np.cumsum(p), np.cumsum(q)
    bound = np.zeros((10, 10))
    if correlation >= 0:
        bound[1:, 1:] = np.minimum(sums_p[:, None], sums_q)
    else:
        bound[1:, 1:] = np.maximum(sums_p[:, None] + sums_q - 1, 0)
    covariance = (bound[1:, 1:] - np.outer(sums_p, sums_q)).sum()
    product = deviation[0] * deviation[1]
    weight = correlation / (covariance / product) if product and covariance else 0.0
    joint = weight * np.diff(np.diff(bound, axis=0), axis=1) + (1 - weight) * np.outer(p, q)

    def entropy(x):
        x = x[np.abs(x) > 1e-18]
        return -(x * np.log2(np.abs(x))).sum()

    total = entropy(p) + entropy(q)
    return 2 * (total - entropy(joint)) / total if total > 0 else 0.0


def reference(a, b, fused) -> float:
    scores = [score_window(source[y:y + 3, x:x + 3], fused[y:y + 3, x:x + 3])
              for source in (a, b) for y in range(a.shape[0] - 2) for x in range(a.shape[1] - 2)]
    return float(np.mean(scores))


def find_edges(image: np.ndarray) -> np.ndarray:
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    across, down = (ndimage.correlate(image, k, mode="nearest") for k in (kernel, kernel.T))
    power = across**2 + down**2
    framed = np.pad(power, 1)
    edges = np.zeros_like(image)
    for y, x in zip(*np.nonzero(power > 4 * power.mean()), strict=True):
        here, row, column = power[y, x], framed[y + 1], framed[:, x + 1]
        if abs(across[y, x]) >= abs(down[y, x]) and row[x] <= here > row[x + 2]:
            edges[y, x] = 1
        if abs(down[y, x]) >= abs(across[y, x]) and column[y] <= here > column[y + 2]:
            edges[y, x] = 1
    return edges


def make_mosaic(image: np.ndarray) -> np.ndarray:
    low, high = (np.array(taps) for taps in feature_images.meyer_filters())

    def analyse(rows, taps):
        return np.array([np.correlate(np.pad(row, 101, mode="symmetric"), taps, "valid")[1::2] for row in rows])

    bands = [[analyse(analyse(image, across).T, down).T for down in (low, high)] for across in (low, high)]
    mosaic = np.block(bands)
    return (mosaic - mosaic.min()) / np.ptp(mosaic)


def test_mosaic_is_a_border_extended_convolution_of_rows_and_columns():
    for size in ((21, 18), (103, 140), (160, 7)):
        image = draw(1, *size)
        mosaic = feature_images.meyer_mosaic(*tensors(image))[0].numpy()
        np.testing.assert_allclose(mosaic, make_mosaic(image), atol=1e-13)


@pytest.mark.parametrize("name", NAMES[:4])  # the mosaic of the fifth has thousands of windows even here
def test_value_is_that_of_the_definition(name):
    images = [draw(seed) for seed in (1, 2, 3)]
    images[2][10:16] = images[0][10:16]  # windows that are equal
    expected = reference(*(FEATURES[name](image) for image in images))
    assert value(name, *images) == pytest.approx(expected, rel=1e-9)


def test_windows_of_every_kind_score_as_by_the_definition():
    generator = np.random.default_rng(4)
    source = np.concatenate([generator.integers(0, 3, (300, 3, 3)), generator.integers(0, 256, (300, 3, 3)),
                             generator.normal(0, 1, (300, 3, 3)) ** 9 * 1e6]).astype(np.float64)
    fused = np.concatenate([generator.integers(0, 3, (300, 3, 3)), 255 - source[300:600], source[600:] * 2 + 1])
    fused[::7] = source[::7]
    columns = torch.from_numpy(np.stack([source, fused]).transpose(3, 2, 0, 1).reshape(9, 2, -1))
    scores = mutual_features._window_scores(columns, (columns[:, :1] == columns[:, 1:]).all(0))[0].numpy()
    expected = [score_window(*pair) for pair in zip(source, fused, strict=True)]
    np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_copy_scores_1_and_sources_may_be_swapped(name):
    a, b, fused = (draw(seed, 40, 33) for seed in (1, 2, 3))
    assert value(name, a, a, a) == 1
    assert value(name, a, b, fused) == pytest.approx(value(name, b, a, fused), rel=1e-12)
    half = value(name, a, b, a)
    assert half == pytest.approx((1 + value(name, b, b, a)) / 2, rel=1e-12)


def test_pixels_may_be_brighter_and_of_more_contrast():
    images = [np.clip(draw(seed), 0, 100) for seed in (1, 2, 3)]
    changed = [2 * image + 7 for image in images]
    assert value("FMI_pixel", *changed) == pytest.approx(value("FMI_pixel", *images), rel=1e-9)


def test_flat_windows_score_nothing_unless_they_are_equal():
    dark, bright = np.zeros((8, 8)), np.full((8, 8), 9.0)
    assert value("FMI_pixel", dark, bright, bright) == 0.5
    assert value("FMI_pixel", dark, dark, bright) == 0
    assert value("FMI_gradient", dark, dark, bright) == value("FMI_edge", dark, dark, bright) == 1


@pytest.mark.parametrize("name", NAMES)
def test_strips_and_batches_change_nothing(name, monkeypatch):
    images = [np.stack([draw(seed, 37, 50), draw(seed + 3, 37, 50)]) for seed in (1, 2, 3)]
    stacks = [torch.from_numpy(stack) for stack in images]
    together = find_metric(name).function(*stacks)
    monkeypatch.setattr(shared_work, "STRIP", 1)
    alone = [value(name, *(stack[index] for stack in images)) for index in range(2)]
    assert together.tolist() == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize("size", [(8, 8), (9, 12), (15, 7), (3, 4)])
def test_cosine_transform_is_scipys(size):
    image = np.random.default_rng(1).integers(0, 256, size).astype(np.float64)
    coefficients = feature_images.cosine_transform(*tensors(image))[0].numpy()
    np.testing.assert_allclose(coefficients, fft.dctn(image, norm="ortho"), atol=1e-10)


def test_meyer_filters_are_orthonormal():
    low, high = (np.array(taps) for taps in feature_images.meyer_filters())
    assert low.sum() == pytest.approx(math.sqrt(2)) and high.sum() == pytest.approx(0, abs=1e-5)
    for shift in range(0, 40, 2):
        expected = 1 if shift == 0 else 0
        assert low[shift:] @ low[:102 - shift] == pytest.approx(expected, abs=1e-5)
        assert low[shift:] @ high[:102 - shift] == pytest.approx(0, abs=1e-5)


def test_flat_area_stays_flat_in_the_mosaic():
    image = np.full((300, 310), 255.0)
    image[:20] = draw(1, 20, 310)
    mosaic = feature_images.meyer_mosaic(*tensors(image))[0]
    assert mosaic.shape == (400, 410)
    for top, left in ((100, 0), (100, 205), (300, 0), (300, 205)):  # in each band, more than the filter away
        assert np.ptp(mosaic[top:top + 90, left:left + 200].numpy()) < 1e-15


@pytest.mark.parametrize(("triplet", "names"), [("crop64_tno05/seafusion", ("FMI_gradient", "FMI_pixel", "FMI_dct")),
                                                ("crop64_ctmri/cddfuse", ("FMI_edge", "FMI_dct", "FMI_wavelet"))])
def test_values_of_the_authors_code(shared, triplet, names):
    golden = json.loads((shared / "metrics" / "golden.json").read_text())
    files = golden["triplets"][triplet]
    images = [np.asarray(Image.open(shared / "metrics" / "images" / files[label])) for label in "ABF"]
    for name in names:
        known = golden["values"][triplet]["FMI_none" if name == "FMI_pixel" else name]
        assert value(name, *images) == pytest.approx(known["fmi_matlab"], rel=1e-9), name
