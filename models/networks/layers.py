"""Layers that several networks share."""

from __future__ import annotations

from torch import nn

NORMS = ("batch", "instance", "none")


def make_norm(norm: str, channels: int) -> nn.Module:
    """Return the normalisation called ``norm`` for ``channels`` feature maps.

    ``batch`` has an affine part and running statistics, ``instance`` neither (as in pix2pix), ``none`` does nothing.

    Raises:
        ValueError: ``norm`` is none of ``NORMS``.
    """
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "instance":
        return nn.InstanceNorm2d(channels)
    if norm == "none":
        return nn.Identity()
    raise ValueError(f"norm is '{norm}', expected one of {', '.join(NORMS)}")


def needs_bias(norm: str) -> bool:
    """Whether a convolution in front of ``norm`` has a bias: batch normalisation brings its own shift."""
    return norm != "batch"
