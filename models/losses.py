"""Losses that several methods share. Each returns a scalar in float32, whatever precision the network ran in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from util.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

GAN_MODES = ("vanilla", "lsgan", "wgangp")


class GANLoss:
    """The adversarial objective: how far verdicts are from 'real' or from 'fake', averaged over all of them.

    ``vanilla``: cross entropy with logits (Goodfellow et al. 2014); ``lsgan``: squared distance to 1 or 0 (Mao et al.
    2017); ``wgangp``: the critic's mean, negated for 'real' (Arjovsky et al. 2017), to go with ``gradient_penalty``.

    Raises:
        ValueError: ``gan_mode`` is none of ``GAN_MODES``.
    """

    def __init__(self, gan_mode: str):
        if gan_mode not in GAN_MODES:
            raise ValueError(f"gan_mode is '{gan_mode}', expected one of {', '.join(GAN_MODES)}")
        self.gan_mode = gan_mode

    def __call__(self, verdicts: Tensor, is_real: bool) -> Tensor:
        """Return the loss of ``verdicts`` (any shape, unbounded) that should say ``is_real``."""
        verdicts = verdicts.float()
        if self.gan_mode == "wgangp":
            return -verdicts.mean() if is_real else verdicts.mean()
        target = torch.full_like(verdicts, float(is_real))
        if self.gan_mode == "lsgan":
            return torch.nn.functional.mse_loss(verdicts, target)
        return torch.nn.functional.binary_cross_entropy_with_logits(verdicts, target)


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """Return mean((||grad_x sum critic(x)||_2 - 1)^2) at points x between ``real`` and ``fake``.

    Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", eq. 3 without its factor. A critic with a map of
    verdicts is differentiated by their sum, as in pix2pix's framework. Batch normalisation makes a verdict depend on
    the other images of the batch, which the derivation excludes: use instance normalisation or none.

    Args:
        critic: maps (N, C, H, W) to verdicts (N, ...); must be differentiable twice (a compiled network is not).
        real, fake: (N, C, H, W) of one range; no gradient flows into them.
    """
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = torch.lerp(fake.detach().float(), real.detach().float(), share).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).float().sum(), between, create_graph=True)
    return ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()


def sobel_magnitude(image: Tensor) -> Tensor:
    """Return |Sobel_x * image| + |Sobel_y * image|, zero outside the picture; same shape, 0 to 8 for [0, 1].

    The L1 gradient that fusion losses compare (SeAFusion, Tang et al. 2022, eq. 5; ReFusion and IGNet alike). The
    kernels [1 2 1] x [-1 0 1] are taken apart, which is half the work of two 3x3 ones.

    Args:
        image: (N, 1, H, W).
    """
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    columns = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    horizontal = rows[..., 2:] - rows[..., :-2]
    vertical = columns[..., 2:, :] - columns[..., :-2, :]
    return horizontal.abs() + vertical.abs()


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Return the structural similarity of two batches, 1 where they are equal; differentiable.

    Wang et al. 2004, eq. 13: Gaussian windows of 11x11 with sigma 1.5 that lie inside the picture, K1 = 0.01,
    K2 = 0.03, weighted and not sample covariances; the mean over all windows and images.

    Args:
        x, y: (N, C, H, W), 11 pixels or more a side, in a range of length 1 such as [0, 1].
    """
    x, y = x.float().flatten(0, 1), y.float().flatten(0, 1)
    with torch.autocast(x.device.type, enabled=False):  # differences of squares: half precision would be noise
        moments = _gaussian_mean(torch.cat([x, y, x * x, y * y, x * y]))
    mean_x, mean_y, square_x, square_y, product = moments.chunk(5)
    variances = square_x - mean_x**2 + square_y - mean_y**2
    covariance = product - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return (luminance * (2 * covariance + c2) / (variances + c2)).mean()


def _gaussian_mean(planes: Tensor) -> Tensor:
    """Filter (K, H, W) with a Gaussian of 11x11 taps and sigma 1.5, where it lies inside."""
    offsets = torch.arange(-5, 6, device=planes.device, dtype=torch.float32)
    window = torch.softmax(-(offsets**2) / (2 * 1.5**2), 0)
    count = len(planes)
    for shape in ((1, 1, 11, 1), (1, 1, 1, 11)):
        # Planes as channels, each a group: six times as fast on a CPU as planes as images.
        weight = window.view(shape).expand(count, -1, -1, -1)
        planes = torch.nn.functional.conv2d(planes, weight, groups=count)
    return planes
