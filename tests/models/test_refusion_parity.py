"""ReFusion's networks against the authors' own, number for number, and what training asks of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, jvp

from models import networks
from models.losses import sobel_magnitude
from models.networks import channel_attention, precision
from models.networks.refusion import (
    FusionModule,
    LossProposalModule,
    SourceReconstructionModule,
    translate_official_state,
)
from tests.reference import fill_weights, read_fixture

TOLERANCE = 1e-5
FIXTURES = ("refusion_formula", "refusion_official_IVIF", "refusion_official_MFIF")
SMALL = {"dim": 4, "n_blocks": 1, "n_heads": 2}


@pytest.fixture(params=FIXTURES)
def official(request, shared):
    """A pair (2, N, 1, H, W), the fusion module with a fixture's weights, and the authors' output for it."""
    fixture, arrays = read_fixture(shared / "parity", request.param)
    stored = {key.removeprefix("sd."): torch.from_numpy(array) for key, array in arrays.items() if key[:3] == "sd."}
    state = stored or fill_weights(fixture["table"])
    # The authors' files hold every convolution twice.
    state |= {alias: state[original] for alias, original in fixture["alias"].items()}
    network = networks.build("refusion").eval()
    network.load_state_dict(translate_official_state({f"module.{key}": value for key, value in state.items()}))
    assert count_parameters(network) == fixture["n_params_unique"]
    return torch.from_numpy(arrays["in.x"]).transpose(0, 1).unsqueeze(2), network, arrays["out.raw"]


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Move every parameter away from where it starts: a temperature of 1 or a bias of 0 would hide a mistake."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return network


@pytest.fixture
def short_strips(monkeypatch):
    """Let small pictures be fused in several strips of rows, as large ones are."""
    monkeypatch.setattr(channel_attention, "_PIXELS_PER_STRIP", {"cpu": 1})
    monkeypatch.setattr(channel_attention, "_ROWS_PER_STRIP", 5)


def test_forward_is_the_authors(official):
    (a, b), network, expected = official
    with torch.no_grad():
        np.testing.assert_allclose(network(a, b).numpy(), expected, rtol=0, atol=TOLERANCE)


def test_fusing_in_strips_is_the_authors(official, short_strips):
    (a, b), network, expected = official
    assert len(list(channel_attention.cut_strips(a))) > 10
    with torch.inference_mode():
        np.testing.assert_allclose(network.fuse(a, b).numpy(), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("height, width", [(1, 1), (1, 9), (5, 1), (6, 7), (11, 4), (23, 16)])
def test_fusing_in_strips_is_forward_at_any_size(height, width, short_strips):
    """In float64, where a difference is a mistake and not rounding."""
    torch.manual_seed(0)
    network = randomise(FusionModule().double().eval())
    a, b = torch.rand(2, 3, 1, height, width, dtype=torch.float64)
    with torch.inference_mode():
        fused = network.fuse(a, b)
        assert fused.shape == a.shape
        torch.testing.assert_close(fused, network(a, b), rtol=0, atol=1e-10)
        for one, x, y in zip(fused, a, b, strict=True):
            torch.testing.assert_close(network.fuse(x[None], y[None])[0], one, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_stays_near(dtype, short_strips, monkeypatch):
    """Sums over this many pixels leave half precision's range: they are made in float32."""
    monkeypatch.setattr(precision, "convolves_bfloat16", lambda: True)
    torch.manual_seed(0)
    network, (a, b) = FusionModule(dim=4, n_blocks=1, n_heads=2).eval(), torch.rand(2, 1, 1, 96, 128)
    with torch.inference_mode():
        expected = network(a, b)
        with torch.autocast("cpu", dtype=dtype):
            for run in (network, network.fuse):
                fused = run(a, b)
                assert fused.dtype == dtype and (fused.float() - expected).abs().max() < 0.01


def test_bf16_is_not_emulated(monkeypatch):
    network, (a, b) = FusionModule(**SMALL).eval(), torch.rand(2, 1, 1, 9, 7)
    expected = network.fuse(a, b)
    monkeypatch.setattr(precision, "convolves_bfloat16", lambda: False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(network.fuse(a, b), expected)
        assert network(a, b).dtype == torch.bfloat16  # training is as it was asked for


def test_published_sizes():
    networks_and_sizes = ((FusionModule, 59856), (LossProposalModule, 89058), (SourceReconstructionModule, 59648))
    for network_class, size in networks_and_sizes:
        assert count_parameters(network_class()) == size, network_class


def test_proposed_weights_sum_to_one():
    torch.manual_seed(0)
    a, b = torch.rand(2, 2, 1, 9, 12)
    w, v = randomise(LossProposalModule(**SMALL))(a, b, sobel_magnitude(a), sobel_magnitude(b))
    for weights in (w, v):
        assert weights.shape == (2, 2, 9, 12) and weights.min() > 0 and weights.std() > 0.01
        torch.testing.assert_close(weights.sum(1), torch.ones(2, 9, 12), rtol=0, atol=1e-6)
    assert not torch.allclose(w, v, atol=0.01)


def test_both_sources_are_rebuilt():
    torch.manual_seed(0)
    rebuilt = randomise(SourceReconstructionModule(**SMALL))(torch.rand(2, 1, 9, 12))
    assert rebuilt.shape == (2, 2, 9, 12) and rebuilt.min() > 0 and rebuilt.max() < 1
    assert not torch.allclose(rebuilt[:, 0], rebuilt[:, 1], atol=0.01)


def test_black_pictures_have_a_gradient():
    """Fresh layer norms give 0 for black: the length of such a query has no slope."""
    network = FusionModule(**SMALL)
    network(*torch.zeros(2, 1, 1, 6, 6)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("network_class", [FusionModule, LossProposalModule, SourceReconstructionModule])
def test_derivatives(network_class):
    """Forward mode, reverse mode and reverse mode twice agree with differences of the function itself, in float64."""
    torch.manual_seed(0)
    network = randomise(network_class(**SMALL).double())
    count = {FusionModule: 2, LossProposalModule: 4, SourceReconstructionModule: 1}[network_class]
    images = torch.rand(count, 2, 1, 7, 6, dtype=torch.float64)
    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}
    direction = {name: torch.randn_like(parameter) for name, parameter in parameters.items()}

    def loss(parameters):
        outputs = functional_call(network, parameters, tuple(images))
        outputs = torch.cat(outputs) if isinstance(outputs, tuple) else outputs
        return (outputs * torch.linspace(-1, 1, outputs.numel(), dtype=torch.float64).view_as(outputs)).square().sum()

    def slope(parameters):
        """The derivative of the loss along ``direction``, by reverse mode."""
        gradients = torch.autograd.grad(loss(parameters), list(parameters.values()), create_graph=True)
        return sum((gradient * direction[name]).sum() for name, gradient in zip(parameters, gradients, strict=True))

    def shifted(step):
        return {name: (value + step * direction[name]).requires_grad_() for name, value in parameters.items()}

    step = 1e-7  # short, so that no activation crosses its kink
    first = slope(shifted(0))
    assert jvp(loss, (parameters,), (direction,))[1].item() == pytest.approx(first.item(), rel=1e-9)
    difference = (loss(shifted(step)) - loss(shifted(-step))) / (2 * step)
    assert first.item() == pytest.approx(difference.item(), rel=1e-6)

    at = shifted(0)
    curvature = torch.autograd.grad(slope(at), list(at.values()))
    curvature = sum((gradient * direction[name]).sum() for name, gradient in zip(at, curvature, strict=True))
    difference = (slope(shifted(step)) - slope(shifted(-step))) / (2 * step)
    assert curvature.item() == pytest.approx(difference.item(), rel=1e-5)
