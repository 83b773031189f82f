"""R2GAN's generator in the order of the authors' test: all three outputs, one source after the other.

Chahi et al., Applied Intelligence 2025. The state has our names (``models/networks/r2gan.py`` translates theirs); batch
normalisation by running statistics, one decoder for all.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from scripts.originals import TrainingState

FLAGS = ()


def fuse(state: Mapping[str, Tensor], a: Tensor, b: Tensor) -> Tensor:
    """Fuse ``a`` and ``b``, (N, 3, H, W) in [0, 1] with sides that are multiples of 4; the same shape and range."""
    a, b = 2 * a - 1, 2 * b - 1
    features_a, features_b = encode(state, a), encode(state, b)
    fused = decode(state, (features_a + features_b) / 2)
    rebuilt_a, rebuilt_b = decode(state, features_a), decode(state, features_b)
    assert rebuilt_a.shape == rebuilt_b.shape  # they are written beside the fused image
    return (fused + 1) / 2


def encode(state: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """Return features (N, 4 ngf, H/4, W/4)."""
    x = conv_norm(state, "encoder.stem.{}", functional.pad(x, (3, 3, 3, 3), "reflect"))
    x = functional.relu(x)
    x = functional.relu(conv_norm(state, "encoder.down1.{}", x, stride=2, padding=1))
    x = functional.relu(conv_norm(state, "encoder.down2.{}", x, stride=2, padding=1))
    number = 1
    while f"encoder.block{number}.conv1.weight" in state:
        block = f"encoder.block{number}."
        y = conv_norm(state, block + "{}1", functional.pad(x, (1, 1, 1, 1), "reflect"))
        y = functional.dropout(functional.relu(y), 0.5, isinstance(state, TrainingState))
        y = conv_norm(state, block + "{}2", functional.pad(y, (1, 1, 1, 1), "reflect"))
        x = x + y
        number += 1
    return x


def decode(state: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """Return an image (N, 3, H, W) from features."""
    for name in ("up1", "up2"):
        weight = state[f"decoder.{name}.conv.weight"]
        x = functional.conv_transpose2d(x, weight, stride=2, padding=1, output_padding=1)
        x = functional.relu(normalise(state, f"decoder.{name}.norm", x))
    x = functional.pad(x, (3, 3, 3, 3), "reflect")
    return torch.tanh(functional.conv2d(x, state["decoder.head.weight"], state["decoder.head.bias"]))


def conv_norm(state: Mapping[str, Tensor], names: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """Convolution and normalisation of the two layers that ``names`` gives with 'conv' and 'norm' in it."""
    x = functional.conv2d(x, state[names.format("conv") + ".weight"], stride=stride, padding=padding)
    return normalise(state, names.format("norm"), x)


def normalise(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    """Batch normalisation by running statistics, in training by those of the batch."""
    return functional.batch_norm(
        x,
        state[f"{name}.running_mean"],
        state[f"{name}.running_var"],
        state[f"{name}.weight"],
        state[f"{name}.bias"],
        training=isinstance(state, TrainingState),
    )
