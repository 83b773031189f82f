"""ReFusion's fusion module in the order of the authors' code: one operation of its text after the other.

Every layer works on (N, C, H, W) in memory order, a normalisation moves the channels behind the pixels and back, and
nothing is fused, shared or freed before a function returns. Bai et al., IJCV 2024; the state has the official names.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

FLAGS = ("--no_stretch",)
HEADS = 8


def fuse(state: Mapping[str, Tensor], a: Tensor, b: Tensor) -> Tensor:
    """Fuse ``a`` and ``b``, (N, 1, H, W) in [0, 1]; the result has their shape and range."""
    sources = torch.cat([a, b], 1)
    first = functional.conv2d(sources[:, :1], state["project_in_1.weight"], padding=1)
    second = functional.conv2d(sources[:, 1:], state["project_in_2.weight"], padding=1)
    for number in range(2):
        first = transformer_block(state, f"encoder1.{number}", first)
    for number in range(2):
        second = transformer_block(state, f"encoder2.{number}", second)
    x = cross_attention_fusion(state, "FM", first, second)
    for number in range(2):
        x = transformer_block(state, f"decoder.{number}", x)
    x = functional.leaky_relu(functional.conv2d(x, state["project_out_0.weight"], padding=1), 0.01)
    return torch.sigmoid(functional.conv2d(x, state["project_out_1.weight"], padding=1))


def transformer_block(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    """x + attention(norm(x)), then x + feed-forward(norm(x)); (N, C, H, W)."""
    x = x + self_attention(state, f"{name}.attn", layer_norm(state, f"{name}.norm1.body", x))
    return x + feed_forward(state, f"{name}.ffn", layer_norm(state, f"{name}.norm2.body", x))


def layer_norm(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    """Normalise over the channels of each pixel, on (N, HW, C)."""
    n, channels, height, width = x.shape
    x = x.reshape(n, channels, height * width).transpose(1, 2).contiguous()
    mean = x.mean(-1, keepdim=True)
    variance = x.var(-1, keepdim=True, unbiased=False)
    x = (x - mean) / torch.sqrt(variance + 1e-5) * state[f"{name}.weight"] + state[f"{name}.bias"]
    return x.transpose(1, 2).reshape(n, channels, height, width).contiguous()


def self_attention(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    """Attention between the channels of each head."""
    height, width = x.shape[-2:]
    q, k, v = queries_keys_values(state, f"{name}.qkv", x)
    attention = (q @ k.transpose(-2, -1)) * state[f"{name}.temperature"]
    attention = attention.softmax(-1)
    out = merge_heads(attention @ v, height, width)
    return functional.conv2d(out, state[f"{name}.project_out.weight"])


def feed_forward(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    """GELU of one half of the hidden channels gates the other half."""
    x = functional.conv2d(x, state[f"{name}.project_in.weight"])
    x1, x2 = depthwise(x, state[f"{name}.dwconv.weight"]).chunk(2, dim=1)
    x = functional.gelu(x1) * x2
    return functional.conv2d(x, state[f"{name}.project_out.weight"])


def cross_attention_fusion(state: Mapping[str, Tensor], name: str, x1: Tensor, x2: Tensor) -> Tensor:
    """Let each source attend to the other, then gate both by their union; (N, C, H, W) twice to (N, 2C, H, W)."""
    height, width = x1.shape[-2:]
    q1, k1, v1 = queries_keys_values(state, f"{name}.qkv1", x1)
    q2, k2, v2 = queries_keys_values(state, f"{name}.qkv2", x2)
    attention1 = ((q2 @ k1.transpose(-2, -1)) * state[f"{name}.temperature1"]).softmax(-1)
    attention2 = ((q1 @ k2.transpose(-2, -1)) * state[f"{name}.temperature2"]).softmax(-1)
    out1 = merge_heads(attention1 @ v1, height, width)
    out2 = merge_heads(attention2 @ v2, height, width)
    x1 = x1 + functional.conv2d(out1, state[f"{name}.project_mid1.weight"])
    x2 = x2 + functional.conv2d(out2, state[f"{name}.project_mid2.weight"])
    union = torch.cat([x1, x2], 1)
    gates = depthwise(functional.conv2d(union, state[f"{name}.project_E.weight"]), state[f"{name}.project_E_d.weight"])
    gate1, gate2 = gates.chunk(2, dim=1)
    y1 = depthwise(functional.conv2d(x1, state[f"{name}.project_E1.weight"]), state[f"{name}.project_E1_d.weight"])
    y2 = depthwise(functional.conv2d(x2, state[f"{name}.project_E2.weight"]), state[f"{name}.project_E2_d.weight"])
    y1 = functional.gelu(gate1) * y1
    y2 = functional.gelu(gate2) * y2
    y1 = functional.conv2d(y1, state[f"{name}.project_out1.weight"])
    y2 = functional.conv2d(y2, state[f"{name}.project_out2.weight"])
    return union + y1 + y2


def queries_keys_values(state: Mapping[str, Tensor], name: str, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return q, k (of length 1 over the pixels) and v, each (N, heads, C / heads, HW)."""
    qkv = depthwise(functional.conv2d(x, state[f"{name}.weight"]), state[f"{name}_dwconv.weight"])
    q, k, v = (part.reshape(len(x), HEADS, -1, x.shape[-2] * x.shape[-1]) for part in qkv.chunk(3, dim=1))
    return functional.normalize(q, dim=-1), functional.normalize(k, dim=-1), v


def merge_heads(x: Tensor, height: int, width: int) -> Tensor:
    """(N, heads, C / heads, HW) to (N, C, H, W)."""
    return x.reshape(len(x), -1, height, width)


def depthwise(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve each channel with a 3x3 kernel of its own."""
    return functional.conv2d(x, weight, padding=1, groups=x.shape[1])
