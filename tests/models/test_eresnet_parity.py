"""EResNet against the authors' own classifier, number for number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models import networks
from tests.reference import fill_weights, read_fixture

TOLERANCE = 1e-5  # of the largest logit
MEANS, DEVIATIONS = (0.45, 0.05, 0.06), (0.1, 0.09, 0.09)  # of the authors' test script, for values in [0, 1]


def load(table: list[dict]):
    network = networks.build("eresnet").eval().requires_grad_(False)
    network.load_state_dict(fill_weights(table))
    return network


def assert_close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=TOLERANCE * theirs.abs().max().item())


@pytest.fixture(scope="module")
def classifier(shared):
    """Return the fixture's arrays and the network with its weights."""
    fixture, arrays = read_fixture(shared / "parity", "cnn_classifier")
    network = load(fixture["table"])
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


def test_windows_of_the_authors_loop(shared):
    """A corner and the middle of the 456x456 pair that their script ran window by window, gray for all three inputs."""
    fixture, arrays = read_fixture(shared / "parity", "cnn_pipeline")
    network = load(fixture["table"])
    for top, left, rows, columns in ((0, 0, 3, 4), (30, 25, 2, 3)):
        area = np.s_[8 * top : 8 * (top + rows) + 24, 8 * left : 8 * (left + columns) + 24]
        vis, ir = (normalise(arrays[f"in.{name}_u8"][area]) for name in ("vis", "ir"))
        theirs = torch.from_numpy(arrays["out.logits"][top : top + rows, left : left + columns])
        assert_close(network.compare_windows(vis, ir)[0].permute(2, 3, 0, 1), theirs)


def normalise(image: np.ndarray) -> torch.Tensor:
    gray = torch.from_numpy(image).float() / 255
    return torch.stack([(gray - mean) / deviation for mean, deviation in zip(MEANS, DEVIATIONS, strict=True)])[None]
