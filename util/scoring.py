"""Fused pairs with their scores: the one path that validation and ``test.py`` share."""

from __future__ import annotations

from collections.abc import Iterator

import metrics
from util.inference import fuse_loader
from util.pictures import to_uint8


def score_pairs(model, loader, selected: list) -> Iterator[tuple[dict, dict, dict]]:
    """Fuse every pair of a loader and score what a file would hold: 8-bit pictures.

    Yields:
        for each pair: its description (``name``, ``gray``), its pictures (``A``, ``B``, ``fused`` and, where there is
        one, ``GT``; uint8 (H, W, 3)) and its scores by metric name.
    """
    for batch, fused in fuse_loader(model, loader):
        pictures = {key: to_uint8(batch[key]) for key in ("A", "B", "GT") if key in batch}
        pictures["fused"] = to_uint8(fused)
        gray = {"A": batch["A_gray"], "B": batch["B_gray"], "fused": batch["A_gray"] & batch["B_gray"]}
        for number, name in enumerate(batch["name"]):
            images = {key: stack[number] for key, stack in pictures.items()}
            planes = {key: metrics.to_gray8(image) for key, image in images.items()}
            scores = metrics.score(selected, planes["A"], planes["B"], planes["fused"], planes.get("GT"), name=name)
            yield {"name": name, "gray": {key: bool(flag[number]) for key, flag in gray.items()}}, images, scores
