"""The classic methods: against what they must give, against other libraries' filters, and without any checkpoint."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import pywt
import tiny
import torch

import models
from models.filters import filter_guided, filter_separably, mean_in_window
from models.guided_model import measure_saliency
from models.pyramid import TAPS, decompose, expand
from util.errors import UserError
from util.inference import explain_images, fuse_images

CLASSICS = [name for name in models.model_names() if not models.find_model(name).learns()]
CHOOSING = [name for name in CLASSICS if name not in ("average", "maximum")]


@pytest.fixture
def photograph() -> np.ndarray:
    """Return float32 (75, 106) in [0, 1] with edges and texture."""
    return cv2.cvtColor(tiny.make_image(3, 75, 106), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image)[None, None]


def test_they_are_the_six():
    assert CLASSICS == ["average", "dwt", "focus", "guided", "laplacian", "maximum"]


@pytest.mark.parametrize("name", CLASSICS)
@pytest.mark.parametrize("mode", ["rgb", "luma"])
def test_two_equal_sources_stay_as_they_are(name, mode, make_model, make_batch):
    image = make_batch(height=37, width=50)["GT"]
    fused = fuse_images(make_model(name, "--color", mode, is_train=False), image, image)
    torch.testing.assert_close(fused, image, rtol=0, atol=1e-4 if mode == "luma" else 1e-5)


@pytest.mark.parametrize("name", CHOOSING)
def test_they_take_what_is_sharp(name, make_model, make_batch):
    model, batch = make_model(name, is_train=False), make_batch(height=96, width=128)
    fused = fuse_images(model, batch["A"], batch["B"])
    error, of_average = ((image - batch["GT"]).square().mean() for image in (fused, (batch["A"] + batch["B"]) / 2))
    assert error < 0.5 * of_average


def test_average_and_maximum(make_model, make_batch):
    batch = make_batch()
    a, b = batch["A"], batch["B"]
    assert torch.equal(fuse_images(make_model("average", is_train=False), a, b), (a + b) / 2)
    assert torch.equal(fuse_images(make_model("maximum", is_train=False), a, b), torch.maximum(a, b))


def test_focus_selects_pixels(make_model, make_batch):
    model, batch = make_model("focus", "--focus_radius", "3", is_train=False), make_batch(height=64, width=96)
    decision = explain_images(model, batch)["decision"]
    assert decision[..., :40].mean() > 0.99 and decision[..., -40:].mean() < 0.01  # A is sharp on the left
    expected = torch.where(decision == 1, batch["A"], batch["B"])
    assert torch.equal(fuse_images(model, batch["A"], batch["B"]), expected)


def test_guided_shows_its_weights(make_model, make_batch):
    maps = explain_images(make_model("guided", is_train=False), make_batch(height=64, width=96))
    assert list(maps) == ["base_A", "detail_A"]
    assert maps["detail_A"][..., :32].mean() > 0.8 and maps["detail_A"][..., -32:].mean() < 0.2


def test_mean_in_window_is_opencvs_inside(photograph):
    ones = np.ones_like(photograph)
    sums = cv2.boxFilter(photograph, -1, (13, 13), normalize=False, borderType=cv2.BORDER_CONSTANT)
    counts = cv2.boxFilter(ones, -1, (13, 13), normalize=False, borderType=cv2.BORDER_CONSTANT)
    np.testing.assert_allclose(mean_in_window(as_tensor(photograph), 6)[0, 0], sums / counts, rtol=0, atol=1e-5)


def test_a_window_larger_than_the_picture_sees_it_whole(photograph):
    mean = mean_in_window(as_tensor(photograph), 400)
    np.testing.assert_allclose(mean, photograph.mean(), rtol=1e-6)


@pytest.mark.parametrize("taps", [TAPS, (0.25, 0.5, 0.25)])
def test_separable_filter_is_opencvs(taps, photograph):
    expected = cv2.sepFilter2D(photograph, -1, np.array(taps), np.array(taps), borderType=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(filter_separably(as_tensor(photograph), torch.tensor(taps))[0, 0], expected, atol=1e-6)


def test_guided_filter_follows_its_equations(photograph):
    """Written once more, window by window, in float64."""
    guide, image, radius, epsilon = photograph[:20, :24].astype(float), photograph[20:40, :24].astype(float), 3, 0.01
    height, width = guide.shape

    def window(values, row, column):
        return values[max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1]

    slope, offset = np.zeros_like(guide), np.zeros_like(guide)
    for row, column in np.ndindex(height, width):
        seen, wanted = window(guide, row, column), window(image, row, column)
        slope[row, column] = ((seen * wanted).mean() - seen.mean() * wanted.mean()) / (seen.var() + epsilon)
        offset[row, column] = wanted.mean() - slope[row, column] * seen.mean()
    expected = [
        window(slope, *place).mean() * guide[place] + window(offset, *place).mean()
        for place in np.ndindex(height, width)
    ]
    ours = filter_guided(as_tensor(image), as_tensor(guide), radius, epsilon)
    np.testing.assert_allclose(ours.flatten(), expected, rtol=0, atol=1e-9)


def test_saliency_is_a_smoothed_laplacian(photograph):
    laplacian = np.abs(cv2.Laplacian(photograph, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REPLICATE))
    expected = cv2.GaussianBlur(laplacian, (11, 11), 5, borderType=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(measure_saliency(as_tensor(photograph))[0, 0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(75, 106), (1, 1), (2, 3), (64, 64), (33, 5)])
def test_a_pyramid_gives_its_picture_back(size):
    image = torch.rand(1, 3, *size)
    details, rest = decompose(image, 5)
    for detail in reversed(details):
        rest = expand(rest, detail.shape[-2:]) + detail
    torch.testing.assert_close(rest, image, rtol=0, atol=1e-6)


def test_a_flat_picture_has_no_details():
    details, rest = decompose(torch.full((1, 1, 37, 50), 0.3), 4)
    assert len(details) == 4 and all(detail.abs().max() < 1e-6 for detail in details)
    torch.testing.assert_close(rest, torch.full_like(rest, 0.3))


def test_wavelets_are_pywavelets(make_model, make_batch):
    """Where A is more active everywhere, its details are taken and only the approximation is the mean of both."""
    batch = make_batch(1, 64, 64)
    a, b = batch["GT"], torch.full_like(batch["GT"], 0.5)
    fused = make_model("dwt", "--wavelet", "sym4", "--wavelet_levels", "2", is_train=False).fuse(a, b)
    rest, *details = pywt.wavedec2(a.numpy(), "sym4", "symmetric", 2)
    flat = pywt.wavedec2(b.numpy(), "sym4", "symmetric", 2)[0]
    expected = pywt.waverec2([(rest + flat) / 2, *details], "sym4", "symmetric")
    torch.testing.assert_close(fused, torch.from_numpy(expected), rtol=0, atol=1e-5)


def test_an_unknown_wavelet_is_refused(make_options):
    with pytest.raises(UserError, match="no wavelet is called 'db2x'; the nearest is 'db2'"):
        make_options("dwt", "--wavelet", "db2x", is_train=False)


@pytest.mark.parametrize("name", CLASSICS)
def test_nothing_can_be_trained(name, make_options):
    with pytest.raises(UserError, match=f"--model {name} has nothing to learn"):
        make_options(name)
