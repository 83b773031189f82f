"""Metrics of local structure: means, variances and covariances in a sliding window."""

from __future__ import annotations

from metrics.filters import gaussian_mean
from metrics.registry import metric

WINDOW = 11  # pixels
SIGMA = 1.5  # pixels
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def structural_similarity(first, second):
    """Return the mean SSIM of two stacks of images.

    Window and constants are those of the paper: Gaussian 11x11 of sigma 1.5, K = (0.01, 0.03), L = 255, windows that
    lie inside the image, population moments.

    Args:
        first, second: float64 (N, H, W), gray levels 0..255, both sides at least 11.

    Returns:
        float64 (N,), each in [-1, 1].
    """

    def mean(images):
        return gaussian_mean(images, WINDOW, SIGMA)

    mean_1, mean_2 = mean(first), mean(second)
    variances = mean(first.square()) - mean_1.square() + mean(second.square()) - mean_2.square()
    covariance = mean(first * second) - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + C1) / (mean_1.square() + mean_2.square() + C1)
    structure = (2 * covariance + C2) / (variances + C2)
    return (luminance * structure).mean(dim=(1, 2))


@metric(name="SSIM_GT", title="structural similarity to the ground truth", direction="up", low=-1, high=1, needs="gt",
        formula="mean of (2 mF mG + C1)(2 cFG + C2) / ((mF^2 + mG^2 + C1)(vF + vG + C2)) over all windows",
        source="Wang, Bovik, Sheikh, Simoncelli, IEEE Trans. Image Processing 13(4), 2004",
        variant="against the ground truth; Gaussian 11x11, sigma 1.5, K = (0.01, 0.03), L = 255, windows inside",
        smallest=WINDOW)
def structural_similarity_gt(fused, gt):
    return structural_similarity(fused, gt)
