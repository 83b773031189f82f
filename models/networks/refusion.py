"""ReFusion's three networks: fusion, proposal of the fusion loss, reconstruction of the sources.

H. Bai et al., "ReFusion", IJCV 2024 (arXiv 2312.07943). Number for number the authors' released fusion network; the
other two by the layout that their training code is known for. All convolutions are without bias, all images have one
channel, and any size will do.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks import shortcuts
from models.networks.channel_attention import (
    ALL,
    VALUES,
    TransformerBlock,
    add_mixed,
    apply_gate,
    cut_strips,
    depthwise,
    find_mix,
    pointwise,
    project,
    sum_products,
)
from models.networks.precision import native_autocast
from models.networks.whole_picture import OfPicture

NETWORKS = {
    "refusion": {
        "class": "FusionModule",
        "role": "generator",
        "title": "transformer blocks over channels for each source, cross attention, gated fusion",
    },
}


class CrossFusion(nn.Module):
    """Attention between the channels of two sources, and gates that see both (the authors' AFM).

    The attributes have the names of the released weights.
    """

    def __init__(self, dim: int, n_heads: int, expansion: int):
        super().__init__()
        hidden = 2 * dim * expansion
        self.temperature1 = nn.Parameter(torch.ones(n_heads, 1, 1))
        self.temperature2 = nn.Parameter(torch.ones(n_heads, 1, 1))
        self.qkv1, self.qkv1_dwconv = pointwise(dim, 3 * dim), depthwise(3 * dim)
        self.qkv2, self.qkv2_dwconv = pointwise(dim, 3 * dim), depthwise(3 * dim)
        self.project_mid1, self.project_mid2 = pointwise(dim, dim), pointwise(dim, dim)
        self.project_E, self.project_E_d = pointwise(2 * dim, 2 * hidden), depthwise(2 * hidden)
        self.project_E1, self.project_E1_d = pointwise(dim, hidden), depthwise(hidden)
        self.project_E2, self.project_E2_d = pointwise(dim, hidden), depthwise(hidden)
        self.project_out1, self.project_out2 = pointwise(hidden, 2 * dim), pointwise(hidden, 2 * dim)
        self.of_picture1, self.of_picture2 = OfPicture(), OfPicture()

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Fuse features ``x1``, ``x2``, each (N, dim, H, W), to (N, 2 dim, H, W)."""
        v1, v2, sums1, sums2 = self._attend(x1, x2)
        return self._merge(x1, x2, v1, v2, *self._find_mixes(sums1, sums2))

    def fuse(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Return ``forward(x1, x2)`` strip by strip, for inference: no hidden map is held whole."""
        v1, v2, sums1, sums2 = torch.empty_like(x1), torch.empty_like(x2), 0, 0
        for strip in cut_strips(x1):
            seen = (x[:, :, strip.seen] for x in (x1, x2))
            counted = self.of_picture1.find_inside(x1, strip.rows)
            v1[:, :, strip.rows], v2[:, :, strip.rows], part1, part2 = self._attend(*seen, strip.inner, counted)
            sums1, sums2 = sums1 + part1, sums2 + part2
        mixes = self._find_mixes(sums1, sums2)
        number, dim, height, width = x1.shape
        shape, like = (number, 2 * dim, height, width), {"dtype": x1.dtype, "device": x1.device}
        fused = torch.empty(shape, **like, memory_format=torch.channels_last)
        for strip in cut_strips(x1):
            seen = (x[:, :, strip.seen] for x in (x1, x2, v1, v2))
            fused[:, :, strip.rows] = self._merge(*seen, *mixes, strip.inner)
        return fused

    def _attend(
        self, x1: Tensor, x2: Tensor, inner: slice = ALL, counted: tuple[slice, slice] = (ALL, ALL)
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if self.of_picture1.known is not None:
            (v1,) = project(x1, self.qkv1, self.qkv1_dwconv, 3, inner, VALUES)
            (v2,) = project(x2, self.qkv2, self.qkv2_dwconv, 3, inner, VALUES)
            return v1, v2, 0, 0
        q1, k1, v1 = project(x1, self.qkv1, self.qkv1_dwconv, 3, inner)
        q2, k2, v2 = project(x2, self.qkv2, self.qkv2_dwconv, 3, inner)
        q1, k1, q2, k2 = (x[:, :, *counted] for x in (q1, k1, q2, k2))
        return v1, v2, sum_products(q2, k1), sum_products(q1, k2)

    def _find_mixes(self, sums1: Tensor, sums2: Tensor) -> tuple[Tensor, Tensor]:
        mix1 = find_mix(self.of_picture1(sums1), self.temperature1, self.project_mid1)
        return mix1, find_mix(self.of_picture2(sums2), self.temperature2, self.project_mid2)

    def _merge(
        self, x1: Tensor, x2: Tensor, v1: Tensor, v2: Tensor, mix1: Tensor, mix2: Tensor, inner: slice = ALL
    ) -> Tensor:
        x1, x2 = add_mixed(x1, v1, mix1), add_mixed(x2, v2, mix2)
        both = torch.cat([x1, x2], 1)
        gate1, gate2 = project(both, self.project_E, self.project_E_d, 2, inner)
        (value1,) = project(x1, self.project_E1, self.project_E1_d, 1, inner)
        (value2,) = project(x2, self.project_E2, self.project_E2_d, 1, inner)
        y1, y2 = self.project_out1(apply_gate(gate1, value1)), self.project_out2(apply_gate(gate2, value2))
        return both[:, :, inner] + y1 + y2


class FusionModule(nn.Module):
    """F: fuses two sources. 59,856 parameters by default.

    Args:
        dim: features per source; the fused ones are twice as many.
        n_blocks: transformer blocks per source, and after the fusion.
        n_heads: heads of the attention, a divisor of ``dim``.
        expansion: of the feed-forward nets.
    """

    def __init__(self, dim: int = 16, n_blocks: int = 2, n_heads: int = 8, expansion: int = 2):
        super().__init__()
        self.project_in_1, self.project_in_2 = _conv3x3(1, dim), _conv3x3(1, dim)
        self.encoder1 = _make_blocks(dim, n_blocks, n_heads, expansion)
        self.encoder2 = _make_blocks(dim, n_blocks, n_heads, expansion)
        self.FM = CrossFusion(dim, n_heads, expansion)
        self.decoder = _make_blocks(2 * dim, n_blocks, n_heads, expansion)
        self.project_out_0, self.project_out_1 = _conv3x3(2 * dim, dim), _conv3x3(dim, 1)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse ``a`` and ``b``, (N, 1, H, W) in [0, 1], to (N, 1, H, W) in (0, 1)."""
        x = self.FM(self.encoder1(_lift(a, self.project_in_1)), self.encoder2(_lift(b, self.project_in_2)))
        return self._decode(self.decoder(x))

    @torch.no_grad()
    def fuse(self, a: Tensor, b: Tensor) -> Tensor:
        """Return ``forward(a, b)`` for inference: strip by strip, in a sixth of its memory, and without gradient."""
        if shortcuts.are_forbidden():
            return self(a, b)
        with native_autocast(a.device):
            x = self.FM.fuse(
                _fuse_blocks(_lift(a, self.project_in_1), self.encoder1),
                _fuse_blocks(_lift(b, self.project_in_2), self.encoder2),
            )
            return self._decode(_fuse_blocks(x, self.decoder))

    def _decode(self, x: Tensor) -> Tensor:
        x = functional.leaky_relu(self.project_out_0(x), 0.01)
        return torch.sigmoid(self.project_out_1(x))


class WeightProposal(nn.Module):
    """Weights of two images against each other, pixel by pixel: half of P."""

    def __init__(self, dim: int, n_blocks: int, n_heads: int, expansion: int):
        super().__init__()
        self.project_in_1, self.project_in_2 = _conv3x3(1, dim), _conv3x3(1, dim)
        self.encoder1 = _make_blocks(dim, n_blocks, n_heads, expansion)
        self.encoder2 = _make_blocks(dim, n_blocks, n_heads, expansion)
        self.decoder = _make_blocks(2 * dim, n_blocks, n_heads, expansion)
        self.project_out_0, self.activation, self.project_out_1 = _conv3x3(2 * dim, dim), nn.PReLU(), _conv3x3(dim, 2)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return weights of ``a`` and ``b`` (each (N, 1, H, W)): (N, 2, H, W), positive, with sum 1."""
        features = self.encoder1(_lift(a, self.project_in_1)), self.encoder2(_lift(b, self.project_in_2))
        x = self.decoder(torch.cat(features, 1))
        return self.project_out_1(self.activation(self.project_out_0(x))).softmax(1)


class LossProposalModule(nn.Module):
    """P: proposes the weights of the fusion loss. 89,058 parameters by default.

    Args:
        dim, n_blocks, n_heads, expansion: as for ``FusionModule``.
    """

    def __init__(self, dim: int = 16, n_blocks: int = 2, n_heads: int = 8, expansion: int = 2):
        super().__init__()
        self.intensity = WeightProposal(dim, n_blocks, n_heads, expansion)
        self.gradient = WeightProposal(dim, n_blocks, n_heads, expansion)

    def forward(self, a: Tensor, b: Tensor, gradient_a: Tensor, gradient_b: Tensor) -> tuple[Tensor, Tensor]:
        """Weigh intensities and gradients of a pair against each other.

        Args:
            a, b: the sources, (N, 1, H, W) in [0, 1].
            gradient_a, gradient_b: their ``losses.sobel_magnitude``, (N, 1, H, W) in [0, 8].

        Returns:
            (w, v), each (N, 2, H, W) in (0, 1): channel 0 belongs to ``a``, and the two sum to 1 at every pixel.
        """
        return self.intensity(a, b), self.gradient(gradient_a, gradient_b)


class SourceDecoder(nn.Module):
    """One source from the fused image: half of R."""

    def __init__(self, dim: int, n_blocks: int, n_heads: int, expansion: int):
        super().__init__()
        self.project_in = _conv3x3(1, 2 * dim)
        self.blocks = _make_blocks(2 * dim, n_blocks, n_heads, expansion)
        self.project_out_0, self.project_out_1 = _conv3x3(2 * dim, dim), _conv3x3(dim, 1)

    def forward(self, fused: Tensor) -> Tensor:
        """Return a source, (N, 1, H, W) in (0, 1), from ``fused``, (N, 1, H, W) in [0, 1]."""
        x = functional.leaky_relu(self.project_out_0(self.blocks(_lift(fused, self.project_in))), 0.01)
        return torch.sigmoid(self.project_out_1(x))


class SourceReconstructionModule(nn.Module):
    """R: rebuilds both sources from the fused image. 59,648 parameters by default.

    Args:
        dim, n_blocks, n_heads, expansion: as for ``FusionModule``.
    """

    def __init__(self, dim: int = 16, n_blocks: int = 2, n_heads: int = 8, expansion: int = 2):
        super().__init__()
        self.source_a = SourceDecoder(dim, n_blocks, n_heads, expansion)
        self.source_b = SourceDecoder(dim, n_blocks, n_heads, expansion)

    def forward(self, fused: Tensor) -> Tensor:
        """Return (N, 2, H, W) in (0, 1), source a in channel 0, from ``fused``, (N, 1, H, W) in [0, 1]."""
        return torch.cat([self.source_a(fused), self.source_b(fused)], 1)


def translate_official_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the authors' state of the fusion module under our names, ready for ``FusionModule.load_state_dict``.

    Args:
        state: a ``ReFusion_TASK.pth`` of theirs: each convolution's weight is there twice, as ``NAME.weight`` and
            as ``NAME.conv.weight``; a "module." in front, left by DataParallel, is dropped.
    """
    return {key.removeprefix("module.").replace(".conv.weight", ".weight"): value for key, value in state.items()}


def _conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


def _make_blocks(channels: int, n_blocks: int, n_heads: int, expansion: int) -> nn.Sequential:
    return nn.Sequential(*(TransformerBlock(channels, n_heads, expansion) for _ in range(n_blocks)))


def _fuse_blocks(x: Tensor, blocks: nn.Sequential) -> Tensor:
    for block in blocks:
        x = block.fuse(x)
    return x


def _lift(image: Tensor, project_in: nn.Conv2d) -> Tensor:
    # Every later step is faster with the channels of a pixel side by side.
    return project_in(image).contiguous(memory_format=torch.channels_last)
