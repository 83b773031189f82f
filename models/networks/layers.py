"""Layers that several networks share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.networks.whole_picture import OfPicture, normalise

NORMS = ("batch", "instance", "none")


class InstanceNorm(nn.InstanceNorm2d):
    """Instance normalisation that takes a tile's statistics from its picture."""

    def __init__(self, channels: int):
        super().__init__(channels)
        self.of_picture = OfPicture()

    def forward(self, x: Tensor) -> Tensor:
        return normalise(x, self.of_picture, self.eps)


def make_norm(norm: str, channels: int) -> nn.Module:
    """Return the normalisation called ``norm`` for ``channels`` feature maps.

    ``batch`` has an affine part and running statistics, ``instance`` neither (as in pix2pix), ``none`` does nothing.

    Raises:
        ValueError: ``norm`` is none of ``NORMS``.
    """
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "instance":
        return InstanceNorm(channels)
    if norm == "none":
        return nn.Identity()
    raise ValueError(f"norm is '{norm}', expected one of {', '.join(NORMS)}")


def needs_bias(norm: str) -> bool:
    """Whether a convolution in front of ``norm`` has a bias: batch normalisation brings its own shift."""
    return norm != "batch"


def fold_norms(network: nn.Module) -> None:
    """Multiply batch normalisations into the convolutions in front of them, in place: for fusing alone.

    The modules say which: ``FOLDS = (("conv", "norm"), ...)`` names attributes of which the second is called on what
    the first returns. A normalisation of another kind stays.
    """
    for module in network.modules():
        for conv_name, norm_name in getattr(module, "FOLDS", ()):
            conv, norm = getattr(module, conv_name), getattr(module, norm_name)
            if type(norm) is nn.BatchNorm2d:
                is_transposed = isinstance(conv, nn.ConvTranspose2d)
                setattr(module, conv_name, fuse_conv_bn_eval(conv, norm, transpose=is_transposed))
                setattr(module, norm_name, nn.Identity())
