"""Restormer's transformer block: attention between channels and a gated feed-forward net, linear in pixels.

S. W. Zamir et al., "Restormer", CVPR 2022, sections 3.1 and 3.2, with biased layer norm and bias-free convolutions.
The order of work is ours; docs/methods/refusion.md tells it. Maps are (N, C, H, W), quickest with the channels of a
pixel side by side (``torch.channels_last``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.whole_picture import OfPicture

ALL = slice(None)
VALUES = slice(2, 3)  # of queries, keys and values
# On a processor 64 maps of a strip stay below 32 MiB, the largest block that glibc's allocator keeps on its own; with
# shorter strips the threads wait for each other more often.
_PIXELS_PER_STRIP = {"cpu": 110_000}
_PIXELS_PER_STRIP_ELSEWHERE = 1 << 20
_ROWS_PER_STRIP = 8  # at least: two further rows are computed with them


class Strip(NamedTuple):
    """Rows of a map to be computed together: which they are, with those seen by a 3x3 kernel, and their place there."""

    rows: slice
    seen: slice
    inner: slice


def cut_strips(x: Tensor) -> Iterator[Strip]:
    """Yield strips that cover the rows of ``x`` (N, C, H, W) once."""
    height, width = x.shape[-2:]
    pixels = _PIXELS_PER_STRIP.get(x.device.type, _PIXELS_PER_STRIP_ELSEWHERE)
    step = max(_ROWS_PER_STRIP, pixels // (len(x) * width))
    for top in range(0, height, step):
        bottom, first = min(top + step, height), max(top - 1, 0)
        yield Strip(slice(top, bottom), slice(first, min(bottom + 1, height)), slice(top - first, bottom - first))


def pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 1x1 convolution without bias."""
    return nn.Conv2d(inputs, outputs, 1, bias=False)


def depthwise(channels: int) -> nn.Conv2d:
    """Return a 3x3 convolution of each channel with itself, zero padding, without bias."""
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)


def project(
    x: Tensor, mix: nn.Conv2d, spread: nn.Conv2d, parts: int, inner: slice = ALL, wanted: slice = ALL
) -> list[Tensor]:
    """Return ``spread(mix(x))`` in equal groups of channels.

    Each group is computed for itself, so that its values lie together: what follows runs up to twice as fast.

    Args:
        x: (N, C, H, W).
        mix: 1x1 convolution C -> M.
        spread: depth-wise 3x3 convolution of M channels.
        parts: number of groups, a divisor of M.
        inner: rows to keep.
        wanted: groups to compute.
    """
    weights = list(zip(mix.weight.chunk(parts), spread.weight.chunk(parts), strict=True))[wanted]
    maps = [functional.conv2d(functional.conv2d(x, one), three, padding=1, groups=len(three)) for one, three in weights]
    return [y[:, :, inner] for y in maps]


def sum_products(q: Tensor, k: Tensor) -> Tensor:
    """Return the sums over pixels that attention between channels needs; those of two areas add up.

    Args:
        q, k: (N, C, H, W).

    Returns:
        float32 or wider (N, C + 2, C): the products of each q with each k, the squares of q, and those of k.
    """
    # Half precision would overflow, or lose what tells channels apart.
    with torch.autocast(q.device.type, enabled=False):
        q, k = (x.flatten(2).to(torch.promote_types(x.dtype, torch.float32)) for x in (q, k))
        squares = [x.square().sum(2).unsqueeze(1) for x in (q, k)]
        return torch.cat([q @ k.transpose(1, 2), *squares], 1)


def find_mix(sums: Tensor, temperature: Tensor, project_out: nn.Conv2d) -> Tensor:
    """Return ``project_out`` after attention as one matrix per image, (N, C, outputs): pixels of v times it.

    Attention is the softmax of ``temperature`` times the cosine of each q with each k of its head (eq. 1, where q
    and k are normalised before; here their products are divided by their norms).

    Args:
        sums: ``sum_products`` of all pixels, (N, C + 2, C).
        temperature: (heads, 1, 1); heads divide C.
        project_out: 1x1 convolution C -> outputs.
    """
    heads = len(temperature)
    with torch.autocast(sums.device.type, enabled=False):
        products = sums[:, :-2].unflatten(1, (heads, -1)).unflatten(3, (heads, -1))
        products = products.diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2)
        # Clamped before the root, whose slope has no end at 0, where a picture is black.
        norm_q, norm_k = sums[:, -2:].clamp_min(1e-24).sqrt().unflatten(2, (heads, -1)).unbind(1)
        cosine = products / (norm_q.unsqueeze(3) * norm_k.unsqueeze(2))
        attention = (cosine * temperature).softmax(3)
        out = project_out.weight.to(sums.dtype).flatten(1).unflatten(1, (heads, -1))
        return torch.einsum("ohi,nhij->nhjo", out, attention).flatten(1, 2)


def add_mixed(x: Tensor, v: Tensor, mix: Tensor) -> Tensor:
    """Return ``x`` (N, outputs, H, W) plus ``v`` (N, C, H, W) with its channels mixed by ``mix`` (N, C, outputs)."""
    pixels = v.permute(0, 2, 3, 1)
    mixed = pixels.flatten(1, 2) @ mix.to(v.dtype)
    return x + mixed.unflatten(1, pixels.shape[1:3]).permute(0, 3, 1, 2)


def apply_gate(gate: Tensor, value: Tensor) -> Tensor:
    """Return GELU(``gate``) * ``value``, all (N, C, H, W)."""
    # On a dense tensor, which one with its channels last is not for PyTorch's GELU, it is nearly twice as fast.
    return functional.gelu(gate.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) * value


class LayerNorm2d(nn.Module):
    """Layer norm of each pixel over its channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ChannelAttention(nn.Module):
    """Multi-head attention whose tokens are channels (eq. 1), in two steps: all pixels are seen between them."""

    def __init__(self, channels: int, n_heads: int):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(n_heads, 1, 1))
        self.qkv, self.qkv_dwconv = pointwise(channels, 3 * channels), depthwise(3 * channels)
        self.project_out = pointwise(channels, channels)
        self.of_picture = OfPicture()

    def forward(self, x: Tensor, inner: slice = ALL, counted: tuple[slice, slice] = (ALL, ALL)) -> tuple:
        """Return v (N, channels, H, W) and ``sum_products`` of q and k, in the rows ``inner`` of ``x``.

        Where those of the whole picture are known they are 0 instead. ``counted`` are the rows and columns of v that
        they are of.
        """
        if self.of_picture.known is not None:
            return project(x, self.qkv, self.qkv_dwconv, 3, inner, VALUES)[0], 0
        q, k, v = project(x, self.qkv, self.qkv_dwconv, 3, inner)
        return v, sum_products(q[:, :, *counted], k[:, :, *counted])

    def find_mix(self, sums: Tensor) -> Tensor:
        return find_mix(self.of_picture(sums), self.temperature, self.project_out)


class GatedFeedForward(nn.Module):
    """GELU(gate) * value between two 1x1 convolutions (eq. 2)."""

    def __init__(self, channels: int, expansion: int):
        super().__init__()
        self.project_in = pointwise(channels, 2 * expansion * channels)
        self.dwconv = depthwise(2 * expansion * channels)
        self.project_out = pointwise(expansion * channels, channels)

    def forward(self, x: Tensor, inner: slice = ALL) -> Tensor:
        """Return (N, channels, rows of ``inner``, W) from (N, channels, H, W)."""
        gate, value = project(x, self.project_in, self.dwconv, 2, inner)
        return self.project_out(apply_gate(gate, value))


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)); (N, channels, H, W) to the same."""

    def __init__(self, channels: int, n_heads: int, expansion: int):
        super().__init__()
        self.norm1 = LayerNorm2d(channels)
        self.attn = ChannelAttention(channels, n_heads)
        self.norm2 = LayerNorm2d(channels)
        self.ffn = GatedFeedForward(channels, expansion)

    def forward(self, x: Tensor) -> Tensor:
        v, sums = self.attn(self.norm1(x))
        return self._finish(x, v, self.attn.find_mix(sums))

    def fuse(self, x: Tensor) -> Tensor:
        """Put ``forward(x)`` in the place of ``x``, strip by strip, for inference; one map more is held."""
        v, sums = torch.empty_like(x), 0
        for strip in cut_strips(x):
            counted = self.attn.of_picture.find_inside(x, strip.rows)
            v[:, :, strip.rows], part = self.attn(self.norm1(x[:, :, strip.seen]), strip.inner, counted)
            sums = sums + part
        mix = self.attn.find_mix(sums)
        late = None  # a strip is written when the next one, which sees its last row, has been read
        for strip in cut_strips(x):
            done = strip.rows, self._finish(x[:, :, strip.seen], v[:, :, strip.seen], mix, strip.inner)
            if late:
                x[:, :, late[0]] = late[1]
            late = done
        x[:, :, late[0]] = late[1]
        return x

    def _finish(self, x: Tensor, v: Tensor, mix: Tensor, inner: slice = ALL) -> Tensor:
        x = add_mixed(x, v, mix)
        return x[:, :, inner] + self.ffn(self.norm2(x), inner)
