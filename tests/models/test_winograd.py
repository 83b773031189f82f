"""Winograd's convolution against the direct sum in float64."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from models.networks import winograd


@pytest.mark.parametrize("batch, inputs, outputs, height, width", [
    (1, 128, 64, 40, 48),
    (2, 5, 7, 9, 14),  # no side is a multiple of a tile's
    (1, 3, 4, 1, 1),
])  # fmt: skip
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("padding", [1, 0])
def test_it_is_the_convolution_as_exactly_as_the_direct_sum(batch, inputs, outputs, height, width, has_bias, padding):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(batch, inputs, height + 2, width + 2 - 2 * padding, generator=generator)
    x = x.to(memory_format=torch.channels_last)
    weight = torch.randn(outputs, inputs, 3, 3, generator=generator) / (3 * inputs**0.5)
    bias = torch.randn(outputs, generator=generator) if has_bias else None
    exact = functional.conv2d(x.double(), weight.double(), bias.double() if has_bias else None, padding=(0, padding))
    direct = functional.conv2d(x, weight, bias, padding=(0, padding))
    ours = winograd.prepare(weight, bias, padding)(x)
    assert ours.shape == (batch, outputs, height, width)
    assert (ours - exact).abs().max() < max(2e-6, 2 * (direct - exact).abs().max())
