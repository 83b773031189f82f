"""Tell a strip of panels from a photograph that merely has a strip's shape (2:1, as those of Cityscapes have)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from data.pairing import Pair
from util.errors import UserError
from util.image_io import read_pixels, read_size, to_float

_SAMPLE = 16  # strips looked at
_FEW = 8  # images looked at where the shape alone says nothing
# Median likeness that makes images strips of so many panels: the least in strongly blurred triplets is 0.2 and more,
# thirds of photographs have 0.05, and halves 0.1 where a horizon runs through both.
_SURE = {3: 0.15, 2: 0.3}
_WIDE = 48  # pixels, the side of a panel below which edges say too little
_LEAST = 0.08  # median likeness: halves of ordinary photographs have 0.01, infrared and visible images 0.2 and more


def refuse_unlike_panels(pairs: Sequence[Pair], folder: Path) -> None:
    """Refuse images whose panels, in the median, do not show the same edges.

    Raises:
        UserError: they look like photographs; ``--panels`` or a named ``--dataset_mode`` overrules.
    """
    likeness = []
    for pair in pairs[:: max(1, len(pairs) // _SAMPLE)]:
        try:
            strip = read_pixels(pair.a)
        except UserError:
            continue  # the check of the whole dataset names it
        if strip.shape[1] % pair.panels == 0:
            likeness.append(edge_likeness(*np.split(strip, pair.panels, axis=1)[:2]))
    if likeness and statistics.median(likeness) < _LEAST:
        count = pairs[0].panels
        raise UserError(
            f"the images in {folder} have the shape of strips of {count} panels, but these do not show one scene; "
            f"if they are strips say --panels {count}, otherwise name two folders with --dir_A and --dir_B"
        )


def count_panels(images: Sequence[Path]) -> int:
    """Count the panels of the strips in a folder: 3 for [A|B|GT], 2 for [A|B], 0 where the images are no strips.

    Panels of one scene have their edges in the same places. Where these say too little (tiny panels, other modalities)
    square panels are told by the shape.
    """
    sizes = {}
    for path in images:
        try:
            sizes[path] = read_size(path)
        except UserError:
            continue  # the check of the whole dataset names it
        if len(sizes) == _FEW:
            break
    for panels in (3, 2):
        likeness = [
            _least_likeness(path, panels)
            for path, (width, height) in sizes.items()
            if width % panels == 0 and min(width // panels, height) >= _WIDE
        ]
        if likeness and statistics.median(likeness) >= _SURE[panels]:
            return panels
    width, height = next(iter(sizes.values()), (0, 1))
    return width // height if width % height == 0 and width // height in (2, 3) else 0


def _least_likeness(path: Path, panels: int) -> float:
    try:
        first, *others = np.split(read_pixels(path), panels, axis=1)
    except UserError:
        return 0.0
    return min(edge_likeness(first, other) for other in others)


def edge_likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Correlate the gradient magnitudes of two images of one size, coarse brightness of edges removed; in [-1, 1].

    Args:
        first, second: as ``util.image_io.read_pixels`` gives them, (H, W) or (H, W, 3).
    """
    edges = [_edges(image) for image in (first, second)]
    norm = float(np.linalg.norm(edges[0]) * np.linalg.norm(edges[1]))
    return float(np.vdot(edges[0], edges[1])) / norm if norm else 0.0


def _edges(image: np.ndarray) -> np.ndarray:
    gray = to_float(image)
    gray = gray if gray.ndim == 2 else gray.mean(axis=2)
    small = cv2.resize(gray, (128, 128), interpolation=cv2.INTER_AREA)
    magnitude = np.hypot(cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1))
    # A street has its edges in the lower half of both panels: only their exact places count.
    magnitude -= cv2.GaussianBlur(magnitude, (0, 0), 12)
    return magnitude - magnitude.mean()
