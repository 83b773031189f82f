"""The votes of the blur-classifier pipeline in the order of the authors' code: one window after the other, both orders.

The stage that takes their time; what comes before and after it is left out on both sides. The script cuts a window of
32x32 pixels out of both images every 8 pixels, puts one above the other, normalises the stack in three ways, classifies
it, does the same in the other order, and adds the verdict to a map. The state has the official names.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from models.sharpness import decide, pipeline
from scripts.originals import TrainingState

FLAGS = ("--grey_everywhere",)  # the script gives gray to all three inputs
WINDOW, STRIDE = 32, 8
MEANS, DEVIATIONS = (0.45, 0.05, 0.06), (0.1, 0.09, 0.09)


def run_ours(model, ir: Tensor, vis: Tensor) -> Tensor:
    """Return what ``fuse`` returns here, by the stages of our model."""
    logits = pipeline.classify(255 * vis, 255 * ir, model.net_C.compare_windows, model.settings)
    return decide.count_votes(logits, model.settings.stride)


def fuse(state: Mapping[str, Tensor], ir: Tensor, vis: Tensor) -> Tensor:
    """Return the votes (1, 1, H, W) on ``ir`` and ``vis``, (1, 1, H, W) in [0, 1], their sides multiples of 8."""
    votes = torch.zeros_like(vis)
    for top in range(0, vis.shape[2] - WINDOW + 1, STRIDE):
        for left in range(0, vis.shape[3] - WINDOW + 1, STRIDE):
            place = (..., slice(top, top + WINDOW), slice(left, left + WINDOW))
            straight, swapped = find_class(state, vis[place], ir[place]), find_class(state, ir[place], vis[place])
            votes[place] += 1 if straight <= swapped else -1
    return votes


def find_class(state: Mapping[str, Tensor], upper: Tensor, lower: Tensor) -> int:
    """Return the class of a stack: 0 where the upper window is the sharp one."""
    stack = torch.cat([upper, lower], 2)
    planes = ((stack - mean) / deviation for mean, deviation in zip(MEANS, DEVIATIONS, strict=True))
    return int(classify(state, *planes).argmax())


def classify(state: Mapping[str, Tensor], x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Return the logits (N, 2) of stacks (N, 1, 64, 32)."""
    x, y, z = (first_layer(state, f"conv1_{index}", plane) for index, plane in enumerate((x, y, z), 1))
    x, y, z = (block(state, f"ResBlock2_{index}", plane) for index, plane in enumerate((x, y, z), 1))
    x, y, z = (block(state, f"ResBlock3_{index}", plane) for index, plane in enumerate((x, y, z), 1))
    x, yz = block(state, "ResBlock4_1", x), block(state, "ResBlock4_23", torch.cat([y, z], 1))
    hidden = functional.linear(torch.cat([x, yz], 1).flatten(1), state["fc.0.weight"], state["fc.0.bias"])
    hidden = functional.leaky_relu(norm(state, "fc.1", hidden), 0.1)
    return functional.linear(hidden, state["fc.3.weight"], state["fc.3.bias"])


def first_layer(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    x = functional.conv2d(x, state[f"{name}.0.weight"], state[f"{name}.0.bias"], padding=1)
    return functional.leaky_relu(norm(state, f"{name}.1", x), 0.1)


def block(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    residual = conv_norm(state, f"{name}.residual", 2, conv_norm(state, f"{name}.residual", 0, x))
    shortcut = conv_norm(state, f"{name}.shortcut", 0, x)
    residual, shortcut = (functional.max_pool2d(functional.leaky_relu(y, 0.1), 2) for y in (residual, shortcut))
    return residual + shortcut


def conv_norm(state: Mapping[str, Tensor], name: str, place: int, x: Tensor) -> Tensor:
    x = functional.conv2d(x, state[f"{name}.{place}.weight"], state[f"{name}.{place}.bias"])
    return norm(state, f"{name}.{place + 1}", x)


def norm(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    """Batch normalisation by running statistics, in training by those of the batch."""
    statistics, training = ("running_mean", "running_var"), isinstance(state, TrainingState)
    return functional.batch_norm(x, *(state[f"{name}.{key}"] for key in (*statistics, "weight", "bias")), training)
