"""The plain average: the yardstick that every method should beat."""

from __future__ import annotations

import argparse

from models.classic import ClassicModel
from util.lazy import torch
from util.tiling import Tiling


class AverageModel(ClassicModel):
    """F = (A + B) / 2."""

    title = "the plain average; learns nothing"

    @staticmethod
    def find_tiling(opt: argparse.Namespace) -> Tiling:
        return Tiling(reach=0)

    def fuse(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a + b) / 2
