"""Metrics made of a similarity index in sliding windows, in which the more salient source counts more."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from metrics.filters import box_mean, gaussian_mean, gaussian_weights, window_strips
from metrics.registry import metric
from metrics.shared import shared
from metrics.structural import C1, C2, SIGMA, WINDOW
from util.lazy import torch

# Below the variance of a window with one pixel off by one level, above the rounding of one without any.
FLAT = 1e-6


@dataclass(frozen=True)
class Index:
    """A similarity index (2 mX mY + c1)(2 cXY + c2) / ((mX^2 + mY^2 + c1)(vX + vY + c2)) of local moments."""

    size: int  # of the window in pixels
    average: Callable  # over the window: (..., H, W) -> (..., H - size + 1, W - size + 1)
    c1: float
    c2: float

    def moments(self, images, pairs):
        """Return means and variances of each image and covariances of pairs: (K, N, H, W) -> (K or P, N, h, w)."""
        products = [images[first] * images[second] for first, second in pairs]
        averages = self.average(torch.cat((images, images * images, torch.stack(products))))
        means, squares, products = averages.split((len(images), len(images), len(pairs)))
        variances = squares.sub_(means * means)
        for product, (first, second) in zip(products, pairs, strict=True):
            product.sub_(means[first] * means[second])
        return means, variances, products

    def __call__(self, means, variances, covariance):
        """Return the index of two images, (2, N, h, w) each and (N, h, w) -> (N, h, w)."""
        top = (means[0] * means[1]).mul_(2).add_(self.c1).mul_(covariance.mul(2).add_(self.c2))
        bottom = (means[0] * means[0]).add_(means[1] * means[1]).add_(self.c1)
        return top.div_(bottom.mul_((variances[0] + variances[1]).add_(self.c2)))


UNIVERSAL = Index(8, lambda images: box_mean(images, 8), (1e-6 * 255) ** 2, (1e-6 * 255) ** 2)
SSIM = Index(WINDOW, lambda images: gaussian_mean(images, WINDOW, SIGMA), C1, C2)
CVEJIC = Index(7, lambda images: gaussian_mean(images, 7, 1.5), 2e-16, 2e-16)
CVEJIC_NOISY = Index(7, lambda images: _paired_gaussian_mean(images, 7, 1.5), 2e-16, 2e-16)


def _paired_gaussian_mean(images, size: int, sigma: float):
    """Average as ``gaussian_mean``: the middle first, then pairs from the outside in, every product rounded.

    Numerical libraries add in this order. Where the toolbox's value is rounding noise, no other gives the same.
    """
    weights = gaussian_weights(size, sigma)
    for dim in (-2, -1):
        count = images.shape[dim] - size + 1
        total = images.narrow(dim, size // 2, count) * weights[size // 2]
        for near in range(size // 2):
            pair = images.narrow(dim, near, count) + images.narrow(dim, size - 1 - near, count)
            total += pair.mul_(weights[near])
        images = total
    return images


def prewitt_magnitude(padded):
    """Return the length of the Prewitt gradient where it fits: (..., H, W) -> (..., H-2, W-2)."""
    across = padded[..., 2:] - padded[..., :-2]
    down = padded[..., 2:, :] - padded[..., :-2, :]
    across = across[..., :-2, :] + across[..., 1:-1, :] + across[..., 2:, :]
    down = down[..., :-2] + down[..., 1:-1] + down[..., 2:]
    return across.square_().add_(down.square_()).sqrt_()


@shared
def piella(a, b, fused, index: Index, edges: bool):
    """Return Piella's two means of a similarity index, of the images or of their edges.

    In each window the sources weigh as their variances, half each where both are flat.

    Args:
        a, b, fused: float64 (N, H, W), both sides at least the window.
        index: the similarity index.
        edges: True for the lengths of the Prewitt gradients, zero border, in place of the images.

    Returns:
        float64 (2, N): the mean over all windows (Q_S), and with the larger variance of a window as its weight (Q_W).
    """
    images = [torch.nn.functional.pad(image, (1, 1, 1, 1)) for image in (a, b, fused)] if edges else (a, b, fused)
    sums = torch.zeros(3, len(fused), dtype=torch.float64, device=fused.device)
    for rows in window_strips(images[0].shape[1], images[0].shape[2], index.size + 2 * edges):
        strip = torch.stack([image[:, rows] for image in images])
        means, variances, covariances = index.moments(prewitt_magnitude(strip) if edges else strip, ((0, 2), (1, 2)))
        quality_a = index(means[::2], variances[::2], covariances[0])
        quality_b = index(means[1:], variances[1:], covariances[1])
        salience = variances[:2]
        flat = (salience < FLAT).all(dim=0)
        salience.masked_fill_(flat, 0.5)
        quality = quality_b.add_((quality_a - quality_b).mul_(salience[0]).div_(salience[0] + salience[1]))
        weight = torch.maximum(salience[0], salience[1])
        sums += torch.stack([values.sum(dim=(1, 2)) for values in (quality, quality * weight, weight)])
    windows = (a.shape[1] - index.size + 1) * (a.shape[2] - index.size + 1)
    return torch.stack((sums[0] / windows, sums[1] / sums[2]))


@shared
def cvejic_yang(a, b, fused):
    """Return Q_C and Q_Y: (N, H, W) each, both sides at least 7 -> float64 (2, N)."""
    sums = torch.zeros(2, len(fused), dtype=torch.float64, device=fused.device)
    for rows in window_strips(fused.shape[1], fused.shape[2], CVEJIC.size):
        images = torch.stack([image[:, rows] for image in (a, b, fused)])
        means, variances, covariances = CVEJIC.moments(images, ((0, 2), (1, 2), (0, 1)))
        for moments in (variances, covariances):
            moments.masked_fill_(moments.abs() < FLAT, 0)
        quality_a = CVEJIC(means[::2], variances[::2], covariances[0])
        quality_b = CVEJIC(means[1:], variances[1:], covariances[1])
        likeness = CVEJIC(means[:2], variances[:2], covariances[2])
        gain = quality_a - quality_b
        # Cvejic: the sources weigh as their covariances with F.
        share = covariances[0].div_(covariances[0] + covariances[1]).clamp_(0, 1).nan_to_num_(nan=0.5)
        cvejic = share.mul_(gain).add_(quality_b)
        # Yang: as their variances where A and B are alike, and elsewhere the better kept one alone.
        share = variances[0].div_(variances[0] + variances[1]).nan_to_num_(nan=0.5)
        yang = torch.where(likeness >= 0.75, share.mul_(gain).add_(quality_b), torch.maximum(quality_a, quality_b))
        sums += torch.stack((cvejic.sum(dim=(1, 2)), yang.sum(dim=(1, 2))))
    return sums / ((fused.shape[1] - CVEJIC.size + 1) * (fused.shape[2] - CVEJIC.size + 1))


_PIELLA = "Piella, Heijmans, IEEE International Conference on Image Processing (ICIP), 2003"
_CVEJIC = "Cvejic, Loza, Bull, Canagarajah, International Journal of Signal Processing 2(3), 2005"
_UNIVERSAL = "universal quality index, box 8x8, K = 1e-6, L = 255"
_SSIM = "SSIM (Gaussian 11x11, sigma 1.5, K = (0.01, 0.03)) as in Liu's toolbox, not the universal quality index"
_Q_S = "mean over windows of s Q(A,F) + (1-s) Q(B,F), s = vA / (vA + vB)"
_Q_W = "sum over windows of c (s Q(A,F) + (1-s) Q(B,F)) / sum c, s = vA / (vA + vB), c = max(vA, vB)"
_FLAT_NOTE = "where A and B are both flat, s = 1/2"


@metric(name="Q_S", title="Piella's quality index", direction="up", low=-1, high=1, needs="sources", formula=_Q_S,
        source=_PIELLA, variant=f"{_UNIVERSAL}; {_FLAT_NOTE}", smallest=8,
        aliases=("Q0", "Piella", "Q_Piella"))
def piella_quality(a, b, fused):
    return piella(a, b, fused, UNIVERSAL, False)[0]


@metric(name="Q_W", title="Piella's weighted quality index", direction="up", low=-1, high=1, needs="sources",
        formula=_Q_W, source=_PIELLA, variant=f"{_UNIVERSAL}; {_FLAT_NOTE} and c = 1/2", smallest=8)
def weighted_quality(a, b, fused):
    return piella(a, b, fused, UNIVERSAL, False)[1]


@metric(name="Q_E", title="Piella's edge-dependent quality index", direction="up", low=-1, high=1, needs="sources",
        formula="Q_W(A, B, F) Q_W(A', B', F'), X' = length of the Prewitt gradient", source=_PIELLA,
        variant=f"product of both, as code in use (the paper has exponents 1-a and a); zero border; {_UNIVERSAL}",
        smallest=8)
def edge_dependent_quality(a, b, fused):
    return piella(a, b, fused, UNIVERSAL, False)[1] * piella(a, b, fused, UNIVERSAL, True)[1]


@metric(name="Q_C", title="Cvejic's quality index", direction="up", low=-1, high=1, needs="sources",
        formula="mean over windows of s Q(A,F) + (1-s) Q(B,F), s = cAF / (cAF + cBF) clipped to 0..1",
        source=_CVEJIC,
        variant="Gaussian 7x7, sigma 1.5; (co)variances below 1e-6 are 0, s = 1/2 for 0/0: flat windows give no noise; "
                "the weight is clipped as in the paper (common code clips the quality)", smallest=7)
def cvejic_quality(a, b, fused):
    return cvejic_yang(a, b, fused)[0]


@metric(name="Q_Y", title="Yang's quality index", direction="up", low=-1, high=1, needs="sources",
        formula="mean over windows of s Q(A,F) + (1-s) Q(B,F) where Q(A,B) >= 0.75, else max(Q(A,F), Q(B,F)); "
                "s = vA / (vA + vB)",
        source="Yang, Zhang, Wang, Liu, IEEE International Conference on Cybernetics and Intelligent Systems, 2008",
        variant="Gaussian 7x7, sigma 1.5; (co)variances below 1e-6 are 0, s = 1/2 for 0/0: flat windows give no noise",
        smallest=7)
def yang_quality(a, b, fused):
    return cvejic_yang(a, b, fused)[1]


@metric(name="Q_S_ssim", title="Piella's quality index on SSIM", direction="up", low=-1, high=1, needs="sources",
        formula=_Q_S, source=_PIELLA, variant=f"{_SSIM}; {_FLAT_NOTE}", smallest=WINDOW, compat=True)
def piella_quality_ssim(a, b, fused):
    return piella(a, b, fused, SSIM, False)[0]


@metric(name="Q_W_ssim", title="Piella's weighted quality index on SSIM", direction="up", low=-1, high=1,
        needs="sources", formula=_Q_W, source=_PIELLA, variant=f"{_SSIM}; {_FLAT_NOTE} and c = 1/2", smallest=WINDOW,
        compat=True)
def weighted_quality_ssim(a, b, fused):
    return piella(a, b, fused, SSIM, False)[1]


@metric(name="Q_Wedge_ssim", title="Piella's weighted quality index on the SSIM of edges alone", direction="up", low=-1,
        high=1, needs="sources", formula="Q_W_ssim(A', B', F'), X' = length of the Prewitt gradient", source=_PIELLA,
        variant=f"{_SSIM}; what MEFB prints as Qw; zero border", smallest=WINDOW, compat=True)
def edge_quality_ssim(a, b, fused):
    return piella(a, b, fused, SSIM, True)[1]


@metric(name="Q_E_ssim", title="Piella's edge-dependent quality index on SSIM", direction="up", low=-1, high=1,
        needs="sources", formula="Q_W_ssim(A, B, F) Q_W_ssim(A', B', F'), X' = length of the Prewitt gradient",
        source=_PIELLA, variant=f"{_SSIM}; zero border", smallest=WINDOW, compat=True)
def edge_dependent_quality_ssim(a, b, fused):
    return piella(a, b, fused, SSIM, False)[1] * piella(a, b, fused, SSIM, True)[1]


@metric(name="Q_C_compat", title="Cvejic's quality index of common code", direction="up", low=-math.inf, high=math.inf,
        needs="sources", formula="as Q_C, but where s < 0 the quality is 0, and where s > 1 it is 1", source=_CVEJIC,
        variant="the quality is clipped in place of its weight, as in the toolbox of Liu et al. and in MEFB; flat "
                "windows give rounding noise, and those of 0/0 are left out",
        smallest=7, undefined="all windows are flat", compat=True)
def cvejic_quality_compat(a, b, fused):
    total = count = 0
    for rows in window_strips(fused.shape[1], fused.shape[2], CVEJIC_NOISY.size):
        images = torch.stack([image[:, rows] for image in (a, b, fused)])
        means, variances, covariances = CVEJIC_NOISY.moments(images, ((0, 2), (1, 2)))
        quality_a = CVEJIC_NOISY(means[::2], variances[::2], covariances[0])
        quality_b = CVEJIC_NOISY(means[1:], variances[1:], covariances[1])
        share = covariances[0] / (covariances[0] + covariances[1])
        clipped = share.clamp(0, 1)
        quality = torch.where(share == clipped, share * quality_a + (1 - share) * quality_b, clipped)
        total = total + quality.nansum(dim=(1, 2))
        count = count + (~quality.isnan()).sum(dim=(1, 2))
    return total / count
