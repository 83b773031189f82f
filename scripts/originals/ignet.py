"""IGNet in the order of the authors' code: one operation of its text after the other, in evaluation mode.

conv4 runs once for each pooling, the leaky ReLU comes before the poolings, the neighbours of a node are joined and
weighted as one tensor, and each neighbour's weight lies on every other channel (the interleaving of the released code).
Li et al., ACM MM 2023; the state has the official names. The authors' script leaves batch normalisation in training
mode, which costs the same work; evaluation mode makes results comparable.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from scripts.originals import TrainingState

FLAGS = ("--legacy_interleave",)
DILATIONS = (4, 8, 16)
ROUNDS = 2  # of message passing


def fuse(state: Mapping[str, Tensor], ir: Tensor, vis: Tensor) -> Tensor:
    """Fuse ``ir`` and ``vis``, (N, 1, H, W) in [0, 1] with sides that are multiples of 8; the result is unbounded."""
    features_vis = encode(state, "vis_conv", vis, multiply=False)
    features_ir = encode(state, "inf_conv", ir, multiply=True)
    return decode(state, features_ir, features_vis)


def encode(state: Mapping[str, Tensor], name: str, x: Tensor, multiply: bool) -> list[Tensor]:
    """Return features of 512, 256 and 128 channels at 1/8, 1/4 and 1/2 of the size."""
    x1 = max_pool(functional.leaky_relu(conv(state, f"{name}.conv1", x), 0.2))
    x2 = max_pool(functional.leaky_relu(conv(state, f"{name}.conv2", x1), 0.2))
    x = functional.leaky_relu(conv(state, f"{name}.conv3", x2), 0.2)
    largest = max_pool(functional.leaky_relu(conv(state, f"{name}.conv4", x), 0.2))
    average = functional.avg_pool2d(functional.leaky_relu(conv(state, f"{name}.conv4", x), 0.2), 2, ceil_mode=True)
    x3 = largest * average if multiply else largest + average
    gate = functional.adaptive_avg_pool2d(x3, 1).flatten(1)
    gate = functional.relu(functional.linear(gate, state[f"{name}.fc1.weight"]))
    gate = torch.sigmoid(functional.linear(gate, state[f"{name}.fc2.weight"]))
    x3 = x3 * gate[:, :, None, None].expand_as(x3)
    return [x3, x2, x1]


def decode(state: Mapping[str, Tensor], features_a: list[Tensor], features_b: list[Tensor]) -> Tensor:
    """Exchange messages at each scale and rise to full size; ``a`` is the code's "rgb" branch, ``b`` its "dep"."""
    leader_a = leader_b = None
    y_a, y_b = features_a[0], features_b[0]
    for scale, (a, b) in enumerate(zip(features_a, features_b, strict=True)):
        nodes_a, nodes_b = reason(state, f"graph.graph.{scale}", a, b, leader_a, leader_b)
        leader_a = conv_norm_relu(state, f"graph.C_cat.{scale}", torch.cat(nodes_a, 1), 1)
        leader_b = conv_norm_relu(state, f"graph.C_cat.{scale + 3}", torch.cat(nodes_b, 1), 1)
        y_a = conv_norm_relu(state, f"graph.C_up.{scale}", double(torch.cat([leader_a, y_a], 1)), 1)
        y_b = conv_norm_relu(state, f"graph.C_up.{scale + 3}", double(torch.cat([leader_b, y_b], 1)), 1)
    return functional.conv2d(torch.cat([y_a, y_b], 1), state["graph.C_cls.weight"], state["graph.C_cls.bias"])


def reason(
    state: Mapping[str, Tensor], name: str, a: Tensor, b: Tensor, leader_a: Tensor | None, leader_b: Tensor | None
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the three nodes of each modality after guidance, interaction and messages."""
    nodes_a = [conv_norm_relu(state, f"{name}.ppm_rgb.convs.{k}", a, DILATIONS[k]) for k in range(3)]
    nodes_b = [conv_norm_relu(state, f"{name}.ppm_dep.convs.{k}", b, DILATIONS[k]) for k in range(3)]
    if leader_a is not None:
        for k in range(3):
            nodes_a[k] = nodes_a[k] + torch.sigmoid(guide(state, f"{name}.C_ca.0", leader_a)) * nodes_a[k]
            nodes_b[k] = nodes_b[k] + torch.sigmoid(guide(state, f"{name}.C_ca.1", leader_b)) * nodes_b[k]
    to_b, to_a = state[f"{name}.C_pa.0.weight"], state[f"{name}.C_pa.1.weight"]
    for _ in range(ROUNDS):
        for k in range(3):
            a, b = nodes_a[k], nodes_b[k]
            nodes_b[k] = a * torch.sigmoid(functional.conv2d(a - b, to_b)) + b
            nodes_a[k] = b * torch.sigmoid(functional.conv2d(b - a, to_a)) + a
    stacked_a, stacked_b = torch.stack(nodes_a, 1), torch.stack(nodes_b, 1)
    for _ in range(ROUNDS):
        stacked_a = pass_messages(state, f"{name}.graph_rgb", stacked_a)
    for _ in range(ROUNDS):
        stacked_b = pass_messages(state, f"{name}.graph_dep", stacked_b)
    return list(stacked_a.unbind(1)), list(stacked_b.unbind(1))


def guide(state: Mapping[str, Tensor], name: str, leader: Tensor) -> Tensor:
    """Return one number per channel, (N, c, 1, 1), from the previous scale's merged feature."""
    pooled = functional.adaptive_avg_pool2d(leader, 1)
    hidden = functional.relu(functional.conv2d(pooled, state[f"{name}.1.weight"]))
    return functional.conv2d(hidden, state[f"{name}.3.weight"])


def pass_messages(state: Mapping[str, Tensor], name: str, nodes: Tensor) -> Tensor:
    """Let each of the three nodes (N, 3, c, H, W) hear the other two; the same shape."""
    channels = nodes.shape[2]
    heard = []
    for i in range(3):
        node = nodes[:, i]
        neighbours = torch.cat([nodes[:, j] for j in range(3) if j != i], 1)
        difference = node.repeat(1, 2, 1, 1) - neighbours
        weights = torch.sigmoid(functional.conv2d(difference, state[f"{name}.C_wgt.weight"], groups=2))
        weights = weights.repeat(1, channels, 1, 1)  # interleaved: channel q has the weight of neighbour q mod 2
        message = (weights * neighbours).reshape(len(nodes), 2, channels, *nodes.shape[-2:]).sum(1)
        update = recurrent_unit(state, f"{name}.ConvGRU", message, node)
        heard.append(node + state[f"{name}.gamma"] * update)
    return torch.stack(heard, 1)


def recurrent_unit(state: Mapping[str, Tensor], name: str, message: Tensor, hidden: Tensor) -> Tensor:
    """Return the hidden state (N, c, H, W) after the message."""
    gates = conv(state, f"{name}.ConvGates", torch.cat([message, hidden], 1), padding=0)
    reset, update = torch.sigmoid(gates).chunk(2, 1)
    proposal = torch.tanh(conv(state, f"{name}.Conv_ct", torch.cat([message, reset * hidden], 1), padding=0))
    return hidden * (1 - update) + proposal * update


def conv(state: Mapping[str, Tensor], name: str, x: Tensor, padding: int = 1) -> Tensor:
    return functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding)


def conv_norm_relu(state: Mapping[str, Tensor], name: str, x: Tensor, dilation: int) -> Tensor:
    """Convolution without bias, batch normalisation by running statistics, ReLU."""
    x = functional.conv2d(x, state[f"{name}.0.weight"], padding=dilation, dilation=dilation)
    x = functional.batch_norm(
        x,
        state[f"{name}.1.running_mean"],
        state[f"{name}.1.running_var"],
        state[f"{name}.1.weight"],
        state[f"{name}.1.bias"],
        training=isinstance(state, TrainingState),
    )
    return functional.relu(x)


def max_pool(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 2, ceil_mode=True)


def double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
