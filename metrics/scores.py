"""From images to their scores."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from metrics.gray import to_gray8
from metrics.registry import ARGUMENTS, Metric, select
from metrics.shared import sharing
from util.errors import UserError
from util.image_io import read_image
from util.lazy import torch
from util.logger import warn


def evaluate(a, b, fused, gt=None, *, metrics: str | Sequence[str] = "fast", name: str = "") -> dict[str, float]:
    """Score a fused image against its sources, and against a ground truth where there is one.

    >>> a, b = np.zeros((64, 64), np.uint8), np.full((64, 64), 60, np.uint8)
    >>> evaluate(a, b, b, metrics="EN,SD,MSE")
    {'EN': 0.0, 'SD': 0.0, 'MSE': 1800.0}

    Args:
        a, b: the sources, all images of one size: paths of files; Pillow's images; uint8 arrays (H, W) or (H, W, 3) or
            float arrays in [0, 1]; or tensors (H, W), (C, H, W) or, for a batch, (N, C, H, W), uint8 or float in
            [0, 1].
        fused, gt: in the same form.
        metrics: names, in a list or with commas between them, "fast" or "all" (``select``).
        name: the images, for warnings.

    Returns:
        {metric's name: value}; for a batch float64 tensors (N,) as values. A metric that is undefined for an image is
        nan, and a warning says why.

    Raises:
        UserError: no such metric, the images differ in size, or a file is not an image.
        ValueError: an array or tensor of another shape, type or range.
    """
    images = {"a": a, "b": b, "fused": fused} | ({} if gt is None else {"gt": gt})
    names = metrics if isinstance(metrics, str) else ",".join(metrics)
    planes = {label: _to_plane(label, image) for label, image in images.items()}
    return score(select(names, has_gt=gt is not None), *planes.values(), name=name)


def score_pictures(selected: list[Metric], pictures: dict[str, np.ndarray], *, channels: bool = False,
                   reasons: dict[str, str] | None = None) -> dict[str, float]:
    """Score 8-bit pictures, as ``test.py`` and ``evaluate.py`` do.

    Args:
        selected: the metrics, as ``select`` returns them.
        pictures: uint8 (H, W, 3) each, all of one size: "a", "b", "fused" and, where there is one, "gt".
        channels: score R, G and B apart and average, where any picture has colour (``Protocol.channels``).
        reasons: takes up {metric's name: why its value is nan}.

    Returns:
        {metric's name: value}, in the order of ``selected``.

    Raises:
        UserError: the pictures differ in size.
    """
    if not channels or all((picture == picture[..., :1]).all() for picture in pictures.values()):
        planes = {label: to_gray8(picture) for label, picture in pictures.items()}
        return score(selected, **planes, reasons=reasons)
    parts = [
        score(selected, **{label: picture[..., channel] for label, picture in pictures.items()}, reasons=reasons)
        for channel in range(3)
    ]
    return {name: math.fsum(part[name] for part in parts) / 3 for name in parts[0]}


def score(selected: list[Metric], a, b, fused, gt=None, *, name: str = "",
          reasons: dict[str, str] | None = None) -> dict[str, float]:
    """Score gray levels by chosen metrics; ``evaluate`` takes images of any kind.

    The scores of an image are the same to the last digit wherever they are computed on one kind of machine: on one
    thread, whatever else runs. A metric without a value for an image gives nan, and a warning says which and why.

    Args:
        selected: the metrics, as ``select`` returns them.
        a, b, fused: gray levels of the sources and of the fused image, all of one size (H, W) or, for a batch,
            (N, H, W), tensor or array: uint8 (see ``to_gray8``), or float of whole levels 0..255, with NaN where a
            pixel is unknown.
        gt: the ground truth in the same form; metrics that need it are left out where it is None.
        name: the images, for the warning.
        reasons: takes up {metric's name: why its value is nan}, instead of warnings.

    Returns:
        {metric's name: value}, in the order of ``selected``; float64 tensors (N,) as values for a batch.

    Raises:
        UserError: the images differ in size.
        ValueError: an image has another shape or holds anything but whole levels 0..255 and NaN.
    """
    given = {"a": a, "b": b, "fused": fused} | ({} if gt is None else {"gt": gt})
    images = {label: _exact_levels(label, image) for label, image in given.items()}
    if len({image.ndim for image in given.values()}) > 1:
        raise ValueError("some images are batches and some are not: a, b, fused and gt go together one by one")
    if len({image.shape for image in images.values()}) > 1:
        sizes = (f"{label} {_describe(image.shape)}" for label, image in images.items())
        raise UserError(f"the images of {f'pair {name!r}' if name else 'one pair'} differ in size: "
                        + ", ".join(sizes) + "; scores are taken at one size")
    # A pixel that is no number must not reach a histogram: such an image gets nan, its pixels a level.
    unknown = {
        label: image.isnan().flatten(1).sum(1)
        for label, image in images.items()
        if str(given[label].dtype).rpartition(".")[2] != "uint8"
    }
    images = {label: image.nan_to_num(nan=0.0) if label in unknown else image for label, image in images.items()}
    scores = {}
    with _one_thread(), sharing(), torch.inference_mode():
        for chosen in selected:
            if chosen.needs != "gt" or gt is not None:
                values, reason = _values(chosen, images, unknown)
                scores[chosen.name] = values if fused.ndim == 3 else values.item()
                if reason and reasons is not None:
                    reasons[chosen.name] = reason
                elif reason:
                    warn(f"{chosen.name} is nan{f' for {name}' if name else ''}: {reason}")
    return scores


def _to_plane(label: str, image):
    if isinstance(image, (str, os.PathLike)):
        image = read_image(image)[0]
    elif hasattr(image, "getbands"):  # Pillow's
        image = np.array(image.convert("L" if image.getbands() == ("L",) else "RGB"))
    try:
        return to_gray8(image)
    except ValueError as error:
        raise ValueError(f"{label}: {error}") from None


def _exact_levels(label: str, image):
    levels = torch.from_numpy(np.array(image)) if isinstance(image, np.ndarray) else image.detach()
    if levels.ndim not in (2, 3) or levels.numel() == 0:
        raise ValueError(f"{label} is (H, W) or (N, H, W), not {tuple(levels.shape)}; to_gray8 makes gray levels of "
                         "any image")
    exact = levels.to(torch.float64)
    if levels.dtype != torch.uint8:
        known = exact[~exact.isnan()]
        if not ((known >= 0) & (known <= 255) & (known == known.floor())).all():
            raise ValueError(f"{label} is not of whole gray levels 0..255; to_gray8 makes them of an image in [0, 1]")
    return exact if levels.ndim == 3 else exact[None]


def _describe(shape) -> str:
    return f"{shape[2]}x{shape[1]}" + (f" ({shape[0]} images)" if shape[0] > 1 else "")


@contextmanager
def _one_thread() -> Iterator[None]:
    # Sums over several threads depend, in their last digit, on how many there are.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _values(chosen: Metric, images: dict, unknown: dict):
    """Return the values (N,) and, where one is nan, the reason."""
    labels = ARGUMENTS[chosen.needs]
    number, height, width = images["fused"].shape
    if min(height, width) < chosen.smallest:
        reason = f"the image is {width}x{height}, and {chosen.smallest}x{chosen.smallest} is the least"
        return images["fused"].new_full((number,), math.nan), reason
    values = chosen.function(**{label: images[label] for label in labels})
    undefined = values.isnan()
    reason = (chosen.undefined or "its formula has no value for these images") if undefined.any() else ""
    for label in unknown.keys() & set(labels):
        broken = unknown[label] > 0
        if broken.any():
            values = values.masked_fill(broken, math.nan)
            reason = f"{int(unknown[label].max())} of {height * width} pixels of {label} are NaN"
    return values, reason
