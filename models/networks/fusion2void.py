"""Fusion2Void's networks: one fuses two photographs, the other restores both from what is left of them.

H. Lin et al., IEEE TCSVT 2024. Layers and the names of their weights are those of the authors' code; the paper's figure
draws encoders and decoders, the code has none: every layer works at full size, so any size fits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

NETWORKS = {
    "fusion2void": {"class": "FusionNet", "role": "generator", "title": "Fusion2Void: fuses two focus distances"},
    "fusion2void_rec": {
        "class": "RecNet",
        "role": "generator",
        "title": "Fusion2Void: restores both sources from their visible blocks and the fused image; training only",
    },
}

FEATURES = 32


class ResBlock(nn.Module):
    """y = relu(x + conv(relu(conv(x)))), 3x3, without normalisation."""

    def __init__(self, features: int):
        super().__init__()
        self.conv1 = nn.Sequential(conv(features, features), nn.ReLU(inplace=True), conv(features, features))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu_(self.conv1(x) + x)


class FusionNet(nn.Module):
    """Fuse two RGB photographs; 261,571 parameters at 32 features, receptive field 39x39."""

    def __init__(self, features: int = FEATURES):
        super().__init__()
        self.inc = body(3, features, 5)
        self.inc2 = body(3, features, 5)
        self.outc = nn.Sequential(*body(2 * features, features, 3), conv(features, 3), nn.Sigmoid())

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse (N, 3, H, W) in [0, 1] to the same in (0, 1); which source comes first matters."""
        return self.outc(torch.cat([self.inc(a), self.inc2(b)], 1))

    def fuse(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the mean of both orders, as the authors test; they go through the network in one batch."""
        first, second = self(torch.cat([a, b]), torch.cat([b, a])).chunk(2)
        return (first + second) / 2


class RecNet(nn.Module):
    """Restore two RGB photographs; 152,326 parameters at 32 features."""

    def __init__(self, features: int = FEATURES):
        super().__init__()
        self.inc = nn.Sequential(*body(9, features, 8), conv(features, 6))

    def forward(self, a: Tensor, b: Tensor, fused: Tensor) -> tuple[Tensor, Tensor]:
        """Return both sources, (N, 3, H, W) each, unbounded.

        Args:
            a, b: (N, 3, H, W) in [0, 1], what is hidden being 0; the mask itself is not told.
            fused: (N, 3, H, W) in [0, 1].
        """
        rec_a, rec_b = self.inc(torch.cat([a, b, fused], 1)).split(3, 1)
        return rec_a, rec_b


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def body(inputs: int, features: int, n_blocks: int) -> nn.Sequential:
    """A first convolution and its residual blocks."""
    blocks = (ResBlock(features) for _ in range(n_blocks))
    return nn.Sequential(conv(inputs, features), nn.ReLU(inplace=True), *blocks)
