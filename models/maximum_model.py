"""The larger value: the simplest rule that takes sides."""

from __future__ import annotations

from models.classic import ClassicModel
from util.lazy import torch


class MaximumModel(ClassicModel):
    """F = max(A, B), in each channel."""

    title = "the larger value of each pixel; learns nothing"

    def fuse(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.maximum(a, b)
