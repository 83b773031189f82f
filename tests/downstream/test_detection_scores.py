"""mAP@.5 against worked examples and pycocotools."""

from __future__ import annotations

import numpy as np
import pytest

from downstream.detection import DetectionScore, Found, average_precision, match_boxes, measure_overlaps
from downstream.labels import Boxes


def make_boxes(corners, labels=None, ignored=(), crowd=()) -> Boxes:
    corners = np.array(corners, float).reshape(-1, 4)
    numbers = np.arange(len(corners))
    labels = np.ones(len(corners), np.int64) if labels is None else np.array(labels, np.int64)
    return Boxes(corners, labels, np.isin(numbers, (*ignored, *crowd)), np.isin(numbers, crowd))


# Worked by hand ---------------------------------------------------------------------------------------------------


def test_overlaps_of_boxes():
    overlaps = measure_overlaps([[0, 0, 10, 10]], [[0, 0, 10, 10], [5, 0, 15, 10], [0, 0, 10, 5], [10, 0, 20, 10]])
    assert overlaps.tolist() == [[1.0, 50 / 150, 0.5, 0.0]]
    assert measure_overlaps([[5, 0, 15, 10]], [[0, 0, 100, 100], [0, 0, 10, 10]], of_first=True).tolist() == [[1, 0.5]]


@pytest.mark.parametrize(
    ("correct", "objects", "expected"),
    [
        ([1, 1], 2, 1.0),
        ([1, 0, 1], 2, (1 + 2 / 3) / 2),
        ([0, 1, 1], 2, 2 / 3),  # the precision is made to fall: 0, 1/2, 2/3 becomes 2/3 all along
        ([1, 0, 0, 1, 1], 4, (1 + 3 / 5 + 3 / 5) / 4),  # one object is never found
        ([0, 0], 3, 0.0),
        ([], 3, 0.0),
    ],
)
def test_area_under_the_curve(correct, objects, expected):
    assert average_precision(np.array(correct, bool), objects) == pytest.approx(expected, abs=1e-15)


def test_a_class_without_objects_has_no_precision():
    assert np.isnan(average_precision(np.array([False]), 0))


def test_an_object_is_found_once():
    boxes = make_boxes([[0, 0, 10, 10]])
    assert match_boxes(boxes, np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10.0]])).tolist() == [1, 0, 0]


def test_half_is_enough_and_less_is_not():
    boxes = make_boxes([[0, 0, 10, 10]])
    assert match_boxes(boxes, np.array([[0, 0, 10, 5.0]])).tolist() == [1]
    assert match_boxes(boxes, np.array([[0, 0, 10, 4.99]])).tolist() == [0]


def test_a_box_is_for_the_object_that_it_overlaps_most():
    # VOC: the second box overlaps the right object by more than half, but is for the left one, which has been found.
    boxes = make_boxes([[0, 0, 10, 10], [2, 0, 12, 10]])
    assert match_boxes(boxes, np.array([[0, 0, 10, 10], [0.5, 0, 10.5, 10]])).tolist() == [1, 0]


def test_difficult_objects_and_crowds_count_neither_way():
    boxes = make_boxes([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 80, 40]], ignored=[1], crowd=[2])
    right, difficult = [[0, 0, 10, 10]], [[20, 0, 30, 10], [20, 0, 30, 9]]
    in_crowd, wrong = [[50, 5, 55, 10], [76, 0, 84, 10]], [[79, 0, 90, 10]]
    assert match_boxes(boxes, np.array(right + difficult + in_crowd + wrong)).tolist() == [1, -1, -1, -1, -1, 0]


def test_mean_over_classes_that_have_objects():
    score = DetectionScore({1: "car", 2: "lamp", 3: "bus"})
    truth = make_boxes([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], labels=[1, 1, 2])
    corners = np.array([[40, 0, 50, 10], [0, 0, 10, 10], [70, 0, 80, 10], [0, 30, 9, 39.0]])
    score.add(truth, Found(corners, np.array([2, 1, 1, 3]), np.array([0.3, 0.9, 0.95, 0.99])))
    score.add(make_boxes([]), Found(np.array([[0, 0, 5, 5.0]]), np.array([2]), np.array([0.2])))
    summary = score.summary()
    # car: wrong (0.95), right (0.9), and one of two never found: 1/2 of precision 1/2; lamp: right, then wrong.
    assert summary.classes["car"] == {"value": 0.25, "objects": 2, "detections": 2}
    assert summary.classes["lamp"] == {"value": 1.0, "objects": 1, "detections": 2}
    assert np.isnan(summary.classes["bus"]["value"]) and summary.classes["bus"]["detections"] == 1
    assert summary.mean == 0.625


# Against pycocotools ----------------------------------------------------------------------------------------------


def make_random_scenes(generator, scenes: int = 12, classes: int = 3):
    """Return [(truth, found)]: objects in cells of their own, jittered and doubled detections, false ones, crowds."""
    result = []
    for _ in range(scenes):
        corners, labels, crowd, found, numbers = [], [], [], [], []
        for place in range(16):
            left, top = 50.0 * (place % 4), 50.0 * (place // 4)
            kind, number = generator.random(), int(generator.integers(1, classes + 1))
            width, height = generator.uniform(12, 40, 2)
            box = np.array([left, top, left + width, top + height])
            if kind < 0.6:
                corners.append(box)
                labels.append(number)
            elif kind < 0.7:
                crowd.append(len(corners))
                corners.append(np.array([left, top, left + 45, top + 45]))
                labels.append(number)
            for _ in range(int(generator.integers(0, 4))):
                shifted = box + generator.normal(0, 4, 4)
                if (shifted[2:] > shifted[:2] + 1).all():
                    found.append(shifted)
                    numbers.append(number if generator.random() < 0.8 else int(generator.integers(1, classes + 1)))
        scores = generator.random(len(found))
        truth = make_boxes(corners, labels, crowd=crowd)
        result.append((truth, Found(np.array(found).reshape(-1, 4), np.array(numbers, np.int64), scores)))
    return result


def evaluate_by_pycocotools(scenes, number: int, recalls: np.ndarray) -> float:
    """Return the mean over ``recalls`` of pycocotools' interpolated precision at IoU 0.5, of one class."""
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is in requirements-test.txt")
    from pycocotools.cocoeval import COCOeval

    truths, results = [], []
    for image, (truth, found) in enumerate(scenes):
        for box, label, crowd in zip(truth.corners, truth.labels, truth.crowd, strict=True):
            left, top, right, bottom = box.tolist()
            row = {"image_id": image, "category_id": int(label), "bbox": [left, top, right - left, bottom - top]}
            area = (right - left) * (bottom - top)
            truths.append({**row, "id": len(truths) + 1, "area": area, "iscrowd": int(crowd)})
        for box, label, score in zip(found.corners, found.labels, found.scores, strict=True):
            left, top, right, bottom = box.tolist()
            row = {"image_id": image, "category_id": int(label), "bbox": [left, top, right - left, bottom - top]}
            results.append({**row, "score": float(score)})
    ground = coco.COCO()
    ground.dataset = {
        "info": {},
        "images": [{"id": image} for image in range(len(scenes))],
        "annotations": truths,
        "categories": [{"id": label} for label in (1, 2, 3)],
    }
    ground.createIndex()
    evaluation = COCOeval(ground, ground.loadRes(results), "bbox")
    evaluation.params.catIds, evaluation.params.iouThrs = [number], np.array([0.5])
    evaluation.params.maxDets, evaluation.params.recThrs = [10000], recalls
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    return float(evaluation.eval["precision"].mean())


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_pycocotools(seed):
    """Recalls half-way between the steps of 1 / objects make pycocotools' mean the whole area, and no sample of it."""
    scenes = make_random_scenes(np.random.default_rng(seed))
    score = DetectionScore({1: "a", 2: "b", 3: "c"})
    for truth, found in scenes:
        score.add(truth, found)
    for number, (_, row) in enumerate(score.summary().classes.items(), start=1):
        recalls = (np.arange(row["objects"]) + 0.5) / row["objects"]
        assert 0.05 < row["value"] < 0.99
        assert row["value"] == pytest.approx(evaluate_by_pycocotools(scenes, number, recalls), abs=1e-12)
        # COCO's own mean over 101 recalls is close, and what the page says of the difference is true.
        sampled = evaluate_by_pycocotools(scenes, number, np.linspace(0, 1, 101))
        assert 0 < abs(row["value"] - sampled) < 0.02
