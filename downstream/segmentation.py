"""mIoU: how well a predicted label map agrees with the labelled one."""

from __future__ import annotations

import numpy as np

from downstream.labels import IGNORED
from downstream.summary import Summary

DEFINITION = (
    "mIoU: the mean over the classes that occur in the labels, the background (index 0) among them, of intersection "
    "over union in pixels, from one confusion matrix over all pictures; pixels labelled 255 do not count"
)


class SegmentationScore:
    """Counts the pixels of all pictures and scores them; ``classes`` are the names, index 0 first."""

    def __init__(self, classes: tuple[str, ...]):
        self.classes = classes
        self.confusion = np.zeros((len(classes), len(classes)), np.int64)

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Count one picture: two label maps (H, W)."""
        self.confusion += count_pixels(truth, predicted, len(self.classes))

    def summary(self) -> Summary:
        """Return the intersection over union of each class and their mean."""
        values = intersection_over_union(self.confusion)
        pixels = self.confusion.sum(1)
        rows = {
            name: {"value": float(value), "pixels": int(count)}
            for name, value, count in zip(self.classes, values, pixels, strict=True)
        }
        return Summary.of(rows, confusion=self.confusion.tolist())


def count_pixels(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return the confusion matrix of one picture, int64 (classes, classes): labelled by row, predicted by column."""
    counted = truth != IGNORED
    places = truth[counted].astype(np.int64) * classes + predicted[counted]
    return np.bincount(places, minlength=classes * classes).reshape(classes, classes)


def intersection_over_union(confusion: np.ndarray) -> np.ndarray:
    """Return each class's intersection over union, float64 (classes,); NaN for a class without a labelled pixel.

    A class that occurs in predictions alone has no row: its pixels are missing from the classes they belong to.
    """
    shared, labelled = np.diag(confusion), confusion.sum(1)
    union = labelled + confusion.sum(0) - shared
    return np.divide(shared, union, out=np.full(len(confusion), np.nan), where=labelled > 0)
