"""Feature mutual information: how much of the sources' features the fused image tells, window by window."""

from __future__ import annotations

from metrics.feature_images import cosine_transform, horizontal_gradient, meyer_mosaic, sobel_edges
from metrics.registry import metric
from metrics.shared import row_strips
from util.lazy import torch

_PLACES = 9  # of a window of 3x3
_TINY = 1e-300  # far below all probabilities: keeps 0 log 0 from being nan


def _fmi(name: str, feature: str, *, variant: str, aliases: tuple[str, ...] = ()):
    return metric(
        name=name, title=f"feature mutual information of {feature}", direction="up", low=-0.01, high=1.01,
        formula="mean over A, B and 3x3 windows of 2 I(S;F)/(H(S)+H(F)); a window rescaled to [0, 1] is a distribution "
                "over its 9 places, and the joint one mixes independence with Frechet's bound to have the correlation "
                "of the windows",
        source="Haghighat and Razian, Fast-FMI: Non-reference Image Fusion Metric, AICT 2014",
        variant=variant + "; B is compared with F as A is (the distributed code misses identical windows of B)",
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
        # Some hundred numbers belong to a window: a sixteenth of the usual strip stays in the cache.
        for start, stop in row_strips(rows, 16 * width):
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
    spread_p, spread_q = (p * p).sum(0) - 1 / _PLACES, (q * q).sum(0) - 1 / _PLACES
    informative = (spread_p > 1e-3) & (spread_q > 1e-3)  # 0 for a flat window, at least 1/72 for any other
    correlation = ((p * q).sum(0) - 1 / _PLACES) / (spread_p * spread_q).clamp_min(_TINY).sqrt()
    entropies = _minus_plogp(p).sum(0) + _minus_plogp(q).sum(0)
    deviations = _deviation(p) * _deviation(q)

    # Frechet's lower bound is the upper one of the same places in reverse: below, correlations are positive.
    p = torch.where(correlation < 0, p.flip(0), p)
    shared_mass, cell_p, cell_q, covariance = _upper_bound(p, q.expand_as(p))
    weight = torch.where(covariance > 0, correlation.abs() * deviations / covariance.clamp_min(_TINY), 0)
    # The joint distribution is weight * bound + (1 - weight) * p q. The bound is 0 in all but 17 of the 81 cells, and
    # the entropy of the product is known: only the 17 have to be replaced in it.
    rest = 1 - weight
    independent = rest * cell_p * cell_q
    joint = independent + weight * shared_mass
    joint_entropy = (rest * entropies + _minus_plogp(rest)
                     + (_minus_plogp(joint) - _minus_plogp(independent)).sum(0))
    score = 2 * (entropies - joint_entropy) / entropies.clamp_min(_TINY)
    return torch.where(equal, 1.0, torch.where(informative & (entropies > 0), score, 0.0))


def _distribution(windows):
    """Rescale each window to be 0 at its lowest pixel and to sum to 1; a flat window is uniform."""
    height = windows - windows.amin(0)
    total = height.sum(0)
    return torch.where(total > 0, height / total.clamp_min(_TINY), 1 / _PLACES)


def _minus_plogp(p):
    # A mixture may extrapolate beyond its bound (weight > 1): cells below 0 count with the logarithm of their size.
    return -p * p.abs().clamp_min(_TINY).log()


def _deviation(p):
    """Standard deviation of the place, 1 to 9, that is drawn from the distribution."""
    place = torch.arange(_PLACES, dtype=p.dtype, device=p.device)[:, None, None] - _PLACES // 2
    return ((place**2 * p).sum(0) - (place * p).sum(0).square()).clamp_min(0).sqrt()


def _upper_bound(p, q):
    """Frechet's upper bound: the joint distribution that pairs low places with low ones and high with high.

    It gives the cell (i, j) the mass by which the i-th interval between the cumulative sums of p overlaps the j-th of
    q. So the sorted sums of both are the borders between the cells that are not empty.

    Returns:
        For each of the 17 cells its mass, p_i and q_j, (17, S, n); and the covariance of the places, (S, n).
    """
    sums_p, sums_q = (x[:-1].cumsum(0) for x in (p, q))  # without the last, which is 1
    # Whose sum a border is goes along as its last bit, far below the precision that counts.
    tagged = [sums_p.view(torch.int64) | 1, sums_q.view(torch.int64) & -2]
    borders = _merge(tagged[0].view(torch.float64), tagged[1].view(torch.float64))
    from_p = (borders.view(torch.int64) & 1).to(torch.float64)
    index_p, index_q = (torch.cat([torch.zeros_like(tags[:1]), tags.cumsum(0)]) for tags in (from_p, 1 - from_p))
    mass = torch.cat([borders, torch.ones_like(borders[:1])])
    mass[1:] -= borders
    left = _PLACES - 1
    covariance = (mass * (left - index_p) * (left - index_q)).sum(0) - sums_p.sum(0) * sums_q.sum(0)
    return mass, _look_up(p, index_p), _look_up(q, index_q), covariance


def _merge(rising, other):
    """Sort 2 x 8 numbers along the first dimension, each 8 of them sorted already (Batcher's bitonic network)."""
    numbers = torch.cat([rising, other.flip(0)])
    for distance in (8, 4, 2, 1):
        pairs = numbers.view(-1, 2, distance, *numbers.shape[1:])
        low, high = pairs[:, 0], pairs[:, 1]
        numbers = torch.stack([torch.minimum(low, high), torch.maximum(low, high)], dim=1).view_as(numbers)
    return numbers


def _look_up(table, index):
    """Return table[index[k, ...], ...] for (9, ...) and (K, ...): as one flat selection, faster than ``gather``."""
    columns = table[0].numel()
    column = torch.arange(columns, dtype=table.dtype, device=table.device).view_as(table[0])
    flat = (index * columns + column).to(torch.int64)
    return table.flatten().index_select(0, flat.flatten()).view_as(index)
