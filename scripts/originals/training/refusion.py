"""ReFusion's training in the order of the code in circulation: weights copied for a virtual step, and differentiated.

The virtual step keeps the graph of its gradient, and the outer loss is differentiated through it (a backward pass of a
backward pass); every loss takes the Sobel magnitudes that it needs. The direct gradient of the inner loss, which leaks
into that code's buffers, is left out. Bai et al., IJCV 2024; states have our names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from scripts.originals.refusion import fuse, transformer_block

State = Mapping[str, Tensor]
Pair = tuple[Tensor, Tensor]  # (N, 1, H, W) in [0, 1], twice


def make_update(model, phase: str) -> Callable[[], dict]:
    """Return a function that makes one update of a phase with the weights and the batch of our model."""
    networks = (dict(model.networks[name].named_parameters()) for name in "FPR")
    count = len(model.A)
    batch = model.first[:count], model.second[:count]
    share = 1 / (model.opt.n_epochs + model.opt.n_epochs_decay)
    training = Training(*networks, model.opt.lr, share)

    def update() -> dict:
        if phase == "B":
            return {"pairs": count, "losses": training.learn_fusion(batch)}
        batches = 2 * model.opt.meta_accumulation
        training.learn_loss([batch] * batches)
        return {"pairs": batches * count}

    update.training = training
    return update


class Training:
    """The three networks' weights and their steps.

    Args:
        fusion, proposal, reconstruction: the networks' parameters; they are copied.
        rate: the learning rate, also the length of a virtual step.
        share: weight of the fusion loss's gradient term.
    """

    def __init__(self, fusion: State, proposal: State, reconstruction: State, rate: float, share: float):
        self.fusion, self.proposal, self.reconstruction = (
            {name: weight.detach().clone().requires_grad_() for name, weight in state.items()}
            for state in (fusion, proposal, reconstruction)
        )
        self.rate, self.share = rate, share
        self.adam_fusion = torch.optim.Adam(self.fusion.values(), lr=rate)
        self.adam_reconstruction = torch.optim.Adam(self.reconstruction.values(), lr=rate)

    def learn_loss(self, batches: Sequence[Pair]) -> None:
        """Phase A: one step of the proposal module on meta-train and meta-test batches in turn."""
        steps = len(batches) // 2
        total = [torch.zeros_like(weight) for weight in self.proposal.values()]
        for train, test in zip(batches[::2], batches[1::2], strict=True):
            wanted = list(self.proposal.values())
            gradients = torch.autograd.grad(self._take_meta_step(train, test) / steps, wanted)  # the graph ends here
            for gathered, gradient in zip(total, gradients, strict=True):
                gathered += gradient
        largest = max(gradient.abs().max() for gradient in total)
        with torch.no_grad():
            for weight, gradient in zip(self.proposal.values(), total, strict=True):
                weight -= self.rate * gradient / largest

    def learn_fusion(self, batch: Pair) -> dict[str, float]:
        """Phase B: one step of the fusion and of the reconstruction module; returns both losses."""
        (first, second), targets = swap(batch)
        with torch.no_grad():
            weights = propose(self.proposal, first, second)
        fused = fuse(self.fusion, first, second)
        fusion_loss = measure_fusion(fused, first, second, weights, self.share)
        self.adam_fusion.zero_grad()
        fusion_loss.backward()
        self.adam_fusion.step()
        rebuilding_loss = measure_rebuilding(reconstruct(self.reconstruction, fused.detach()), targets)
        self.adam_reconstruction.zero_grad()
        rebuilding_loss.backward()
        self.adam_reconstruction.step()
        return {"fusion": float(fusion_loss.detach()), "rebuilding": float(rebuilding_loss.detach())}

    def _take_meta_step(self, train: Pair, test: Pair) -> Tensor:
        """Return the rebuilding loss on ``test`` after a virtual step on ``train``, with its graph."""
        (first, second), targets = swap(train)
        fused = fuse(self.fusion, first, second)
        loss = measure_fusion(fused, first, second, propose(self.proposal, first, second), self.share)
        gradients = torch.autograd.grad(loss, list(self.fusion.values()), create_graph=True)
        moved_fusion = self._move(self.fusion, gradients)
        loss = measure_rebuilding(reconstruct(self.reconstruction, fused.detach()), targets)
        gradients = torch.autograd.grad(loss, list(self.reconstruction.values()))
        moved_reconstruction = self._move(self.reconstruction, gradients)
        (first, second), targets = swap(test)
        rebuilt = reconstruct(moved_reconstruction, fuse(moved_fusion, first, second))
        return measure_rebuilding(rebuilt, targets)

    def _move(self, state: State, gradients: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return a copy of the weights after a step down the gradients."""
        return {
            name: weight - self.rate * gradient
            for (name, weight), gradient in zip(state.items(), gradients, strict=True)
        }


def swap(batch: Pair) -> tuple[Pair, Pair]:
    """Return what the fusion module sees, each pair in both orders, and what is to be rebuilt of it, in one."""
    a, b = batch
    return (torch.cat([a, b]), torch.cat([b, a])), (torch.cat([a, a]), torch.cat([b, b]))


def propose(state: State, a: Tensor, b: Tensor) -> Pair:
    """Return the weights of the intensities and of the gradients, (N, 2, H, W) each."""
    return weigh(state, "intensity", a, b), weigh(state, "gradient", sobel(a), sobel(b))


def weigh(state: State, name: str, a: Tensor, b: Tensor) -> Tensor:
    """Return the weights of two images, (N, 2, H, W), their sum 1."""
    x = functional.conv2d(a, state[f"{name}.project_in_1.weight"], padding=1)
    y = functional.conv2d(b, state[f"{name}.project_in_2.weight"], padding=1)
    for number in range(2):
        x = transformer_block(state, f"{name}.encoder1.{number}", x)
    for number in range(2):
        y = transformer_block(state, f"{name}.encoder2.{number}", y)
    x = torch.cat([x, y], 1)
    for number in range(2):
        x = transformer_block(state, f"{name}.decoder.{number}", x)
    x = functional.conv2d(x, state[f"{name}.project_out_0.weight"], padding=1)
    x = functional.prelu(x, state[f"{name}.activation.weight"])
    return functional.conv2d(x, state[f"{name}.project_out_1.weight"], padding=1).softmax(1)


def reconstruct(state: State, fused: Tensor) -> Tensor:
    """Return both sources, (N, 2, H, W), from the fused image."""
    sources = []
    for name in ("source_a", "source_b"):
        x = functional.conv2d(fused, state[f"{name}.project_in.weight"], padding=1)
        for number in range(2):
            x = transformer_block(state, f"{name}.blocks.{number}", x)
        x = functional.leaky_relu(functional.conv2d(x, state[f"{name}.project_out_0.weight"], padding=1), 0.01)
        sources.append(torch.sigmoid(functional.conv2d(x, state[f"{name}.project_out_1.weight"], padding=1)))
    return torch.cat(sources, 1)


def measure_fusion(fused: Tensor, a: Tensor, b: Tensor, weights: Pair, share: float) -> Tensor:
    """Return L_f, scalar."""
    w, v = weights
    intensity = ((w[:, :1] * (a - fused)) ** 2).mean() + ((w[:, 1:] * (b - fused)) ** 2).mean()
    of_a, of_b = v[:, :1] * (sobel(a) - sobel(fused)), v[:, 1:] * (sobel(b) - sobel(fused))
    return intensity + share * ((of_a**2).mean() + (of_b**2).mean())


def measure_rebuilding(rebuilt: Tensor, targets: Pair) -> Tensor:
    """Return L_r, scalar."""
    (a, b), (own_a, own_b) = targets, rebuilt.split(1, 1)
    intensity = torch.maximum((a - own_a).abs(), (b - own_b).abs())
    gradient = torch.maximum((sobel(a) - sobel(own_a)).abs(), (sobel(b) - sobel(own_b)).abs())
    return (intensity**2).mean() + (gradient**2).mean()


def sobel(x: Tensor) -> Tensor:
    """Return |Sobel_x * x| + |Sobel_y * x| of (N, 1, H, W), zeros around it."""
    kernel = x.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])[None, None]
    along_x = functional.conv2d(x, kernel, padding=1)
    along_y = functional.conv2d(x, kernel.transpose(2, 3), padding=1)
    return along_x.abs() + along_y.abs()
