"""From two uploads to a result, by the path of ``test.py``: the same reading, fusing, rounding and scoring."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import metrics
from data.augment import JointTransform
from util.image_io import encode_image, is_gray
from util.lazy import torch
from util.scoring import Judge, fuse_scenes
from webapp.uploads import Upload


@dataclass(frozen=True)
class Result:
    """What the page shows of a fused pair.

    Attributes:
        pictures: {label: a PNG file's bytes}: "A", "B", "fused", then the model's maps.
        size: (width, height) in pixels.
        scores: {metric's name: value}, nan where it has none.
        reasons: {metric's name: why it is nan}.
    """

    pictures: dict[str, bytes]
    size: tuple[int, int]
    scores: dict[str, float]
    reasons: dict[str, str]


def fuse_pair(model, opt: argparse.Namespace, a: Upload, b: Upload) -> Result:
    """Fuse two images of one size, and score the fused one by the usual metrics.

    Raises:
        UserError: the model cannot take them.
    """
    images = JointTransform(opt, augment=False)([a.pixels, b.pixels], 0, 0)
    batch = {"A": images[:1], "B": images[1:], "A_gray": torch.tensor([is_gray(a.pixels)]),
             "B_gray": torch.tensor([is_gray(b.pixels)]), "name": ["pair"]}  # fmt: skip
    scene = next(fuse_scenes(model, [batch], opt.name, explain=True))
    row = Judge(tuple(metrics.select("fast", has_gt=False)))(scene)
    pictures = {
        label: encode_image(f"{label}.png", picture, label in scene.gray) for label, picture in scene.pictures.items()
    }
    return Result(pictures, a.size, row["scores"][opt.name], row["reasons"][opt.name])
