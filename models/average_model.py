"""The plain average: the yardstick that every method should beat."""

from __future__ import annotations

from models.classic import ClassicModel
from util.lazy import torch


class AverageModel(ClassicModel):
    """F = (A + B) / 2."""

    title = "the plain average; learns nothing"

    def fuse(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a + b) / 2
