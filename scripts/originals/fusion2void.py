"""Fusion2Void in the order of the authors' code: the plain network twice, once for each order of the sources.

Lin et al., IEEE TCSVT 2024; the state has the official names.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

FLAGS = ()


def fuse(state: Mapping[str, Tensor], a: Tensor, b: Tensor) -> Tensor:
    """Fuse ``a`` and ``b``, (N, 3, H, W) in [0, 1]."""
    return 0.5 * (run_network(state, a, b) + run_network(state, b, a))


def run_network(state: Mapping[str, Tensor], a: Tensor, b: Tensor) -> Tensor:
    """Return FusionNet of the sources in this order."""
    first = residual_blocks(state, "inc", functional.relu(conv(state, "inc.0", a)), 5)
    second = residual_blocks(state, "inc2", functional.relu(conv(state, "inc2.0", b)), 5)
    x = functional.relu(conv(state, "outc.0", torch.cat([first, second], 1)))
    return torch.sigmoid(conv(state, "outc.5", residual_blocks(state, "outc", x, 3)))


def residual_blocks(state: Mapping[str, Tensor], name: str, x: Tensor, count: int) -> Tensor:
    for index in range(2, 2 + count):
        y = functional.relu(conv(state, f"{name}.{index}.conv1.0", x))
        x = functional.relu(x + conv(state, f"{name}.{index}.conv1.2", y))
    return x


def conv(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)
