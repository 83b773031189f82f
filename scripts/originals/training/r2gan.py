"""R2GAN's update in the published order: one source after the other, three decodings, D, then G against that D.

Chahi et al., Applied Intelligence 2025, weights and losses of the authors' code. States have our names.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from scripts.originals.r2gan import decode, encode
from scripts.originals.training import copy_state


def make_update(model, _: str) -> Callable[[], dict]:
    """Return a function that makes one update with the weights and the batch of our model."""
    (generator, of_generator), (discriminator, of_discriminator) = (copy_state(model.networks[name]) for name in "GD")
    parameters = of_generator, of_discriminator
    adams = [torch.optim.Adam(weights, lr=model.opt.lr, betas=(0.5, 0.999)) for weights in parameters]
    a, b, real = (2 * image - 1 for image in (model.A, model.B, model.GT))

    def update() -> dict:
        features_a, features_b = encode(generator, a), encode(generator, b)
        fused = decode(generator, (features_a + features_b) / 2)
        rebuilt_a, rebuilt_b = decode(generator, features_a), decode(generator, features_b)
        _set_requires_grad(of_discriminator, True)
        adams[1].zero_grad()
        fake, true = tell(judge(discriminator, fused.detach()), 0.0), tell(judge(discriminator, real), 1.0)
        (0.5 * (fake + true)).backward()
        adams[1].step()
        _set_requires_grad(of_discriminator, False)
        adams[0].zero_grad()
        terms = {"G_GAN": tell(judge(discriminator, fused), 1.0), "G_L1": 100 * functional.l1_loss(fused, real)}
        terms["G_rec_A"] = 100 * functional.l1_loss(rebuilt_a, a)
        terms["G_rec_B"] = 100 * functional.l1_loss(rebuilt_b, b)
        sum(terms.values()).backward()
        adams[0].step()
        terms |= {"D_fake": fake, "D_real": true}
        return {"pairs": len(a), "losses": {name: term.item() for name, term in terms.items()}}

    return update


def judge(state, x: torch.Tensor) -> torch.Tensor:
    """Return the logits of each pixel, (N, 1, H, W): the 1x1 PixelGAN."""
    x = functional.leaky_relu(functional.conv2d(x, state["net.0.weight"], state["net.0.bias"]), 0.2)
    x = functional.conv2d(x, state["net.2.weight"])
    statistics = state["net.3.running_mean"], state["net.3.running_var"]
    x = functional.batch_norm(x, *statistics, state["net.3.weight"], state["net.3.bias"], training=True)
    return functional.conv2d(functional.leaky_relu(x, 0.2), state["net.5.weight"])


def tell(verdicts: torch.Tensor, target: float) -> torch.Tensor:
    """Return the cross entropy of verdicts that should all say ``target``."""
    return functional.binary_cross_entropy_with_logits(verdicts, torch.full_like(verdicts, target))


def _set_requires_grad(weights: list, wanted: bool) -> None:
    for weight in weights:
        weight.requires_grad_(wanted)
