"""The losses against their formulas, written out in numpy or known in closed form, and against other libraries."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from models.losses import GAN_MODES, GANLoss, gradient_penalty, ssim
from tests.tiny import make_image

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


def make_pictures() -> tuple[np.ndarray, np.ndarray]:
    """Return two batches (2, 40, 37) in [0, 1]: textured images, and the same blurred with noise."""
    pictures = np.stack([make_image(seed, 40, 37).mean(2) / 255 for seed in (1, 2)])
    noise = np.random.default_rng(0).normal(0, 0.03, pictures.shape)
    blurred = np.stack([cv2.GaussianBlur(picture, (0, 0), 1.2) for picture in pictures])
    return pictures, np.clip(blurred + noise, 0, 1)


def test_ssim_is_that_of_scikit_image():
    pictures = make_pictures()
    exact = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = np.mean([structural_similarity(x, y, **exact) for x, y in zip(*pictures, strict=True)])
    assert 0.3 < expected < 0.9
    x, y = (torch.from_numpy(batch).unsqueeze(1) for batch in pictures)
    assert ssim(x, y).item() == pytest.approx(expected, abs=1e-4)
    both = (torch.cat([image, image], 1) for image in (x, y))  # channels count like images
    assert ssim(*both).item() == pytest.approx(expected, abs=1e-4)


def test_ssim_of_equal_images_is_one_and_leads_there():
    x, y = (torch.from_numpy(batch).float().unsqueeze(1) for batch in make_pictures())
    assert ssim(x, x).item() == pytest.approx(1, abs=1e-6)
    y.requires_grad_()
    before = ssim(x, y)
    (gradient,) = torch.autograd.grad(before, y)
    assert ssim(x, y + 10 * gradient) > before + 0.01


def test_ssim_stays_in_float32_under_autocast():
    x, y = (torch.from_numpy(batch).float().unsqueeze(1) for batch in make_pictures())
    with torch.autocast("cpu", torch.bfloat16):
        value = ssim(x, y)
    assert value.dtype == torch.float32 and torch.equal(value, ssim(x, y))
