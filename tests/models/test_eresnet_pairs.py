"""EResNet on pairs in both orders at once against its forward() on all stacks: scores, gradients, statistics."""

from __future__ import annotations

import copy

import pytest
import torch


@pytest.fixture(scope="module")
def network(draw_eresnet):
    return draw_eresnet()


def classify_stacks(network, first, second):
    stacks = torch.cat([torch.cat([first, second], 2), torch.cat([second, first], 2)])
    return network(*stacks.split(1, 1)).chunk(2)


def learn(network, run, pair, weights):
    """Return the logits and the gradients of a weighted sum of them, by name."""
    network.zero_grad()
    logits = torch.cat(run(*pair))
    (logits * weights).sum().backward()
    return logits.detach(), {name: parameter.grad.clone() for name, parameter in network.named_parameters()}


@pytest.mark.parametrize("training, count", [(True, 5), (False, 2)])  # chunks with a rest, one chunk
def test_it_learns_what_all_stacks_teach(network, training, count):
    ours, plain = copy.deepcopy(network).train(training), copy.deepcopy(network).train(training)
    torch.manual_seed(1)
    pair, weights = torch.randn(2, count, 3, 32, 32, dtype=torch.float64), torch.randn(2 * count, 2).double()
    logits, gradients = learn(ours, ours.compare, pair, weights)
    expected_logits, expected = learn(plain, lambda *pair: classify_stacks(plain, *pair), pair, weights)
    torch.testing.assert_close(logits, expected_logits, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradients, expected, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(dict(ours.named_buffers()), dict(plain.named_buffers()), rtol=1e-9, atol=1e-9)


def test_in_lower_precision_the_plain_network_learns(network, monkeypatch):
    network, pair = copy.deepcopy(network), torch.randn(2, 3, 3, 32, 32)
    monkeypatch.setattr(network, "forward", lambda x, y, z: torch.stack([x[:, 0, 0, 0], z[:, 0, 63, 31]], 1))
    with torch.autocast("cpu", torch.bfloat16):
        straight, swapped = network.compare(*pair)
    first, second = pair
    assert torch.equal(straight, torch.stack([first[:, 0, 0, 0], second[:, 2, 31, 31]], 1))
    assert torch.equal(swapped, torch.stack([second[:, 0, 0, 0], first[:, 2, 31, 31]], 1))


def test_float32_is_as_exact_as_the_plain_network(network):
    """Statistics from moments must not cost digits: gray levels whose mean is far above their deviation."""
    torch.manual_seed(1)
    pair = 4 + torch.randn(2, 8, 3, 32, 32)
    exact = torch.cat(classify_stacks(copy.deepcopy(network).train(), *pair.double()))
    single = copy.deepcopy(network).float().train()
    plain = (torch.cat(classify_stacks(copy.deepcopy(single), *pair)) - exact).abs().max()
    ours = (torch.cat(copy.deepcopy(single).compare(*pair)) - exact).abs().max()
    assert ours < max(4 * plain, 1e-4 * exact.abs().max()), (ours, plain)


def test_flat_windows_have_finite_gradients(network):
    network = copy.deepcopy(network).train()
    _, gradients = learn(network, network.compare, torch.ones(2, 3, 3, 32, 32).double(), 1.0)
    assert all(gradient.isfinite().all() for gradient in gradients.values())
