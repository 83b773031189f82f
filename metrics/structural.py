"""Metrics of local structure: means, variances and covariances in a sliding Gaussian window."""

from __future__ import annotations

from metrics.filters import gaussian_mean, window_strips
from metrics.registry import metric
from metrics.shared import shared
from util.lazy import torch

WINDOW = 11  # pixels
SIGMA = 1.5  # pixels
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of MS-SSIM, the finest scale first
SMALLEST = WINDOW << (len(SCALE_WEIGHTS) - 1)  # pixels: the window fits at the coarsest scale


@shared
def similarity(fused, *references):
    """Compare the fused image with each reference by SSIM and by its factor of contrast and structure.

    Window and constants are those of the paper: Gaussian 11x11 of sigma 1.5, K = (0.01, 0.03), L = 255, windows that
    lie inside the image, population moments.

    Args:
        fused, references: float64 (N, H, W), gray levels 0..255, both sides at least 11.

    Returns:
        float64 (2, R, N) for R references: the means over all windows of SSIM and of the factor, each in [-1, 1].
    """
    number, height, width = fused.shape
    sums = torch.zeros(2, len(references), number, dtype=torch.float64, device=fused.device)
    for rows in window_strips(height, width, WINDOW):
        sums += _similarity_sums(fused[:, rows], torch.stack([reference[:, rows] for reference in references]))
    return sums / ((height - WINDOW + 1) * (width - WINDOW + 1))


def _similarity_sums(fused, references):
    """Return the sums over the windows of a strip: fused (N, h, W), references (R, N, h, W) -> (2, R, N)."""
    count = len(references)
    maps = torch.cat((fused[None], references, references * fused, references.square().add_(fused.square())))
    means = gaussian_mean(maps, WINDOW, SIGMA)
    mean_fused, mean_references, products, squares = means.split((1, count, count, count))
    mean_product = mean_references * mean_fused
    mean_square = mean_references.square_().add_(mean_fused.square())
    structure = products.sub_(mean_product).mul_(2).add_(C2).div_(squares.sub_(mean_square).add_(C2))
    luminance = mean_product.mul_(2).add_(C1).div_(mean_square.add_(C1))
    return torch.stack((luminance.mul_(structure).sum(dim=(2, 3)), structure.sum(dim=(2, 3))))


def multi_scale_similarity(fused, *references):
    """Return the MS-SSIM of the fused image to each reference: float64 (N, H, W) each -> (R, N), each in [0, 1]."""
    result = 1
    for scale, weight in enumerate(SCALE_WEIGHTS, start=1):
        whole, structure = similarity(fused, *references)
        result = result * (whole if scale == len(SCALE_WEIGHTS) else structure).clamp(min=0) ** weight
        if scale < len(SCALE_WEIGHTS):
            fused, *references = map(halve, (fused, *references))
    return result


def halve(images):
    """Average blocks of 2x2 pixels; an odd last row or column counts twice: (N, H, W) -> (N, ceil(H/2), ceil(W/2))."""
    for dim in (1, 2):
        if images.shape[dim] % 2:
            images = torch.cat((images, images.narrow(dim, -1, 1)), dim=dim)
    return (images[:, ::2, ::2] + images[:, 1::2, ::2] + images[:, ::2, 1::2] + images[:, 1::2, 1::2]) / 4


_SSIM_FORMULA = "(2 mX mF + C1)(2 cXF + C2) / ((mX^2 + mF^2 + C1)(vX + vF + C2))"
_SSIM_SOURCE = "Wang, Bovik, Sheikh, Simoncelli, IEEE Trans. Image Processing 13(4), 2004"
_MS_SSIM_SOURCE = "Wang, Simoncelli, Bovik, Asilomar Conference on Signals, Systems and Computers, 2003"
_WINDOW_NOTE = "Gaussian 11x11, sigma 1.5, K = (0.01, 0.03), L = 255, windows inside"
_SCALES_NOTE = "five scales, each a mean of 2x2 of the last (symmetric border), a negative factor counts 0"


@metric(name="SSIM", title="structural similarity to the sources", direction="up", low=-1, high=1, needs="sources",
        formula=f"mean of SSIM(A,F) and SSIM(B,F); SSIM(X,F) = mean of {_SSIM_FORMULA} over all windows",
        source=_SSIM_SOURCE,
        variant=f"mean over the sources (the sum, 0..2, is common too); {_WINDOW_NOTE}",
        smallest=WINDOW)
def structural_similarity(a, b, fused):
    return similarity(fused, a, b)[0].mean(dim=0)


@metric(name="SSIM_GT", title="structural similarity to the ground truth", direction="up", low=-1, high=1, needs="gt",
        formula=f"mean of {_SSIM_FORMULA} over all windows, X = GT",
        source=_SSIM_SOURCE,
        variant=f"against the ground truth; {_WINDOW_NOTE}",
        smallest=WINDOW)
def structural_similarity_gt(fused, gt):
    return similarity(fused, gt)[0, 0]


@metric(name="MS_SSIM", title="multi-scale structural similarity to the sources", direction="up", low=0, high=1,
        needs="sources",
        formula="mean of MS(A,F) and MS(B,F); MS = l_5^.1333 prod_j cs_j^w_j, w = .0448 .2856 .3001 .2363 .1333",
        source=_MS_SSIM_SOURCE,
        variant=f"mean over the sources; {_SCALES_NOTE}; the mean of l cs at the coarsest scale; {_WINDOW_NOTE}",
        smallest=SMALLEST)
def multi_scale_structural_similarity(a, b, fused):
    return multi_scale_similarity(fused, a, b).mean(dim=0)


@metric(name="MS_SSIM_GT", title="multi-scale structural similarity to the ground truth", direction="up", low=0, high=1,
        needs="gt",
        formula="l_5^.1333 prod_j cs_j^w_j, w = .0448 .2856 .3001 .2363 .1333",
        source=_MS_SSIM_SOURCE,
        variant=f"against the ground truth; {_SCALES_NOTE}; the mean of l cs at the coarsest scale; {_WINDOW_NOTE}",
        smallest=SMALLEST)
def multi_scale_structural_similarity_gt(fused, gt):
    return multi_scale_similarity(fused, gt)[0]
