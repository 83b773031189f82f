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
        code_a, code_b, code_fused = (sum(2**place * level for place, level in enumerate(_windows(image)))
                                      for image in images)
        pairs = torch.stack([code_a, code_b]).flatten(1) * 2**_PLACES + code_fused.flatten()
        codes, counts = pairs.to(torch.int64).unique(return_counts=True)
        bits = torch.arange(_PLACES, device=codes.device)[:, None, None]
        sources, fused_windows = ((code >> bits & 1).to(torch.float64) for code in (codes >> _PLACES, codes))
        means.append((_window_scores(sources, fused_windows) * counts).sum() / counts.sum())
    return torch.stack(means)


def _mean_score(a, b, fused):
    """Mean score of all windows of the feature images (N, H, W) against both sources: (N,)."""
    rows, width = fused.shape[-2] - 2, fused.shape[-1] - 2
    totals = []
    for images in zip(a, b, fused, strict=True):
        total = fused.new_zeros(())
        # Some hundred numbers belong to a window, so a strip is an eighth of the usual one.
        for start, stop in row_strips(rows, 8 * width):
            window_a, window_b, window_fused = (_windows(image[start:stop + 2]).flatten(1) for image in images)
            total += _window_scores(torch.stack([window_a, window_b], dim=1), window_fused[:, None]).sum()
        totals.append(total / (2 * rows * width))
    return torch.stack(totals)


def _windows(image):
    """All windows of 3x3 of (H, W), their pixels column by column: (9, H - 2, W - 2)."""
    rows, width = image.shape[0] - 2, image.shape[1] - 2
    return torch.stack([image[row:row + rows, column:column + width] for column in range(3) for row in range(3)])


def _window_scores(source, fused):
    """Normalised mutual information of pairs of windows: (9, S, n) and (9, 1, n) -> (S, n).

    Windows that are equal score 1. Else a flat window (each place as probable) tells nothing and scores 0, and so does
    a pair whose distributions lie in one place each.
    """
    equal = (source == fused).all(0)
    p, q = _distribution(source), _distribution(fused)
    square_p, square_q = (p * p).sum(0) - 1 / _PLACES, (q * q).sum(0) - 1 / _PLACES  # negative for a flat window only
    correlation = ((p * q).sum(0) - 1 / _PLACES) / (square_p * square_q).sqrt()
    entropies = -(_plogp(p).sum(0) + _plogp(q).sum(0))

    # Frechet's lower bound is the upper one of the same places in reverse: below, correlations are positive.
    p = torch.lerp(p, p.flip(0), (correlation < 0).to(p.dtype))
    sums = _cumulate(torch.stack([p, q.expand_as(p)], dim=1))
    means, deviations = _place(sums)
    mass, place_p, place_q = _upper_bound(sums)
    covariance = (mass * place_p).mul_(place_q).sum(0) - means.prod(0)
    weight = torch.where(covariance > 0, correlation.abs_() * deviations.prod(0) / covariance, 0)
    # The joint distribution is weight * bound + (1 - weight) * p q. The bound is 0 in all but 17 of the 81 cells, and
    # the entropy of the product is known: only the 17 have to be replaced in it.
    rest = 1 - weight
    independent = _look_up(p, place_p).mul_(_look_up(q.expand_as(p), place_q)).mul_(rest)
    joint = mass.mul_(weight).add_(independent)
    information = entropies - rest * entropies + _plogp(rest) + _plogp(joint).sum(0) - _plogp(independent).sum(0)
    informative = (square_p > 0) & (square_q > 0) & (entropies > 0)
    return torch.where(equal, 1.0, torch.where(informative, 2 * information / entropies, 0.0))


def _distribution(windows):
    """Rescale each window to be 0 at its lowest pixel and to sum to 1; a flat window gives zeros."""
    height = windows - windows.amin(0)
    return height.div_(height.sum(0).clamp_min_(_TINY))


def _plogp(p):
    # A mixture may extrapolate beyond its bound (weight > 1): cells below 0 count with the logarithm of their size.
    return p.abs().clamp_min_(_TINY).log_().mul_(p)


def _cumulate(distributions):
    """Cumulative sums over the places, (9, ...) -> (8, ...): without the last one, which is 1. Changes its argument."""
    sums = distributions[:-1]
    for before, here in itertools.pairwise(sums.unbind()):
        here.add_(before)
    return sums


def _place(sums):
    """Mean and standard deviation of the place, 0 to 8, that is drawn from distributions with these sums."""
    above = 1 - sums  # the probability to lie above place 0, 1, ...: they sum to the mean
    mean = above.sum(0)
    steps = torch.arange(1, 2 * len(sums), 2, dtype=sums.dtype, device=sums.device)  # from a square to the next
    square = above.mul_(steps[:, None, None, None]).sum(0)
    return mean, (square - mean.square()).clamp_min_(0).sqrt_()


def _upper_bound(sums):
    """Frechet's upper bound: the joint distribution that pairs low places with low ones and high with high.

    It gives the cell (i, j) the mass by which the i-th interval between the cumulative sums of p overlaps the j-th of
    q. So the sorted sums of both are the borders between the cells that are not empty.

    Args:
        sums: of p and of q, (8, 2, S, n). Their last bits are lost.

    Returns:
        Of each of the 17 cells its mass, i and j, all float64 (17, S, n).
    """
    # Whose sum a border is goes along as its last bit, far below the precision that counts.
    tags = sums.view(torch.int64)
    tags[:, 0].bitwise_or_(1)
    tags[:, 1].bitwise_and_(-2)
    borders = _merge(sums[:, 0], sums[:, 1])
    from_p = borders.view(torch.int64).bitwise_and(1).to(sums.dtype)
    cells = len(borders) + 1
    mass, place_p, place_q = borders.new_empty(3, cells, *borders.shape[1:])
    place_p[0] = 0
    for (before, here), tag in zip(itertools.pairwise(place_p.unbind()), from_p.unbind(), strict=True):
        torch.add(before, tag, out=here)
    torch.sub(torch.arange(cells, dtype=sums.dtype, device=sums.device)[:, None, None], place_p, out=place_q)
    mass[0] = borders[0]
    torch.sub(borders[1:], borders[:-1], out=mass[1:-1])
    torch.sub(1, borders[-1], out=mass[-1])
    return mass, place_p, place_q


def _merge(rising, other):
    """Sort 2 x 8 numbers along the first dimension, each 8 of them sorted already (Batcher's bitonic network)."""
    low, high = rising, other.flip(0)
    for distance in (8, 4, 2, 1):
        numbers = rising.new_empty(16 // (2 * distance), 2, distance, *rising.shape[1:])
        torch.minimum(low, high, out=numbers[:, 0].view_as(low))
        torch.maximum(low, high, out=numbers[:, 1].view_as(low))
        numbers = numbers.flatten(0, 2)
        low, high = numbers.view(-1, 2, max(1, distance // 2), *rising.shape[1:]).unbind(1)
    return numbers


def _look_up(table, place):
    """Return table[place[k, ...], ...] for (9, ...) and (K, ...): as one flat selection, faster than ``gather``."""
    columns = table[0].numel()
    column = torch.arange(columns, dtype=table.dtype, device=table.device).view_as(table[0])
    flat = torch.add(column, place, alpha=columns).to(torch.int32)
    return table.flatten().index_select(0, flat.flatten()).view_as(place)
