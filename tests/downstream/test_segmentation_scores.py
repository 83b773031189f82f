"""mIoU against a worked example and scipy's Jaccard distance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jaccard

from downstream.segmentation import SegmentationScore, count_pixels, intersection_over_union


def test_worked_example():
    truth = np.array([[0, 0, 1, 1], [0, 255, 1, 2]], np.uint8)
    predicted = np.array([[0, 1, 1, 1], [0, 1, 2, 2]])
    confusion = count_pixels(truth, predicted, 3)
    assert confusion.tolist() == [[2, 1, 0], [0, 2, 1], [0, 0, 1]]
    assert intersection_over_union(confusion).tolist() == [2 / 3, 2 / 4, 1 / 2]


def test_a_class_that_is_only_predicted_has_no_value_and_costs_the_others():
    score = SegmentationScore(("ground", "car", "bike"))
    score.add(np.array([[0, 0, 0, 1]], np.uint8), np.array([[0, 0, 2, 1]]))
    summary = score.summary()
    values = {name: row["value"] for name, row in summary.classes.items()}
    assert values["ground"] == 2 / 3 and values["car"] == 1 and np.isnan(values["bike"])
    assert summary.mean == pytest.approx((2 / 3 + 1) / 2)
    assert summary.classes["ground"]["pixels"] == 3 and summary.more["confusion"][0] == [2, 0, 1]


def test_one_matrix_over_all_pictures_agrees_with_scipy():
    generator = np.random.default_rng(0)
    score, truths, predictions = SegmentationScore(tuple("abcde")), [], []
    for shape in ((20, 31), (7, 9), (40, 40)):
        truth = generator.choice([0, 1, 2, 3, 4, 255], shape, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1]).astype(np.uint8)
        predicted = np.where(generator.random(shape) < 0.6, np.minimum(truth, 4), generator.integers(0, 5, shape))
        score.add(truth, predicted)
        truths.append(truth[truth != 255])
        predictions.append(predicted[truth != 255])
    truth, predicted = np.concatenate(truths), np.concatenate(predictions)
    expected = [1 - jaccard(truth == number, predicted == number) for number in range(5)]
    summary = score.summary()
    assert [row["value"] for row in summary.classes.values()] == pytest.approx(expected, abs=1e-12)
    assert summary.mean == pytest.approx(np.mean(expected), abs=1e-12)
