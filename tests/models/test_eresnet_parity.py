"""EResNet against the authors' own classifier, number for number."""

from __future__ import annotations

import pytest
import torch

from models import networks
from tests.reference import fill_weights, read_fixture

TOLERANCE = 1e-5  # of the largest logit


def assert_close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=TOLERANCE * theirs.abs().max().item())


@pytest.fixture(scope="module")
def classifier(shared):
    """Return the fixture's arrays and the network with its weights."""
    fixture, arrays = read_fixture(shared / "parity", "cnn_classifier")
    network = networks.build("eresnet").eval().requires_grad_(False)
    network.load_state_dict(fill_weights(fixture["table"]))
    assert sum(parameter.numel() for parameter in network.parameters()) == fixture["n_params_unique"] == 4_782_850
    return {key: torch.from_numpy(array) for key, array in arrays.items()}, network


@pytest.mark.parametrize(("planes", "result"), [("x y z", "logits"), ("x y2 z2", "logits_mixed")])
def test_classifier(classifier, planes, result):
    arrays, network = classifier
    assert_close(network(*(arrays[f"in.{plane}"] for plane in planes.split())), arrays[f"out.{result}"])


def test_both_orders_of_a_pair(classifier):
    arrays, network = classifier
    stacks = torch.cat([arrays[f"in.{plane}"] for plane in ("x", "y", "z")], 1)
    upper, lower = stacks.chunk(2, 2)
    straight, swapped = network.compare(upper, lower)
    assert_close(straight, arrays["out.logits"])
    torch.testing.assert_close(swapped, network.compare(lower, upper)[0])
