"""Metrics of gradients and wavelets against pixels taken one by one, closed forms and invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metrics import find_metric, score

ALL = ("Qabf", "Qabf_tie1", "Q_G", "Q_G_nowrap", "Q_SF", "Qabf_petrovic", "Labf", "Nabf", "Nabf_petrovic", "Q_M")


def draw(seed: int, height: int = 19, width: int = 23) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed).normal(0, 9, (height, width))
    scene = np.clip(np.rint(120 + 80 * np.sin(x / (2 + seed) + y / 5) + noise), 0, 255).astype(np.uint8)
    scene[3:9, 4:12] = 200  # without gradients, and with upright edges
    return scene


def values(*images, names=ALL) -> dict[str, float]:
    return score([find_metric(name) for name in names], *images)


def sobel(image, mode: str):
    """Responses (right minus left, upper minus lower) of each pixel."""
    padded = np.pad(image.astype(float), 1, mode=mode)
    height, width = image.shape
    x, y = np.zeros((2, height, width))
    for row in range(height):
        for column in range(width):
            part = padded[row:row + 3, column:column + 3]
            x[row, column] = ((part[:, 2] - part[:, 0]) * (1, 2, 1)).sum()
            y[row, column] = ((part[0] - part[2]) * (1, 2, 1)).sum()
    return x, y


def test_qabf_pixel_by_pixel():
    images = draw(1), draw(2), np.maximum(draw(1), draw(2))
    gradients = [sobel(image, "constant") for image in images]
    kept, kept_paper, weights, ties = 0.0, 0.0, 0.0, 0
    for pixel in np.ndindex(images[0].shape):
        x, y = zip(*((g[0][pixel], g[1][pixel]) for g in gradients), strict=True)
        strength = [math.hypot(*p) for p in zip(x, y, strict=True)]
        angle = [math.pi / 2 if dx == 0 else math.atan(dy / dx) for dx, dy in zip(x, y, strict=True)]
        for k in (0, 1):
            tied = x[k] ** 2 + y[k] ** 2 == x[2] ** 2 + y[2] ** 2
            ties += tied
            direction = 0.9879 / (1 + math.exp(-22 * (1 - abs(angle[k] - angle[2]) / (math.pi / 2) - 0.8)))
            for rule in ("code", "paper"):
                ratio = strength[2] if rule == "code" else 1
                if not tied:
                    ratio = min(strength[k], strength[2]) / max(strength[k], strength[2])
                quality = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5))) * direction * strength[k]
                kept, kept_paper = (kept + quality, kept_paper) if rule == "code" else (kept, kept_paper + quality)
            weights += strength[k]
    found = values(*images)
    assert ties > 20
    assert found["Qabf"] == pytest.approx(kept / weights, rel=1e-11)
    assert found["Qabf_tie1"] == pytest.approx(kept_paper / weights, rel=1e-11)


def test_petrovic_pixel_by_pixel():
    images = draw(1), draw(2), draw(3)
    gradients = [sobel(image, "reflect") for image in images]
    sums, weights = np.zeros(4), 0.0
    for pixel in np.ndindex(images[0].shape):
        x, y = zip(*((g[0][pixel] / 8, g[1][pixel] / 8) for g in gradients), strict=True)
        strength = [math.hypot(*p) for p in zip(x, y, strict=True)]
        quality, weight = [], []
        for k in (0, 1):
            ratio = 0 if 0 in (strength[k], strength[2]) else min(strength[k] / strength[2], strength[2] / strength[k])
            # Directions agree up to half a turn: the cosine of their difference, whatever its sign.
            size = strength[k] * strength[2]
            cosine = abs(x[k] * x[2] + y[k] * y[2]) / size if size else None
            if cosine is None:
                angle = [math.atan2(x[i], y[i]) % math.pi if strength[i] else 0 for i in (k, 2)]
                cosine = abs(math.cos(angle[0] - angle[1]))
            agreement = 1 - math.acos(min(cosine, 1)) / (math.pi / 2)
            quality.append(math.sqrt(0.9999 / (1 + math.exp(-19 * (ratio - 0.5)))
                                     * 0.9995 / (1 + math.exp(-22 * (agreement - 0.5)))))
            weight.append(strength[k] ** 1.5 if strength[k] >= 2 else 0.001)
        kept, missing = np.dot(quality, weight), np.dot(np.subtract(1, quality), weight)
        joined = strength[2] > max(strength[:2])
        sums += kept, missing * (not joined), missing * joined, joined * (2 - sum(quality)) * sum(weight)
        weights += sum(weight)
    found = values(*images)
    names = ("Qabf_petrovic", "Labf", "Nabf", "Nabf_petrovic")
    assert [found[name] for name in names] == pytest.approx(sums / weights, rel=1e-6)
    assert found["Nabf"] > 0.001


def test_kept_lost_and_joined_make_up_all():
    found = values(draw(1), draw(2), draw(3))
    assert found["Qabf_petrovic"] + found["Labf"] + found["Nabf"] == pytest.approx(1, rel=1e-14)


def test_a_perfect_copy():
    found = values(draw(1), draw(1), draw(1))
    sigmoid = 1 / (1 + math.exp(-5))
    assert found["Q_G"] == pytest.approx(sigmoid**2, rel=1e-12) == found["Q_G_nowrap"]
    tie = 0.9994 / (1 + math.exp(-7.5)) * 0.9879 / (1 + math.exp(-4.4))
    assert found["Qabf_tie1"] == pytest.approx(tie, rel=1e-12)
    assert found["Qabf"] == pytest.approx(0.9994 * 0.9879 / (1 + math.exp(-4.4)), rel=1e-4)
    assert found["Nabf"] == found["Nabf_petrovic"] == found["Q_SF"] == 0
    assert found["Q_M"] == pytest.approx(1, rel=1e-14)


def test_swapped_sources_and_shifted_levels():
    a, b, fused = (image // 2 for image in (draw(1), draw(2), draw(3)))
    found = values(a, b, fused)
    # The toolbox guards F against 0 only after it has judged A.
    assert values(b, a, fused) == pytest.approx(found, rel=1e-6)
    mirrored = ("Q_SF", "Qabf_petrovic", "Labf", "Nabf", "Nabf_petrovic", "Q_M")  # no frame of zeros
    assert {name: values(a + 9, b + 9, fused + 9)[name] for name in mirrored} == pytest.approx(
        {name: found[name] for name in mirrored}, rel=1e-12)


def test_frequency_error_of_a_chessboard():
    # Every step across and down is 1 in A and 3 in F, the diagonals are flat.
    board = (np.indices((12, 14)).sum(axis=0) % 2).astype(np.uint8)
    assert values(board, board * 0, board * 3)["Q_SF"] == pytest.approx(2)
    assert values(board, board * 0, board * 0)["Q_SF"] == -1
    assert math.isnan(values(board * 0, board * 0, board)["Q_SF"])


def test_details_of_a_wavelet_by_hand():
    # Blocks of 4x4 with one step at each level: down by 6 within pairs of rows, and by 20 between the pairs.
    block = np.array([30, 36, 50, 56], np.uint8)
    a = np.tile(np.repeat(block[:, None], 4, axis=1), (2, 2))
    fused = np.full_like(a, 43)
    # Orthonormal Haar: a detail is half the difference of two sums of two pixels.
    first, second = -6.0, (2 * (30 + 36) - 2 * (50 + 56)) / 2
    expected = [(2 + math.exp(-abs(detail))) / 3 for detail in (first, second)]
    assert values(a, a, fused)["Q_M"] == pytest.approx(expected[0] ** (2 / 3) * expected[1] ** (1 / 3), rel=1e-12)
    # An odd row and column at the end are left out.
    wider = [np.pad(image, ((0, 1), (0, 1)), constant_values=255) for image in (a, a, fused)]
    assert values(*wider)["Q_M"] == values(a, a, fused)["Q_M"]


def test_black_sources_have_no_gradient_to_keep(capsys):
    black = np.zeros((9, 9), np.uint8)
    assert math.isnan(values(black, black, black + 5)["Qabf"])
    assert "Qabf is nan: A and B are black" in capsys.readouterr().err
