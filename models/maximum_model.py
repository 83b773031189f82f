"""The larger value: the simplest rule that takes sides."""

from __future__ import annotations

import argparse

from models.classic import ClassicModel
from util.lazy import torch
from util.tiling import Tiling


class MaximumModel(ClassicModel):
    """F = max(A, B), in each channel."""

    title = "the larger value of each pixel; learns nothing"

    @staticmethod
    def find_tiling(opt: argparse.Namespace) -> Tiling:
        return Tiling(reach=0)

    def fuse(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.maximum(a, b)
