"""Fusion2Void's networks against the authors' own, number for number."""

from __future__ import annotations

import pytest
import torch

from models import networks
from tests.reference import fill_weights, read_fixture

PARAMETERS = {"fusion2void": 261_571, "fusion2void_rec": 152_326}


@pytest.fixture
def read(shared):
    def load(fixture_name: str, name: str):
        fixture, arrays = read_fixture(shared / "parity", fixture_name)
        network = networks.build(name).eval().requires_grad_(False)
        network.load_state_dict(fill_weights(fixture["table"]))
        return network, {key: torch.from_numpy(array) for key, array in arrays.items()}

    return load


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(name):
    assert sum(parameter.numel() for parameter in networks.build(name).parameters()) == PARAMETERS[name]


def test_fusion(read):
    network, arrays = read("fusion2void_fusionnet", "fusion2void")
    a, b = arrays["in.A"], arrays["in.B"]
    ours = {"fuse_AB": network(a, b), "fuse_BA": network(b, a), "swap_average": network.fuse(a, b)}
    for name, image in ours.items():
        torch.testing.assert_close(image, arrays[f"out.{name}"], rtol=0, atol=1e-5)


def test_fusion_in_channels_last(read):
    network, arrays = read("fusion2void_fusionnet", "fusion2void")
    fused = network.to(memory_format=torch.channels_last).fuse(arrays["in.A"], arrays["in.B"])
    torch.testing.assert_close(fused, arrays["out.swap_average"], rtol=0, atol=1e-5)


def test_reconstruction(read):
    network, arrays = read("fusion2void_recnet", "fusion2void_rec")
    restored = network(arrays["in.1"], arrays["in.2"], arrays["in.3"])
    for image, name in zip(restored, ("recA", "recB"), strict=True):
        torch.testing.assert_close(image, arrays[f"out.{name}"], rtol=0, atol=1e-5)
