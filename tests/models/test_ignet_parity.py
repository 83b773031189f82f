"""IGNet's network against the authors' own, number for number, and its whole pipeline to a gray level."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from models import networks
from models.networks.ignet import ConvGRU, GraphInteraction, IGNet, MessagePassing, NodeMaker, Norm
from tests.reference import fill_weights, read_fixture

TOLERANCE = 1e-5  # of the largest value, at least of 1: the parts are built to reach 50, rounding grows with it
MODES = {"out": False, "out_trainbn": True}  # what the fixtures call evaluation and batch statistics


@pytest.fixture
def read(shared):
    """Return a function: the arrays of a fixture, and its weights loaded key for key into a module."""

    def load(name: str, module: nn.Module) -> dict[str, torch.Tensor]:
        fixture, arrays = read_fixture(shared / "parity", name)
        state = fill_weights(fixture["table"])
        for key, tensor in state.items():
            if "sd." + key in arrays:
                np.testing.assert_array_equal(tensor.numpy(), arrays["sd." + key], err_msg=key)
        module.load_state_dict(state)
        assert count(module) == fixture["n_params_unique"]
        return {key: torch.from_numpy(array) for key, array in arrays.items()}

    return load


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def evaluate(module: nn.Module, mode: str) -> nn.Module:
    for part in module.modules():
        if isinstance(part, Norm):
            part.of_image = MODES[mode]
    return module.eval().requires_grad_(False)


def assert_close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=TOLERANCE * max(1, theirs.abs().max().item()))


@pytest.mark.parametrize("mode", MODES)
def test_nodes(read, mode):
    module = NodeMaker(128)
    arrays = read("ignet_ppm", module)
    nodes = evaluate(module, mode)(arrays["in.x.a"])
    for index, node in enumerate(nodes):
        assert_close(node, arrays[f"{mode}.y{index}.a"])


def test_gated_recurrent_unit(read):
    module = ConvGRU(8)
    arrays = read("ignet_convgru", module)
    assert_close(module(arrays["in.input.a"], arrays["in.hidden.a"]), arrays["out.next_h.a"])


@pytest.mark.parametrize("case", ["a", "b2"])
def test_messages(read, case):
    module = MessagePassing(8, legacy_interleave=True)
    arrays = read("ignet_graphmodel", module)  # (N, node, channels, H, W) there
    assert_close(module(arrays[f"in.x.{case}"].transpose(0, 1)).transpose(0, 1), arrays[f"out.y.{case}"])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", ["no_node", "node"])
def test_graph_interaction(read, case, mode):
    module = GraphInteraction(128, legacy_interleave=True)
    arrays = read("ignet_graphreasoning", module)
    evaluate(module, mode)
    leaders = [arrays[f"in.nd_{side}.node"] for side in ("rgb", "dep")] if case == "node" else []
    made = module.ppm_rgb(arrays[f"in.rgb.{case}"]), module.ppm_dep(arrays[f"in.dep.{case}"])
    for side, nodes in zip(("rgb", "dep"), module(*made, *leaders), strict=True):
        for index, node in enumerate(nodes):
            assert_close(node, arrays[f"{mode}.{side}{index}.{case}"])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", ["64x96", "40x56"])
def test_whole_network(read, size, mode):
    module = networks.build("ignet", legacy_interleave=True, bn_train_mode=MODES[mode]).eval()
    arrays = read("ignet_backbone", module)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    with torch.no_grad():
        fused = module(arrays[f"in.ir.{size}"], arrays[f"in.vis.{size}"][:, :1])
    assert_close(fused, arrays[f"{mode}.y.{size}"])
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key]), f"{key}: the statistics of a fused image were kept"


def test_the_clean_edge_weights_are_another_network(read):
    clean = IGNet().eval()
    arrays = read("ignet_backbone", clean)
    with torch.no_grad():
        fused = clean(arrays["in.ir.40x56"], arrays["in.vis.40x56"][:, :1])
    assert (fused - arrays["out.y.40x56"]).abs().max() > 0.01


def test_parameters_of_the_parts():
    network = IGNet()
    assert count(network) == 7_871_327
    assert count(network.graph) == 1_902_687
    assert count(network.inf_conv) == count(network.vis_conv) == 2_984_320
