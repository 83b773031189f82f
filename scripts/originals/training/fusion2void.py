"""Fusion2Void's update as in the authors' training code: one order of the sources, one of the masked ones, both by lot.

Lin et al., IEEE TCSVT 2024; the moving average of both networks, tensor by tensor, belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from scripts.originals.fusion2void import conv, residual_blocks, run_network
from scripts.originals.training import copy_state


def make_update(model, _: str) -> Callable[[], dict]:
    """Return a function that makes one update with the weights and the batch of our model."""
    states, weights = zip(*(copy_state(model.networks[name]) for name in "FR"), strict=True)
    adams = [torch.optim.Adam(own, lr=model.opt.lr) for own in weights]
    averages = [[weight.detach().clone() for weight in own] for own in weights]
    a, b, accumulate = model.A, model.B, model.opt.accumulate

    def update() -> dict:
        for adam in adams:
            adam.zero_grad()
        for _ in range(accumulate):
            in_order, restored_in_order = torch.rand(2) < 0.5
            fused = run_network(states[0], a, b) if in_order else run_network(states[0], b, a)
            grid = torch.rand(1, 1, a.shape[2] // 8, a.shape[3] // 8) >= 0.7
            mask = functional.interpolate(grid.float(), a.shape[-2:], mode="nearest")
            if restored_in_order:
                rebuilt_a, rebuilt_b = restore(states[1], a * mask, b * mask, fused).split(3, 1)
            else:
                rebuilt_b, rebuilt_a = restore(states[1], b * mask, a * mask, fused).split(3, 1)
            distance = (fused - b).abs()
            fidelity = 10 * functional.l1_loss(fused * distance, a * distance)
            rebuilding = functional.l1_loss(rebuilt_a, a), functional.l1_loss(rebuilt_b, b)
            ((fidelity + sum(rebuilding)) / accumulate).backward()
        for adam, own, average in zip(adams, weights, averages, strict=True):
            adam.step()
            with torch.no_grad():
                for mean, weight in zip(average, own, strict=True):
                    mean.mul_(0.996).add_(weight, alpha=0.004)
        losses = {"fidelity": fidelity.item(), "rec_A": rebuilding[0].item(), "rec_B": rebuilding[1].item()}
        return {"pairs": accumulate * len(a), "losses": losses}

    return update


def restore(state, first: torch.Tensor, second: torch.Tensor, fused: torch.Tensor) -> torch.Tensor:
    """Return both sources, (N, 6, H, W), from what is left of them and the fused image."""
    x = functional.relu(conv(state, "inc.0", torch.cat([first, second, fused], 1)))
    return conv(state, "inc.10", residual_blocks(state, "inc", x, 8))
