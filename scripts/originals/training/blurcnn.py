"""The blur classifier's update as its script is read: all stacks, both orders of each block, through the plain network.

The state has the official names; SGD as in the authors' sibling project.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from scripts.originals.blurcnn import classify
from scripts.originals.training import copy_state


def make_update(model, _: str) -> Callable[[], dict]:
    """Return a function that makes one update with the weights and the batch of our model."""
    state, weights = copy_state(model.net_C)
    opt, first, second = model.opt, model.first, model.second
    sgd = torch.optim.SGD(weights, lr=opt.lr, momentum=opt.beta1, weight_decay=opt.weight_decay)
    stacks = torch.cat([torch.cat([first, second], 2), torch.cat([second, first], 2)])
    classes = torch.arange(2).repeat_interleave(len(first))

    def update() -> dict:
        loss = functional.cross_entropy(classify(state, *stacks.split(1, 1)), classes)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return {"pairs": len(first), "losses": {"C": loss.item()}}

    return update
