"""The judges of fused images. Every name stands for one definition; ``--list metrics`` shows them all.

    selected = select("EN,MI", has_gt=False)
    scores = score(selected, to_gray8(a), to_gray8(b), to_gray8(fused))     # {"EN": 6.54, "MI": 2.68}

A family of metrics is a module of this folder, and a metric a function with the decorator ``metric``:
docs/adding_a_metric.md.
"""

from __future__ import annotations

import math

import numpy as np

from metrics.gray import RULE, to_gray8
from metrics.registry import ARGUMENTS, Metric, find_metric, load_families, metric, metric_names, select
from metrics.table import ScoreTable
from util.errors import UserError
from util.lazy import torch
from util.logger import warn

load_families(__name__, __path__)

__all__ = ["RULE", "Metric", "ScoreTable", "find_metric", "metric", "metric_names", "score", "select", "to_gray8"]


def score(selected: list[Metric], a, b, fused, gt=None, *, name: str = "") -> dict[str, float]:
    """Score one fused image.

    A metric that has no value for these images gives nan, and a warning says which metric, which pair and why.

    Args:
        selected: the metrics, as ``select`` returns them.
        a, b, fused: gray levels of the sources and of the fused image, all of one size (H, W), tensor or array: uint8
            (see ``to_gray8``), or float of whole levels 0..255, with NaN where a pixel is unknown.
        gt: the ground truth in the same form; metrics that need it are left out where it is None.
        name: the pair, for the warning.

    Returns:
        {metric's name: value}, in the order of ``selected``.

    Raises:
        UserError: the images differ in size.
        ValueError: an image is not (H, W) or holds anything but whole levels 0..255 and NaN.
    """
    images = {"a": a, "b": b, "fused": fused} | ({} if gt is None else {"gt": gt})
    images = {label: _exact_levels(label, image) for label, image in images.items()}
    sizes = {label: f"{image.shape[2]}x{image.shape[1]}" for label, image in images.items()}
    if len(set(sizes.values())) > 1:
        raise UserError(f"the images of {f'pair {name!r}' if name else 'one pair'} differ in size: "
                        + ", ".join(f"{label} {size}" for label, size in sizes.items())
                        + "; scores are taken at one size")
    scores = {}
    for chosen in selected:
        if chosen.needs == "gt" and gt is None:
            continue
        scores[chosen.name], reason = _value(chosen, {label: images[label] for label in ARGUMENTS[chosen.needs]})
        if reason:
            warn(f"{chosen.name} is nan{f' for {name}' if name else ''}: {reason}")
    return scores


def _exact_levels(label: str, image):
    levels = torch.from_numpy(np.array(image)) if isinstance(image, np.ndarray) else image.detach()
    if levels.ndim != 2 or levels.numel() == 0:
        raise ValueError(f"{label} is (H, W), not {tuple(levels.shape)}; to_gray8 makes gray levels of any image")
    exact = levels.to(torch.float64)
    if levels.dtype != torch.uint8:
        known = exact[~exact.isnan()]
        if not ((known >= 0) & (known <= 255) & (known == known.floor())).all():
            raise ValueError(f"{label} is not of whole gray levels 0..255; to_gray8 makes them of an image in [0, 1]")
    return exact[None]


def _value(chosen: Metric, images: dict) -> tuple[float, str]:
    """Return the value and, where it is nan, the reason."""
    for label, image in images.items():
        unknown = int(image.isnan().sum())
        if unknown:
            return math.nan, f"{unknown} of {image.numel()} pixels of {label} are NaN"
        height, width = image.shape[1:]
        if min(height, width) < chosen.smallest:
            return math.nan, f"the image is {width}x{height}, and {chosen.smallest}x{chosen.smallest} is the least"
    value = chosen.function(**images).item()
    return value, "its formula has no value for these images" if math.isnan(value) else ""
