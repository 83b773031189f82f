"""The optimisers: fused, the steps of torch's plain ones, and the same after a state was read in another layout."""

from __future__ import annotations

import argparse
import copy

import pytest
import torch

import models
from models import optimisers

OPTIONS = argparse.Namespace(lr=0.1, beta1=0.9, weight_decay=0.01)
FORMATS = (torch.contiguous_format, torch.channels_last)
LEARNING = [name for name in models.model_names() if models.find_model(name).learns()]


def make_network(memory_format=torch.contiguous_format) -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Conv2d(3, 4, 2).to(memory_format=memory_format)


def take_steps(network, optimizer, *seeds: int) -> torch.Tensor:
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        for parameter in network.parameters():
            parameter.grad = torch.empty_like(parameter).copy_(torch.randn(parameter.shape, generator=generator))
        optimizer.step()
    return network.weight.detach().clone()


@pytest.mark.parametrize("make", [optimisers.make_adam, optimisers.make_sgd])
def test_the_steps_are_those_of_the_plain_optimiser(make):
    fused = make_network()
    optimizer, plain = make(fused, OPTIONS), make_network()
    assert all(group["fused"] for group in optimizer.param_groups)
    options = {key: value for key, value in optimizer.defaults.items() if key not in ("fused", "foreach")}
    expected = take_steps(plain, type(optimizer)(plain.parameters(), **options, foreach=False), 1, 2, 3)
    torch.testing.assert_close(take_steps(fused, optimizer, 1, 2, 3), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("make", [optimisers.make_adam, optimisers.make_sgd])
@pytest.mark.parametrize(("before", "after"), [FORMATS, FORMATS[::-1]], ids=["to channels last", "from channels last"])
def test_a_state_goes_on_in_another_memory_format(make, before, after):
    network = make_network(before)
    optimizer = make(network, OPTIONS)
    take_steps(network, optimizer, 1, 2)
    other = copy.deepcopy(network).to(memory_format=after)
    resumed = make(other, OPTIONS)
    optimisers.load_state(resumed, copy.deepcopy(optimizer.state_dict()))
    assert torch.equal(take_steps(other, resumed, 3, 4), take_steps(network, optimizer, 3, 4))


@pytest.mark.parametrize("name", LEARNING)
def test_every_method_has_a_fused_optimiser(name, make_model):
    model = make_model(name)
    for optimizer in model.optimizers.values():
        if "fused" in optimizer.defaults:  # ReFusion's own for its learned loss has no moments and no such form
            assert optimizer.defaults["fused"] is True


def test_a_run_goes_on_with_channels_last(make_model, make_training_batch):
    plain, other = make_model("r2gan"), make_model("r2gan", "--channels_last")
    plain.train_on(make_training_batch("r2gan"))
    other.load_state_dict(copy.deepcopy(plain.state_dict()), "a state of this test")
    for name, optimizer in plain.optimizers.items():
        parameters = zip(plain.networks[name].parameters(), other.networks[name].parameters(), strict=True)
        for parameter, twin in parameters:
            moments = other.optimizers[name].state[twin]["exp_avg"]
            assert moments.stride() == twin.stride()
            assert torch.equal(moments, optimizer.state[parameter]["exp_avg"])


def test_the_moving_average_follows_the_networks(make_model, make_training_batch):
    model, batch = make_model("r2gan", "--ema", "0.75"), make_training_batch("r2gan")
    before = {key: value.clone() for key, value in model.averages["G"].state_dict().items()}
    model.train_on(batch)
    now, kinds = model.networks["G"].state_dict(), set()
    for key, average in model.averages["G"].state_dict().items():
        kinds.add(average.dtype)
        expected = 0.75 * before[key] + 0.25 * now[key] if average.is_floating_point() else now[key]
        torch.testing.assert_close(average, expected)
    assert len(kinds) == 2, "weights and counts"
