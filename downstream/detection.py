"""mAP@.5: how well found boxes agree with labelled ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from downstream.labels import Boxes
from downstream.summary import Summary

OVERLAP = 0.5  # intersection over union from which a box is found
DEFINITION = (
    "mAP@.5: the mean over the classes that have objects of the average precision at an intersection over union of "
    "0.5, the whole area under the precision-recall curve (PASCAL VOC 2010 and later); an object is found once, and "
    "difficult objects and crowds count neither way"
)


@dataclass(frozen=True)
class Found:
    """What a detector found in one picture: corners as in ``Boxes``, class numbers and scores, (n, 4), (n,), (n,)."""

    corners: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


@dataclass
class DetectionScore:
    """Gathers what was found in all pictures and scores it.

    Attributes:
        classes: {number: name} of those that are scored.
    """

    classes: dict[int, str]
    _objects: dict[int, int] = field(default_factory=dict)
    _scores: dict[int, list[np.ndarray]] = field(default_factory=dict)
    _correct: dict[int, list[np.ndarray]] = field(default_factory=dict)

    def add(self, truth: Boxes, found: Found) -> None:
        """Count one picture."""
        for number in self.classes:
            labelled, ours = truth.labels == number, found.labels == number
            boxes = Boxes(**{name: values[labelled] for name, values in vars(truth).items()})
            order = np.argsort(-found.scores[ours], kind="stable")
            correct = match_boxes(boxes, found.corners[ours][order])
            counted = correct >= 0
            self._objects[number] = self._objects.get(number, 0) + int((~boxes.ignored).sum())
            self._scores.setdefault(number, []).append(found.scores[ours][order][counted])
            self._correct.setdefault(number, []).append(correct[counted] == 1)

    def summary(self) -> Summary:
        """Return the average precision of each class and their mean."""
        rows = {}
        for number, name in self.classes.items():
            scores = np.concatenate(self._scores.get(number, [np.empty(0)]))
            correct = np.concatenate(self._correct.get(number, [np.empty(0, bool)]))
            objects = self._objects.get(number, 0)
            precision = average_precision(correct[np.argsort(-scores, kind="stable")], objects)
            rows[name] = {"value": precision, "objects": objects, "detections": len(scores)}
        return Summary.of(rows)


def match_boxes(boxes: Boxes, corners: np.ndarray) -> np.ndarray:
    """Decide which of the boxes found in one picture are right, all of one class, the best score first.

    A box is for the object that it overlaps most, if by half or more. The first for an object is right, any further one
    is wrong (VOC development kit, section 4.4). What is for a difficult object does not count; nor does what would be
    wrong and lies by half or more of its own area in a crowd (COCO).

    Args:
        boxes: labelled, n of them.
        corners: (m, 4).

    Returns:
        int8 (m,): 1 right, 0 wrong, -1 does not count.
    """
    single = ~boxes.crowd
    overlaps = measure_overlaps(corners, boxes.corners[single])
    in_crowd = (measure_overlaps(corners, boxes.corners[boxes.crowd], of_first=True) >= OVERLAP).any(1)
    difficult = boxes.ignored[single]
    taken = np.zeros(len(difficult), bool)
    result = np.zeros(len(corners), np.int8)
    for number, row in enumerate(overlaps):
        best = int(row.argmax()) if len(row) else -1
        if best >= 0 and row[best] >= OVERLAP and (difficult[best] or not taken[best]):
            result[number] = -1 if difficult[best] else 1
            taken[best] = True
        elif in_crowd[number]:
            result[number] = -1
    return result


def measure_overlaps(first: np.ndarray, second: np.ndarray, of_first: bool = False) -> np.ndarray:
    """Return intersection over union of each pair of boxes, or over the first one's area.

    Args:
        first, second: corners (n, 4) and (m, 4).

    Returns:
        float64 (n, m) in [0, 1].
    """
    first, second = np.asarray(first, np.float64)[:, None], np.asarray(second, np.float64)[None]
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    shared = np.clip(sides, 0, None).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(-1) for boxes in (first, second)]
    whole = areas[0] + 0 * areas[1] if of_first else areas[0] + areas[1] - shared
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


def average_precision(correct: np.ndarray, objects: int) -> float:
    """Return the area under the precision-recall curve, the precision made to fall (VOC 2010 and later, all points).

    Each object that is found raises the recall by 1 / ``objects``, at the best precision of this or any higher recall.

    Args:
        correct: bool (n,): whether each detection is right, the best score first.
        objects: how many there are to find; 0 gives NaN.

    >>> average_precision(np.array([True, False, True]), 2)
    0.8333333333333333
    """
    if objects == 0:
        return float("nan")
    precision = np.cumsum(correct) / np.arange(1, len(correct) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[np.asarray(correct, bool)].sum() / objects)
