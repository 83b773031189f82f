"""Piella's, Cvejic's and Yang's indices against windows taken one by one, closed forms and invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metrics import find_metric, score

NAMES = ("Q_S", "Q_W", "Q_E", "Q_C", "Q_Y")


def draw(seed: int, height: int = 20, width: int = 17) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed).normal(0, 20, (height, width))
    return np.clip(np.rint(120 + 70 * np.sin(x / (2 + seed) + y / 5) + noise), 0, 255).astype(np.uint8)


def values(*images) -> dict[str, float]:
    return score([find_metric(name) for name in NAMES], *images)


def windows(images, weights):
    """Yield means, variances and covariances (A,F), (B,F), (A,B) of each window, summed as the formulas say."""
    size = len(weights)
    for y in range(images[0].shape[0] - size + 1):
        for x in range(images[0].shape[1] - size + 1):
            parts = [image[y:y + size, x:x + size].astype(float) for image in images]
            means = [(weights * part).sum() for part in parts]
            rest = [part - mean for part, mean in zip(parts, means, strict=True)]
            covariance = [(weights * rest[i] * rest[j]).sum() for i, j in ((0, 2), (1, 2), (0, 1))]
            yield means, [(weights * part**2).sum() for part in rest], covariance


def index(means, variances, covariance, c) -> float:
    top = (2 * means[0] * means[1] + c) * (2 * covariance + c)
    return top / ((means[0] ** 2 + means[1] ** 2 + c) * (variances[0] + variances[1] + c))


def piella_by_windows(images) -> tuple[float, float]:
    qualities, weights = [], []
    for m, v, c in windows(images, np.full((8, 8), 1 / 64)):
        constant = (255e-6) ** 2
        share = v[0] / (v[0] + v[1])
        quality_a, quality_b = (index((m[k], m[2]), (v[k], v[2]), c[k], constant) for k in (0, 1))
        qualities.append(share * quality_a + (1 - share) * quality_b)
        weights.append(max(v[0], v[1]))
    return np.mean(qualities), np.average(qualities, weights=weights)


def prewitt(image) -> np.ndarray:
    padded = np.pad(image.astype(float), 1)
    columns, rows = padded[:, 2:] - padded[:, :-2], padded[2:] - padded[:-2]
    across = columns[:-2] + columns[1:-1] + columns[2:]
    down = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return np.hypot(across, down)


def test_piella_by_windows():
    images = draw(1), draw(2), draw(3)
    found = values(*images)
    q_s, q_w = piella_by_windows(images)
    assert found["Q_S"] == pytest.approx(q_s, rel=1e-10) and found["Q_W"] == pytest.approx(q_w, rel=1e-10)
    edges = piella_by_windows([prewitt(image) for image in images])[1]
    assert found["Q_E"] == pytest.approx(q_w * edges, rel=1e-10)


def test_cvejic_and_yang_by_windows():
    images = draw(1), draw(1) // 2 + draw(2) // 2, draw(3) // 3 + draw(1) // 2
    line = np.exp(-((np.arange(7) - 3) ** 2) / 4.5)
    weights = np.outer(line, line) / line.sum() ** 2
    cvejic, yang, compat, alike = [], [], [], []
    for m, v, c in windows(images, weights):
        quality_a, quality_b = (index((m[k], m[2]), (v[k], v[2]), c[k], 2e-16) for k in (0, 1))
        share = c[0] / (c[0] + c[1])
        clipped = min(max(share, 0), 1)
        cvejic.append(clipped * quality_a + (1 - clipped) * quality_b)
        compat.append(cvejic[-1] if share == clipped else clipped)
        alike.append(index(m[:2], v[:2], c[2], 2e-16) >= 0.75)
        share = v[0] / (v[0] + v[1])
        yang.append(share * quality_a + (1 - share) * quality_b if alike[-1] else max(quality_a, quality_b))
    assert any(alike) and not all(alike)
    found = values(*images)
    assert found["Q_C"] == pytest.approx(np.mean(cvejic), rel=1e-9)
    assert found["Q_Y"] == pytest.approx(np.mean(yang), rel=1e-9)
    assert score([find_metric("Q_C_compat")], *images)["Q_C_compat"] == pytest.approx(np.mean(compat), rel=1e-9)


def test_limits_and_swapped_sources():
    a, b, fused = draw(1, 40, 31), draw(2, 40, 31), draw(3, 40, 31)
    assert set(values(a, a, a).values()) == {1.0}
    assert values(a, b, fused) == pytest.approx(values(b, a, fused), rel=1e-12)
    assert values(a, b, a)["Q_Y"] > 0.9, "Yang's index is content with the better source"


def test_flat_windows_give_no_noise():
    # Levels whose weighted means are not exact: rounding must decide nothing.
    a, b, fused = (np.full((40, 30), level, np.uint8) for level in (100, 200, 150))
    luminance = [2 * x * 150 / (x * x + 150 * 150) for x in (100, 200)]
    found = values(a, b, fused)
    assert [found[name] for name in ("Q_S", "Q_W", "Q_C")] == pytest.approx([sum(luminance) / 2] * 3, rel=1e-9)
    assert found["Q_Y"] == pytest.approx(sum(luminance) / 2 if 2 * 100 * 200 / 50000 >= 0.75 else max(luminance))
    # A flat source has no say where the other has any contrast.
    textured = draw(1, 40, 30)
    found = values(a, textured, textured)
    assert found["Q_S"] == pytest.approx(1) and found["Q_Y"] == pytest.approx(1) and found["Q_C"] == pytest.approx(1)


def test_common_code_has_no_value_for_black_images():
    black = np.zeros((20, 20), np.uint8)
    assert math.isnan(score([find_metric("Q_C_compat")], black, black, black)["Q_C_compat"])
    assert set(values(black, black, black).values()) == {1.0}


def test_names_of_papers():
    assert find_metric("Q0") is find_metric("Piella") is find_metric("Q_S")
