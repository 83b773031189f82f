"""R2GAN's generator: an encoder for both sources, a decoder for the mean of their features, decoders to rebuild each.

A. Chahi, M. Kas, I. Kajo, Y. Ruichek, "R2GAN", Applied Intelligence 2025. Number for number the authors' released
network where its reading and the paper's differ (6 residual blocks, one set of decoder weights); the paper's reading is
``n_blocks=9, tie_decoders=False``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks import shortcuts
from models.networks.layers import make_norm, needs_bias
from models.networks.strips import conv_reflected, in_strips

NETWORKS = {
    "r2gan_generator": {
        "class": "R2GANGenerator",
        "role": "generator",
        "title": "shared encoder, mean of the features, decoders for the fused image and for each source",
    },
}


class R2GANOutput(NamedTuple):
    """What the generator makes of a pair; each (N, output_nc, H, W) in [-1, 1], None where it was not asked for."""

    fused: Tensor
    rec_a: Tensor | None
    rec_b: Tensor | None


class ConvBlock(nn.Module):
    """Convolution, normalisation, ReLU."""

    FOLDS = (("conv", "norm"),)

    def __init__(self, conv: nn.Module, norm: str):
        super().__init__()
        self.conv = conv
        self.norm = make_norm(norm, conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.conv(x)), inplace=True)


class ResidualBlock(nn.Module):
    """x + norm(conv(dropout(relu(norm(conv(x)))))), 3x3 with reflected borders; shape and channels stay."""

    FOLDS = (("conv1", "norm1"), ("conv2", "norm2"))

    def __init__(self, channels: int, norm: str, use_dropout: bool):
        super().__init__()
        bias = needs_bias(norm)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=bias)
        self.norm1 = make_norm(norm, channels)
        # Present with rate 0 too, so that a checkpoint fits with and without dropout.
        self.dropout = nn.Dropout(0.5 if use_dropout else 0.0)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=bias)
        self.norm2 = make_norm(norm, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(conv_reflected(self.conv1, x)), inplace=True)
        y = self.norm2(conv_reflected(self.conv2, self.dropout(y)))  # under one name, so that three maps are held
        return x + y


class R2GANGenerator(nn.Module):
    """The three paths of R2GAN over one encoder.

    Height and width are multiples of 4, at least 8 (two halvings, then reflected borders). 7,841,411 parameters by
    default: 7.463 M in the encoder, 0.378 M in a decoder.

    Args:
        input_nc: channels of a source.
        output_nc: channels of an output.
        ngf: features of the first layer; the blocks have 4 times as many.
        n_blocks: residual blocks in the encoder: 6 in the authors' code, 9 in the paper's figures.
        norm: 'batch', 'instance' or 'none'.
        use_dropout: dropout of 0.5 inside each residual block (training mode only).
        tie_decoders: one decoder for all three outputs, as in the authors' code; else three, as the paper draws them.
    """

    def __init__(
        self,
        input_nc: int = 3,
        output_nc: int = 3,
        ngf: int = 64,
        n_blocks: int = 6,
        norm: str = "batch",
        use_dropout: bool = True,
        tie_decoders: bool = True,
    ):
        super().__init__()
        self.encoder = _make_encoder(input_nc, ngf, n_blocks, norm, use_dropout)
        self.decoder = _make_decoder(output_nc, ngf, norm)
        auxiliary = 0 if tie_decoders else 2
        self.auxiliary_decoders = nn.ModuleList(_make_decoder(output_nc, ngf, norm) for _ in range(auxiliary))

    def forward(self, a: Tensor, b: Tensor, rebuild: bool = True) -> R2GANOutput:
        """Fuse ``a`` and ``b``, (N, input_nc, H, W) in [-1, 1]; with ``rebuild`` also make each from its features."""
        features_a, features_b = self._encode(a, b)
        fused = self.decoder((features_a + features_b) / 2)
        if not rebuild:
            return R2GANOutput(fused, None, None)
        decode_a, decode_b = self.auxiliary_decoders if len(self.auxiliary_decoders) else (self.decoder, self.decoder)
        return R2GANOutput(fused, decode_a(features_a), decode_b(features_b))

    def fuse(self, a: Tensor, b: Tensor) -> Tensor:
        """Return ``forward(a, b).fused``; the sources are not rebuilt, and no auxiliary decoder runs.

        One source after the other is encoded: together they would take twice the memory, and no less time.
        """
        return self._decode((self._encode_one(a) + self._encode_one(b)) / 2)

    def _encode_one(self, x: Tensor) -> Tensor:
        stem, down1, *rest = self.encoder
        if not _goes_in_strips(x, stem, down1):
            return self.encoder(x)
        padded = functional.pad(x, (3, 3, 3, 3), "reflect")

        def make(top: int, bottom: int) -> Tensor:  # rows of down1, from rows 2 top - 1 to 2 bottom - 1 of the stem
            first = max(2 * top - 1, 0)
            y = functional.conv2d(padded[:, :, first : 2 * bottom + 6], stem.conv.weight, stem.conv.bias)
            y = functional.relu(stem.norm(y), inplace=True)
            y = functional.pad(y, (1, 1, int(top == 0), 0))
            y = functional.conv2d(y, down1.conv.weight, down1.conv.bias, stride=2)
            return functional.relu(down1.norm(y), inplace=True)

        x = in_strips(make, x.shape[-2] // 2, 2 * _row_elements(x, stem.conv.out_channels))
        for layer in rest:
            x = layer(x)
        return x

    def _decode(self, x: Tensor) -> Tensor:
        up1, up2, head, tanh = self.decoder
        if not _goes_in_strips(x, up2):
            return self.decoder(x)
        x = up1(x)
        height = 2 * x.shape[-2]

        def make(top: int, bottom: int) -> Tensor:  # rows of the head, from three more of up2 on either side
            first, last = max(top - 3, 0), min(bottom + 3, height)
            # An odd row of a transposed convolution is made from two rows, the second of which comes after it.
            y = up2(x[:, :, first // 2 : last // 2 + 1])[:, :, first % 2 :][:, :, : last - first]
            y = functional.pad(y, (3, 3, first - top + 3, bottom + 3 - last), "reflect")
            return tanh(functional.conv2d(y, head.weight, head.bias))

        return in_strips(make, height, _row_elements(x, 2 * up2.conv.out_channels))

    def _encode(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        if self.training:
            return self.encoder(a), self.encoder(b)  # batch statistics are those of one source, as published
        features = self.encoder(torch.cat([a, b]))
        return features[: len(a)], features[len(a) :]


def _goes_in_strips(x: Tensor, *blocks: ConvBlock) -> bool:
    """Whether the widest maps are made a strip at a time; a normalisation over all pixels wants them whole."""
    pixelwise = (nn.BatchNorm2d, nn.Identity)
    return shortcuts.open_for(x) and all(isinstance(block.norm, pixelwise) for block in blocks)


def _row_elements(x: Tensor, channels: int) -> int:
    return len(x) * channels * x.shape[-1]


def _make_encoder(input_nc: int, ngf: int, n_blocks: int, norm: str, use_dropout: bool) -> nn.Sequential:
    bias = needs_bias(norm)
    layers = OrderedDict(
        stem=ConvBlock(nn.Conv2d(input_nc, ngf, 7, padding=3, padding_mode="reflect", bias=bias), norm),
        down1=ConvBlock(nn.Conv2d(ngf, 2 * ngf, 3, stride=2, padding=1, bias=bias), norm),
        down2=ConvBlock(nn.Conv2d(2 * ngf, 4 * ngf, 3, stride=2, padding=1, bias=bias), norm),
    )
    for number in range(1, n_blocks + 1):
        layers[f"block{number}"] = ResidualBlock(4 * ngf, norm, use_dropout)
    return nn.Sequential(layers)


def _make_decoder(output_nc: int, ngf: int, norm: str) -> nn.Sequential:
    def upsample(features: int) -> ConvBlock:
        conv = nn.ConvTranspose2d(features, features // 2, 3, 2, padding=1, output_padding=1, bias=needs_bias(norm))
        return ConvBlock(conv, norm)

    return nn.Sequential(
        OrderedDict(
            up1=upsample(4 * ngf),
            up2=upsample(2 * ngf),
            head=nn.Conv2d(ngf, output_nc, 7, padding=3, padding_mode="reflect"),
            tanh=nn.Tanh(),
        )
    )


_OFFICIAL_ENCODER = {"1": "stem.conv", "2": "stem.norm", "4": "down1.conv", "5": "down1.norm", "7": "down2.conv",
                     "8": "down2.norm"}  # fmt: skip
_OFFICIAL_DECODER = {"0": "up1.conv", "1": "up1.norm", "3": "up2.conv", "4": "up2.norm", "7": "head"}
# The second half of a block stands one place earlier where the network was built without dropout.
_OFFICIAL_BLOCK = {"1": "conv1", "2": "norm1"}
_OFFICIAL_BLOCK_END = {True: {"6": "conv2", "7": "norm2"}, False: {"5": "conv2", "6": "norm2"}}
_OFFICIAL_DECODERS = {"model_decoder": "decoder", "model1": "auxiliary_decoders.0", "model2": "auxiliary_decoders.1"}
_OFFICIAL_FIRST_BLOCK = 10


def translate_official_key(key: str, use_dropout: bool = True, tie_decoders: bool = True) -> str:
    """Return our name for a parameter or buffer of the authors' ``R2GAN_generator``.

    Args:
        key: their name, such as 'model_encoder.10.conv_block.1.weight'.
        use_dropout: whether their network was built with dropout, which shifts positions inside a block.
        tie_decoders: give the shared decoder's name to the parts of all three.

    Raises:
        KeyError: the name is none of theirs.
    """
    part, position, *rest = key.split(".")
    leaf = rest[-1]
    if part in _OFFICIAL_DECODERS:
        decoder = "decoder" if tie_decoders else _OFFICIAL_DECODERS[part]
        return f"{decoder}.{_OFFICIAL_DECODER[position]}.{leaf}"
    if part != "model_encoder":
        raise KeyError(key)
    if rest[0] == "conv_block":
        layer = {**_OFFICIAL_BLOCK, **_OFFICIAL_BLOCK_END[use_dropout]}[rest[1]]
        return f"encoder.block{int(position) - _OFFICIAL_FIRST_BLOCK + 1}.{layer}.{leaf}"
    return f"encoder.{_OFFICIAL_ENCODER[position]}.{leaf}"


def translate_official_state(state: Mapping[str, Tensor], tie_decoders: bool = True) -> dict[str, Tensor]:
    """Return the authors' generator state under our names, ready for ``R2GANGenerator.load_state_dict``.

    Args:
        state: a ``latest_net_G.pth`` of the authors' code. The second and third copy of its one decoder are
            merged with ``tie_decoders``, and kept apart without.
        tie_decoders: as the network that takes the state.

    Raises:
        KeyError: a name is none of theirs.
    """
    use_dropout = not any(".conv_block.5." in key for key in state)
    return {translate_official_key(key, use_dropout, tie_decoders): value for key, value in state.items()}
