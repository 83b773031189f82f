"""The optimisers of all methods, in torch's fused form: one pass over parameters, gradients and moments makes a step.

Measured with one thread on the networks here, next to torch's own choice on a CPU: Adam's step takes a quarter to a
half of the time (on R2GAN's 7.8 million parameters a tenth), SGD's a third; foreach is hardly quicker than a loop. With
``--amp fp16`` the fused form also reads the scale on the GPU, where the others wait for it.
"""

from __future__ import annotations

import argparse

from util.lazy import torch


def make_adam(network: torch.nn.Module, opt: argparse.Namespace) -> torch.optim.Adam:
    """Return Adam (Kingma and Ba 2015) with ``--lr`` and ``--beta1``."""
    return torch.optim.Adam(network.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999), fused=True)


def make_sgd(network: torch.nn.Module, opt: argparse.Namespace) -> torch.optim.SGD:
    """Return SGD with ``--lr``, ``--weight_decay``, and ``--beta1`` as its momentum."""
    return torch.optim.SGD(
        network.parameters(), lr=opt.lr, momentum=opt.beta1, weight_decay=opt.weight_decay, fused=True
    )


def load_state(optimizer: torch.optim.Optimizer, state: dict) -> None:
    """Restore what ``optimizer.state_dict()`` gave, on another device or with other memory formats, too.

    A fused step takes its tensors as they lie in memory: moments that were saved in another order than the parameter
    has now (``--channels_last`` given or left out, or IGNet taken from a GPU to a CPU) would be mixed up silently.
    """
    optimizer.load_state_dict(state)
    for parameter, kept in optimizer.state.items():
        for name, value in kept.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                kept[name] = torch.empty_like(parameter).copy_(value)
