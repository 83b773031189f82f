"""EResNet: says which of two windows, one above the other, is sharp.

Network of "A deep learning and image enhancement based pipeline for infrared and visible image fusion", Neurocomputing
2024, doi 10.1016/j.neucom.2024.127353; layers and names as in the authors' released test script, so that weights of it
load key for key. Three planes of a window (gray and two Sobel gradients) have branches of their own: a 3x3 convolution,
then residual blocks of 1x1 convolutions that halve the sides. Where two pictures meet is seen by that 3x3 convolution
and the fully connected head alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.networks.eresnet_pairs import compare_pairs
from models.networks.eresnet_windows import compare_windows

NETWORKS = {
    "eresnet": {
        "class": "EResNet",
        "role": "classifier",
        "title": "three branches of residual 1x1 blocks: which of two stacked windows is sharp",
    },
}

LEAKY_SLOPE = 0.1


class ResidualBlock(nn.Module):
    """Two branches of 1x1 convolutions, each halved, and their sum: (N, c, H, W) to (N, channels, H/2, W/2).

    The maximum is taken before the leaky ReLU, which is monotone: the published order gives the same on four times as
    many values.
    """

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(in_channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.MaxPool2d(2),
            nn.LeakyReLU(LEAKY_SLOPE),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(in_channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.MaxPool2d(2),
            nn.LeakyReLU(LEAKY_SLOPE),
        )
        for branch, gain in ((self.residual, 2**0.5), (self.shortcut, 1.0)):
            for layer in branch:
                if isinstance(layer, nn.Conv2d):
                    nn.init.xavier_uniform_(layer.weight, gain)
                    nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x)


class EResNet(nn.Module):
    """Classifier of stacks of two windows: class 0 where the upper one is sharp, 1 where the lower one is.

    4,782,850 parameters.
    """

    def __init__(self):
        super().__init__()
        self.conv1_1, self.conv1_2, self.conv1_3 = (_first_layer() for _ in range(3))
        self.ResBlock2_1, self.ResBlock2_2, self.ResBlock2_3 = (ResidualBlock(64, 128) for _ in range(3))
        self.ResBlock3_1, self.ResBlock3_2, self.ResBlock3_3 = (ResidualBlock(128, 128) for _ in range(3))
        self.ResBlock4_1 = ResidualBlock(128, 256)
        self.ResBlock4_23 = ResidualBlock(256, 256)
        self.fc = nn.Sequential(
            nn.Linear(2 * 256 * 8 * 4, 256), nn.BatchNorm1d(256), nn.LeakyReLU(LEAKY_SLOPE), nn.Linear(256, 2)
        )

    def forward(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """Return the logits (N, 2) of stacks, given as normalised gray, Gx and Gy of shape (N, 1, 64, 32)."""
        x = self.ResBlock4_1(self.ResBlock3_1(self.ResBlock2_1(self.conv1_1(x))))
        y = self.ResBlock3_2(self.ResBlock2_2(self.conv1_2(y)))
        z = self.ResBlock3_3(self.ResBlock2_3(self.conv1_3(z)))
        yz = self.ResBlock4_23(torch.cat([y, z], 1))
        return self.fc(torch.cat([x, yz], 1).flatten(1))

    def compare(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits, (N, 2) each, of ``first`` above ``second`` and of ``second`` above ``first``.

        Args:
            first, second: normalised planes (N, 3, 32, 32): gray, Gx, Gy. In training, batch normalisation takes its
                statistics from all 2 N stacks.
        """
        if torch.is_autocast_enabled(first.device.type):  # moments of few digits would be useless
            stacks = torch.cat([torch.cat([first, second], 2), torch.cat([second, first], 2)])
            return self(*stacks.split(1, 1)).chunk(2)
        return compare_pairs(self, first, second)

    def compare_windows(self, first: Tensor, second: Tensor, stride: int = 8) -> Tensor:
        """Return the logits of every window of 32x32 pixels in both orders, in evaluation mode.

        Args:
            first, second: normalised planes (N, 3, H, W) of the two pictures: gray, Gx, Gy.
            stride: pixels from one window to the next.

        Returns:
            (N, 2, 2, rows, columns), the second dimension the order (0: ``first`` above ``second``), the third the
            class; rows = (H - 32) // stride + 1. The same as ``forward`` gives on each stack of two cut-out windows.
        """
        return compare_windows(self, first, second, stride)


def _first_layer() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 64, 3, padding=1), nn.BatchNorm2d(64), nn.LeakyReLU(LEAKY_SLOPE))
