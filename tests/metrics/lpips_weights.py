"""Weights for LPIPS, made up here: no file is ever fetched."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from metrics.lpips import BACKBONE, CONVOLUTIONS, LINEAR, SHAPES


def write_weights(folder: Path) -> Path:
    """Write both files into ``folder``: random weights of a usual size; return the folder."""
    generator = torch.Generator().manual_seed(1)
    backbone, linear = {}, {}
    for number, ((place, *_), shape) in enumerate(zip(CONVOLUTIONS, SHAPES, strict=True)):
        inputs = math.prod(shape[1:])
        backbone[f"features.{place}.weight"] = torch.randn(shape, generator=generator) * math.sqrt(2 / inputs)
        backbone[f"features.{place}.bias"] = torch.randn(shape[0], generator=generator) * 0.1
        linear[f"lin{number}.model.1.weight"] = torch.rand(1, shape[0], 1, 1, generator=generator)
    torch.save(backbone, folder / BACKBONE)
    torch.save(linear, folder / LINEAR)
    return folder
