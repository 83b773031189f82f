"""Every metric against reference values that other implementations gave, and against scikit-image."""

from __future__ import annotations

import json
import math
from functools import cache

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from metrics import find_metric, metric_names, score, to_gray8

TOLERANCE = 1e-9  # relative, float64


@cache
def read_golden(shared) -> dict:
    return json.loads((shared / "metrics" / "golden.json").read_text())


def read_levels(shared, name: str) -> np.ndarray:
    return np.asarray(Image.open(shared / "metrics" / "images" / name))


def read_triplets(shared):
    golden = read_golden(shared)
    for triplet, files in golden["triplets"].items():
        images = [read_levels(shared, files[label]) for label in "ABF"]
        yield triplet, *images, golden["values"][triplet]


@cache
def score_triplets(shared) -> dict[str, dict[str, float]]:
    """Return {triplet: {metric: value}} of all that needs no ground truth, each triplet scored in one go."""
    selected = [find_metric(name) for name in metric_names() if find_metric(name).needs != "gt"]
    return {triplet: score(selected, *images, reasons={}) for triplet, *images, _ in read_triplets(shared)}


# Looser where the definition itself is: atan and equality decide about pixels, contrast on black is noise, and the
# reference leaves flat windows to rounding.
TOLERANCES = {"Qabf": 1e-8, "Qabf_tie1": 1e-8, "Q_CB": 1e-5, "Q_P": 1e-8, "Q_C": 1e-6, "Q_C_compat": 1e-6, "Q_Y": 1e-6}
# On the black ground of a CT the windows hold what is left of filter tails, 1e-15 of the range, and are rescaled to
# [0, 1]: the last bits of the reference's own sums decide.
LOOSE = {("FMI_wavelet", "harvard_ctmri/mean"): 1e-6, ("FMI_wavelet", "harvard_ctmri/max"): 1e-6}
ABSOLUTE = 1e-12  # of values that are 0 in theory
NAMES = {"FMI_pixel": "FMI_none"}  # ours: the reference's


# Of what is kept for published tables, these have a canonical value too.
PUBLISHED = "Q_S_ssim Q_W_ssim Q_Wedge_ssim Q_E_ssim Q_C_compat Q_G_nowrap Q_TE_compat Q_TE_cvejic_compat".split()


def names_with_reference() -> list[str]:
    """All metrics that are no published variant and need no ground truth: none is left without a reference."""
    return [name for name in metric_names(compat=False) if find_metric(name).needs != "gt"] + PUBLISHED


@pytest.mark.parametrize("name", names_with_reference())
def test_metric_reaches_the_canonical_value_on_all_triplets(shared, name):
    compared = 0
    for triplet, scores in score_triplets(shared).items():
        expected = read_golden(shared)["values"][triplet][NAMES.get(name, name)]["canonical"]
        value = scores[name]
        if expected is None:
            assert math.isnan(value) or math.isinf(value), f"{triplet}: {value} where the reference has no value"
            continue
        tolerance = LOOSE.get((name, triplet), TOLERANCES.get(name, TOLERANCE))
        assert value == pytest.approx(expected, rel=tolerance, abs=ABSOLUTE), triplet
        compared += 1
    assert compared >= 12


def test_every_canonical_definition_is_there(shared):
    """What the reference defines and we do not must be named here."""
    known = {NAMES.get(name, name) for name in metric_names()}
    canonical = {
        name for values in read_golden(shared)["values"].values() for name, found in values.items()
        if "canonical" in found
    }
    assert canonical - known == set()


def test_ground_truth_scores_are_those_of_scikit_image(shared):
    metrics = pytest.importorskip("skimage.metrics")
    for triplet, a, b, fused, _ in read_triplets(shared):
        scores = score([find_metric("PSNR_GT"), find_metric("SSIM_GT")], a, b, fused, gt=a)
        if (a != fused).any():
            expected = metrics.peak_signal_noise_ratio(a, fused, data_range=255)
            assert scores["PSNR_GT"] == pytest.approx(expected, rel=TOLERANCE), triplet
        else:
            assert scores["PSNR_GT"] == float("inf")
        # scikit-image's mean leaves out the border that the window does not fit: the valid part.
        expected = metrics.structural_similarity(a.astype(float), fused.astype(float), gaussian_weights=True, sigma=1.5,
                                                 use_sample_covariance=False, data_range=255)
        assert scores["SSIM_GT"] == pytest.approx(expected, rel=TOLERANCE), triplet


def test_gray_levels_are_pillows_for_every_colour():
    green, blue = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8), indexing="ij")
    for red in range(0, 256, 5):
        image = np.stack([np.full_like(green, red), green, blue], axis=-1)
        expected = np.asarray(Image.fromarray(image).convert("L"))
        assert np.array_equal(to_gray8(image).numpy(), expected)
        # OpenCV rounds another way where a colour lies between two levels, and nowhere else.
        opencv = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        assert np.abs(opencv.astype(int) - expected).max() <= 1 and (opencv != expected).mean() < 0.01


def test_a_float_image_scores_as_the_file_that_is_written_of_it(tmp_path):
    image = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(3))
    written = np.floor(image.double().numpy().transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8)
    Image.fromarray(written).save(tmp_path / "fused.png")
    read = np.asarray(Image.open(tmp_path / "fused.png").convert("L"))
    assert np.array_equal(to_gray8(image).numpy(), read)
    assert np.array_equal(to_gray8(image.numpy().transpose(1, 2, 0)).numpy(), read)
    assert np.array_equal(to_gray8(image[None])[0].numpy(), read)
