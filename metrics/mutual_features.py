"""Feature mutual information: how much of the sources' features the fused image tells, window by window."""

from __future__ import annotations

import itertools
import math

from metrics.feature_images import cosine_transform, horizontal_gradient, meyer_mosaic, sobel_edges
from metrics.registry import metric
from metrics.shared import row_strips
from util.lazy import torch

_PLACES = 9  # of a window of 3x3
_TINY = 1e-300  # far below all probabilities: keeps 0 log 0 from being nan


def _fmi(name: str, feature: str, *, variant: str, aliases: tuple[str, ...] = ()):
    return metric(
        name=name, title=f"feature mutual information of {feature}", direction="up", low=-math.inf, high=math.inf,
        formula="mean over A, B and 3x3 windows of 2 I(S;F)/(H(S)+H(F)); a window rescaled to [0, 1] is a distribution "
                "over its 9 places, and the joint one mixes independence with Frechet's bound to have the correlation "
                "of the windows",
        source="Haghighat and Razian, Fast-FMI: Non-reference Image Fusion Metric, AICT 2014",
        variant=variant + "; B is compared with F as A is (the distributed code misses identical windows of B); means "
                          "lie in 0..1 as a rule, though single windows pass it where the mixture extrapolates",
        needs="sources", smallest=3, aliases=aliases)


@_fmi("FMI_pixel", "gray levels", aliases=("FMI_none",),
      variant="of the levels themselves; much of the literature prints FMI_edge under this name")
def fmi_pixel(a, b, fused):
    return _mean_score(a, b, fused)


@_fmi("FMI_gradient", "gradients", variant="differences along rows only, as MATLAB's gradient returns them first")
def fmi_gradient(a, b, fused):
    return _mean_score(*map(horizontal_gradient, (a, b, fused)))


@_fmi("FMI_dct", "cosine coefficients", variant="windows of the DCT of the whole image")
def fmi_dct(a, b, fused):
    return _mean_score(*map(cosine_transform, (a, b, fused)))


@_fmi("FMI_wavelet", "wavelet coefficients",
      variant="windows of the four bands, side by side, of one level of the discrete Meyer wavelet of 102 taps")
def fmi_wavelet(a, b, fused):
    return _mean_score(*map(meyer_mosaic, (a, b, fused)))


@_fmi("FMI_edge", "edges", variant="edges of MATLAB's edge (Sobel, thinned, automatic threshold)")
def fmi_edge(a, b, fused):
    means = []
    for images in zip(*map(sobel_edges, (a, b, fused)), strict=True):
        # A window of edges is one of 512 patterns, and few pairs of patterns occur: each pair is scored once.
        code_a, code_b, code_fused = (sum(2**place * level for place, level in enumerate(_windows(image[None])))
                                      for image in images)
        pairs = torch.cat([code_a, code_b]) * 2**_PLACES + code_fused
        codes, counts = pairs.to(torch.int64).unique(return_counts=True)
        patterns = torch.stack([codes >> _PLACES, codes % 2**_PLACES])
        places = torch.arange(_PLACES, device=codes.device)[:, None, None]
        windows = (patterns >> places & 1).to(torch.float64)
        scores = _window_scores(windows, patterns[:1] == patterns[1:])
        means.append((scores * counts).sum() / counts.sum())
    return torch.stack(means)


def _mean_score(a, b, fused):
    """Mean score of all windows of the feature images (N, H, W) against both sources: (N,)."""
    rows, width = fused.shape[-2] - 2, fused.shape[-1] - 2
    totals = []
    for images in zip(a, b, fused, strict=True):
        total = fused.new_zeros(())
        # Some hundred numbers belong to a window, so a strip is a sixth of the usual one.
        for start, stop in row_strips(rows, 6 * width):
            strips = torch.stack([image[start:stop + 2] for image in images])
            differ = strips[:-1] != strips[-1:]
            differ = differ[:, :-2] | differ[:, 1:-1] | differ[:, 2:]
            differ = differ[..., :-2] | differ[..., 1:-1] | differ[..., 2:]
            total += _window_scores(_windows(strips), ~differ.flatten(1)).sum()
        totals.append(total / (2 * rows * width))
    return torch.stack(totals)


def _windows(images):
    """All windows of 3x3 of (K, H, W), their pixels column by column: (9, K, (H - 2) (W - 2))."""
    windows = images.unfold(1, 3, 1).unfold(2, 3, 1)
    return windows.permute(4, 3, 0, 1, 2).reshape(_PLACES, len(images), -1)


def _window_scores(windows, equal):
    """Normalised mutual information of the windows of sources with those of the fused image.

    A window that equals the fused one scores 1. Else a flat window (each place as probable) tells nothing and scores 0,
    and so does a pair whose distributions lie in one place each.

    Args:
        windows: of S sources and of the fused image, float64 (9, S + 1, n).
        equal: which windows of the sources equal the fused ones, bool (S, n).

    Returns:
        float64 (S, n).
    """
    # Rescaled to be 0 at its lowest pixel and to sum to 1, a window is a distribution; a flat one gives zeros.
    heights = windows - windows.amin(0)
    distributions = heights.div_(heights.sum(0).clamp_min_(_TINY))
    squares = distributions.square().sum(0).sub_(1 / _PLACES)  # negative for a flat window only
    entropies = _logarithm(distributions).mul_(distributions).sum(0).neg_()
    entropies = entropies[:-1] + entropies[-1:]
    p, q = distributions[:, :-1], distributions[:, -1:]
    covariance = (p * q).sum(0).sub_(1 / _PLACES)

    # Frechet's lower bound is the upper one of the same places in reverse: below, correlations are positive.
    p.lerp_(p.flip(0), (covariance < 0).to(p.dtype))
    sums = _cumulate(distributions)
    variances = _place_variance(sums)
    borders, product = _upper_bound(sums, distributions)
    # In a cell of the upper bound, i + j is the number of the cell: var(i + j) = var(i) + var(j) + 2 cov(i, j).
    bound = _place_variance(borders).sub_(variances[:-1]).sub_(variances[-1:]).div_(2)
    # The correlation of the windows by that of the bound.
    scale = (variances[:-1] * variances[-1:]).div_(squares[:-1] * squares[-1:]).sqrt_()
    weight = torch.where(bound > 0, covariance.abs_().mul_(scale).div_(bound), 0)

    # The joint distribution is weight * bound + rest * p q. The bound is 0 in all but 17 of the 81 cells; in the others
    # the quotient of the joint distribution by p q, whose logarithm is the information, is the same.
    rest = 1 - weight
    other = 1 - product.sum(0)
    joint = _differences(borders).mul_(weight).add_(product * rest)
    quotient = torch.div(joint, product.clamp_min_(_TINY), out=product)
    information = _logarithm(quotient).mul_(joint).sum(0) + _logarithm(rest).mul_(rest).mul_(other)
    informative = (squares[:-1] > 0) & (squares[-1:] > 0) & (entropies > 0)
    return torch.where(equal, 1.0, torch.where(informative, 2 * information / entropies, 0.0))


def _logarithm(x):
    # A mixture may extrapolate beyond its bound (weight > 1): cells below 0 count with the logarithm of their size.
    return x.abs().clamp_min_(_TINY).log_()


def _cumulate(distributions):
    """Cumulative sums over the places, (9, ...) -> (8, ...): without the last one, which is 1."""
    sums = distributions[:-1].clone()
    for before, here in itertools.pairwise(sums.unbind()):
        here.add_(before)
    return sums


def _differences(sums):
    """Distribution that has these cumulative sums: (K, ...) -> (K + 1, ...)."""
    masses = sums.new_empty(len(sums) + 1, *sums.shape[1:])
    masses[0] = sums[0]
    torch.sub(sums[1:], sums[:-1], out=masses[1:-1])
    torch.sub(1, sums[-1], out=masses[-1])
    return masses


def _place_variance(sums):
    """Variance of the place, 0 to K, that is drawn from distributions with these K cumulative sums."""
    above = 1 - sums  # the probability to lie above place 0, 1, ...: they sum to the mean
    mean = above.sum(0)
    steps = torch.arange(1, 2 * len(sums), 2, dtype=sums.dtype, device=sums.device)  # from a square to the next
    return above.mul_(steps[:, None, None]).sum(0).sub_(mean.square_()).clamp_min_(0)


def _upper_bound(sums, distributions):
    """Frechet's upper bound: the joint distribution that pairs low places with low ones and high with high.

    It gives the cell (i, j) the mass by which the i-th interval between the cumulative sums of p overlaps the j-th of
    q. So the sorted sums of both are the borders between the cells that are not empty.

    Args:
        sums: of the sources (p) and of the fused image (q), (8, S + 1, n). Their last bits are lost.
        distributions: the same, (9, S + 1, n).

    Returns:
        The borders between the 17 cells, (16, S, n), and p_i q_j in each cell (i, j), (17, S, n).
    """
    # Whose sum a border is goes along as its last bit, far below the precision that counts.
    tags = sums.view(torch.int64)
    tags[:, :-1].bitwise_or_(1)
    tags[:, -1:].bitwise_and_(-2)
    borders = _merge(sums[:, :-1], sums[:, -1:])
    step, columns = distributions[0].numel(), borders.shape[-1]
    from_p = borders.view(torch.int64).bitwise_and(1).mul_(step)
    # The k-th cell has i + j = k, and i goes up at a border of p: indices into the flat table of distributions.
    index = from_p.new_empty(len(borders) + 1, *borders.shape[1:])
    index[0] = torch.arange(step - columns, device=index.device).view_as(index[0])
    for (before, here), rise in zip(itertools.pairwise(index.unbind()), from_p.unbind(), strict=True):
        torch.add(before, rise, out=here)
    table = distributions.flatten()
    product = table.index_select(0, index.flatten())
    column = torch.arange(columns, device=index.device) + (step - columns)
    total = torch.arange(0, step * len(index), step, device=index.device)[:, None, None] + (index[0] + column)
    product.mul_(table.index_select(0, torch.sub(total, index, out=index).flatten()))
    return borders, product.view_as(index)


def _merge(rising, other):
    """Sort 2 x 8 numbers along the first dimension, each 8 of them sorted already (Batcher's bitonic network)."""
    low, high = torch.broadcast_tensors(rising, other.flip(0))
    for distance in (8, 4, 2, 1):
        numbers = rising.new_empty(16 // (2 * distance), 2, distance, *rising.shape[1:])
        torch.minimum(low, high, out=numbers[:, 0].view_as(low))
        torch.maximum(low, high, out=numbers[:, 1].view_as(low))
        numbers = numbers.flatten(0, 2)
        low, high = numbers.view(-1, 2, max(1, distance // 2), *rising.shape[1:]).unbind(1)
    return numbers
