"""The adversarial losses against their formulas, written out in numpy or known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.losses import GAN_MODES, GANLoss, gradient_penalty

LOGITS = torch.tensor([[-3.0, 0.5], [0.0, 40.0]])


@pytest.mark.parametrize("gan_mode, is_real, formula", [
    ("vanilla", True, lambda x: -np.log(1 / (1 + np.exp(-x)))),
    ("vanilla", False, lambda x: np.logaddexp(0, x)),
    ("lsgan", True, lambda x: (x - 1) ** 2),
    ("lsgan", False, lambda x: x**2),
    ("wgangp", True, lambda x: -x),
    ("wgangp", False, lambda x: x),
])  # fmt: skip
def test_gan_loss_is_the_mean_of_its_formula(gan_mode, is_real, formula):
    expected = formula(LOGITS.double().numpy()).mean()
    assert GANLoss(gan_mode)(LOGITS, is_real).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("gan_mode", GAN_MODES)
def test_gan_loss_stays_in_float32(gan_mode):
    assert GANLoss(gan_mode)(LOGITS.bfloat16(), True).dtype == torch.float32


def test_unknown_gan_mode_is_refused():
    with pytest.raises(ValueError, match="expected one of vanilla, lsgan, wgangp"):
        GANLoss("hinge")


@pytest.mark.parametrize("slope", [0.0, 1.0, 3.0])
def test_gradient_penalty_of_a_plane(slope):
    """The gradient of slope * <direction, x> is slope everywhere, so the penalty is (slope - 1)^2 wherever it looks."""
    direction = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    direction /= direction.norm()
    real, fake = torch.rand(2, 5, 3, 4, 4)
    penalty = gradient_penalty(lambda image: slope * (direction * image).flatten(1).sum(1), real, fake)
    assert penalty.item() == pytest.approx((slope - 1) ** 2, abs=1e-5)


def test_gradient_penalty_looks_between_the_images_and_teaches_the_critic_only():
    critic = torch.nn.Conv2d(1, 1, 1, bias=False)
    seen = []

    def watch(image):
        seen.append(image)
        return critic(image) ** 2

    real, fake = torch.full((64, 1, 1, 1), 3.0), torch.full((64, 1, 1, 1), 1.0, requires_grad=True)
    gradient_penalty(watch, real, fake).backward()
    points = seen[0].detach().flatten()
    assert points.min() >= 1 and points.max() <= 3 and points.std() > 0.3
    assert critic.weight.grad.abs() > 0 and fake.grad is None
