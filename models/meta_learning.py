"""Learning a loss: virtual steps of a network, the gradient that flows back through one, and the step it is used for.

Bai et al., ReFusion, IJCV 2024. torch is loaded with this module: import it where a network is built.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp

Weights = dict[str, Tensor]


class VirtualStep(NamedTuple):
    """Where a network would be after a step of plain gradient descent; the network itself has not moved."""

    weights: Weights  # leaves that require gradients, for ``torch.func.functional_call``
    rate: float


def take_virtual_step(network: nn.Module, loss: Tensor, rate: float, *, keep_graph: bool = False) -> VirtualStep:
    """Return the weights theta' = theta - rate * d loss / d theta. Neither they nor the network hold a graph.

    Args:
        loss: scalar, with a graph to the network's parameters; it is freed unless ``keep_graph``.
        rate: the step's length.
    """
    weights = dict(network.named_parameters())
    gradients = torch.autograd.grad(loss, list(weights.values()), retain_graph=keep_graph)
    moved = {
        name: (weight - rate * gradient).detach().requires_grad_()
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
    }
    return VirtualStep(moved, rate)


def find_meta_gradient(
    network: nn.Module,
    inputs: tuple[Tensor, ...],
    learned_loss: Callable[[Tensor], Tensor],
    step: VirtualStep,
    outer_loss: Tensor,
    wanted: list[nn.Parameter],
) -> list[Tensor]:
    """Differentiate ``outer_loss`` through a virtual step, by the parameters of the loss that the step went down.

    With theta' = theta - rate * dL/dtheta, the chain rule gives -rate * d/dphi < dL(phi)/dtheta, g > where
    g = d outer / d theta'. That product is the slope of L along the direction g, and L sees theta through the output
    alone: one forward-mode pass of the network along g gives the direction t of its output, and one through L its
    slope along t. No backward pass is differentiated, so no graph of one is held.

    Args:
        network: what took the step; its weights are still theta.
        inputs: what it was given for ``learned_loss``.
        learned_loss: the network's output -> scalar L, with a graph to ``wanted``.
        step: what ``take_virtual_step`` gave.
        outer_loss: scalar, with a graph to ``step.weights``, which is freed.
        wanted: the parameters phi of the learned loss.

    Returns:
        d outer_loss / d phi, one tensor for each of ``wanted``.
    """
    direction = torch.autograd.grad(outer_loss, list(step.weights.values()))
    theta = {name: weight.detach() for name, weight in network.named_parameters()}
    tangent = dict(zip(step.weights, direction, strict=True))
    with warnings.catch_warnings():
        # torch 2.15 loads its forward-mode formula of layer norm in a way that it warns of itself.
        warnings.filterwarnings("ignore", message=".*torch.jit.script.*", category=FutureWarning)
        output, along = jvp(lambda weights: functional_call(network, weights, inputs), (theta,), (tangent,))
    _, slope = jvp(learned_loss, (output.detach(),), (along.detach(),))
    return [-step.rate * gradient for gradient in torch.autograd.grad(slope, wanted)]


class MaxNormalisedDescent(torch.optim.Optimizer):
    """theta <- theta - lr * g / max|g|, one maximum over all parameters.

    The step of ReFusion's loss proposal module: its gradients, second derivatives times the inner step's length, are
    near 1e-9, and only their direction is used.
    """

    def __init__(self, parameters, lr: float):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        """Move every parameter that has a gradient; where all gradients are zero, nothing moves."""
        moved = [
            (group["lr"], parameter)
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        largest = torch.stack([parameter.grad.abs().max() for _, parameter in moved]).max()
        scale = torch.where(largest > 0, 1 / largest, largest)  # no reading of the device
        for rate, parameter in moved:
            parameter.sub_(parameter.grad * scale, alpha=rate)
