"""Metrics of the fused image's own steps: closed forms, numpy and scipy, and what must not change a value."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import sobel

from metrics import find_metric, score
from metrics.shared import STRIP

NAMES = ["SF", "AG", "DF", "EI"]


def noise(seed: int, height: int = 48, width: int = 37, high: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, high, (height, width), dtype=np.uint8)


def scores(image) -> dict[str, float]:
    return score([find_metric(name) for name in NAMES], image, image, image)


def written_out(image: np.ndarray) -> dict[str, float]:
    levels = image.astype(float)
    height, width = levels.shape
    down, right = np.diff(levels, axis=0), np.diff(levels, axis=1)
    slope_y, slope_x = np.gradient(levels)
    inner = (height - 1) * (width - 1)
    edge = np.hypot(sobel(levels, 0, mode="nearest"), sobel(levels, 1, mode="nearest"))
    return {
        "SF": math.sqrt(((down**2).sum() + (right**2).sum()) / levels.size),
        "AG": np.sqrt((slope_x**2 + slope_y**2) / 2).sum() / inner,
        "DF": np.sqrt((down[:, :-1] ** 2 + right[:-1] ** 2) / 2).sum() / inner,
        "EI": edge.mean(),
    }


@pytest.mark.parametrize(("height", "width"), [(48, 37), (2, 2), (2, 300), (300, 2), (3, STRIP + 5), (517, 400)])
def test_formulas_written_out(height, width):
    image = noise(1, height, width)
    assert scores(image) == pytest.approx(written_out(image), rel=1e-12)


def test_closed_forms():
    rows, columns = 40, 50
    across = np.tile(np.arange(0, 4 * columns, 4, dtype=np.uint8), (rows, 1))
    found = scores(across)
    assert found["SF"] == pytest.approx(4 * math.sqrt((columns - 1) / columns), rel=1e-12)
    assert found["DF"] == pytest.approx(4 / math.sqrt(2), rel=1e-12)
    assert found["AG"] == pytest.approx(4 / math.sqrt(2) * rows * columns / ((rows - 1) * (columns - 1)), rel=1e-12)
    # Sobel of a ramp is 8 times its step, and half of that on both sides, where the border is repeated.
    assert found["EI"] == pytest.approx(32 * (columns - 1) / columns, rel=1e-12)
    board = (np.indices((rows, columns)).sum(axis=0) % 2 * 255).astype(np.uint8)
    found = scores(board)
    assert found["SF"] == pytest.approx(255 * math.sqrt(2 - 1 / rows - 1 / columns), rel=1e-12)
    assert found["DF"] == pytest.approx(255, rel=1e-12)
    assert scores(np.full((9, 7), 200, np.uint8)) == dict.fromkeys(NAMES, 0.0)


def test_a_shift_a_mirror_and_a_turn_change_nothing():
    image = noise(2, high=150)
    expected = scores(image)
    assert scores(image + 100) == pytest.approx(expected, rel=1e-12)
    for other in (image.T, image[::-1], image[:, ::-1]):
        found = scores(other)
        assert {name: found[name] for name in ("SF", "AG", "EI")} == pytest.approx(
            {name: expected[name] for name in ("SF", "AG", "EI")}, rel=1e-12)
    assert scores(image.T)["DF"] == pytest.approx(expected["DF"], rel=1e-12)


def test_levels_scale_the_values():
    image = noise(3, high=60)
    doubled = scores(image * 2)
    assert doubled == pytest.approx({name: 2 * value for name, value in scores(image).items()}, rel=1e-12)
