"""Restormer's transformer block: attention between channels and a gated feed-forward net, linear in pixels.

S. W. Zamir et al., "Restormer", CVPR 2022, sections 3.1 and 3.2, with biased layer norm and bias-free convolutions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 1x1 convolution without bias."""
    return nn.Conv2d(inputs, outputs, 1, bias=False)


def depthwise(channels: int) -> nn.Conv2d:
    """Return a 3x3 convolution of each channel with itself, zero padding, without bias."""
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)


def cross_covariance(q: Tensor, k: Tensor, temperature: Tensor) -> Tensor:
    """Return the attention between channels: softmax of the cosine of each pair of maps, times ``temperature``.

    The maps are not normalised: their few products are divided by the norms.

    Args:
        q, k: (N, C, H, W).
        temperature: (heads, 1, 1); heads divide C, and a channel sees those of its own head alone.

    Returns:
        float32 (or wider) (N, heads, C / heads, C / heads), rows sum to 1.
    """
    heads = len(temperature)
    # Sums over all pixels: half precision would overflow, or lose what tells channels apart.
    with torch.autocast(q.device.type, enabled=False):
        q, k = (x.flatten(2).unflatten(1, (heads, -1)) for x in (_at_least_float(q), _at_least_float(k)))
        norms = _norm(q).unsqueeze(3) * _norm(k).unsqueeze(2)
        return (q @ k.transpose(2, 3) / norms * temperature).softmax(3)


def attend(attention: Tensor, v: Tensor, project_out: nn.Conv2d) -> Tensor:
    """Return ``project_out(attention @ v)``; the two matrices are multiplied first, once for all pixels.

    Args:
        attention: (N, heads, C / heads, C / heads).
        v: (N, C, H, W).
        project_out: 1x1 convolution C -> outputs.
    """
    number, channels, height, width = v.shape
    heads, size = attention.shape[1:3]
    out = project_out.weight.view(-1, heads, size)
    mixed = torch.einsum("ohi,nhij->nohj", out, attention).flatten(2)
    return (mixed.to(v.dtype) @ v.flatten(2)).view(number, -1, height, width)


class LayerNorm2d(nn.Module):
    """Layer norm of each pixel over its channels, (N, C, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ChannelAttention(nn.Module):
    """Multi-head attention whose tokens are channels (Restormer, eq. 1); (N, channels, H, W) to the same."""

    def __init__(self, channels: int, n_heads: int):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(n_heads, 1, 1))
        self.qkv = pointwise(channels, 3 * channels)
        self.qkv_dwconv = depthwise(3 * channels)
        self.project_out = pointwise(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv_dwconv(self.qkv(x)).chunk(3, 1)
        return attend(cross_covariance(q, k, self.temperature), v, self.project_out)


class GatedFeedForward(nn.Module):
    """GELU(gate) * value between two 1x1 convolutions (Restormer, eq. 2); (N, channels, H, W) to the same."""

    def __init__(self, channels: int, expansion: int):
        super().__init__()
        self.project_in = pointwise(channels, 2 * expansion * channels)
        self.dwconv = depthwise(2 * expansion * channels)
        self.project_out = pointwise(expansion * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.dwconv(self.project_in(x)).chunk(2, 1)
        return self.project_out(functional.gelu(gate) * value)


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, channels: int, n_heads: int, expansion: int):
        super().__init__()
        self.norm1 = LayerNorm2d(channels)
        self.attn = ChannelAttention(channels, n_heads)
        self.norm2 = LayerNorm2d(channels)
        self.ffn = GatedFeedForward(channels, expansion)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.ffn(self.norm2(x))


def _norm(x: Tensor) -> Tensor:
    return x.norm(dim=3).clamp_min(1e-12)


def _at_least_float(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
