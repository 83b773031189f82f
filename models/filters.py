"""Filters that several methods share, on (N, C, H, W) of any size; what lies outside is left out or repeated."""

from __future__ import annotations

from util.lazy import torch


def pad(image: torch.Tensor, radius: int) -> torch.Tensor:
    """Repeat the outermost pixels ``radius`` times on all sides."""
    return torch.nn.functional.pad(image, (radius,) * 4, mode="replicate")


def mean_in_window(image: torch.Tensor, radius: int) -> torch.Tensor:
    """Return the mean over the part of a window of 2 radius + 1 pixels a side that lies inside the picture."""
    rows = _mean_along(image, radius, vertical=True)
    return _mean_along(rows, radius, vertical=False)


def filter_separably(image: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Convolve rows and columns with the same odd number of symmetric ``taps``, borders repeated."""
    channels, count = image.shape[1], len(taps)
    taps = taps.to(image, non_blocking=True).expand(channels, 1, count)
    image, convolve = pad(image, count // 2), torch.nn.functional.conv2d
    return convolve(convolve(image, taps[..., None, :], groups=channels), taps[..., :, None], groups=channels)


def filter_guided(image: torch.Tensor, guide: torch.Tensor, radius: int, epsilon: float) -> torch.Tensor:
    """Smooth ``image`` so that its edges are those of ``guide``; arguments as in ``fit_to_guide``."""
    slope, offset = fit_to_guide(image, guide, radius, epsilon)
    return slope * guide + offset


def fit_to_guide(
    image: torch.Tensor, guide: torch.Tensor, radius: int, epsilon: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the guided filter's slope and offset, with which slope * guide + offset is the smoothed image.

    He, Sun, Tang, "Guided Image Filtering", TPAMI 35(6), 2013, alg. 1, windows of 2 radius + 1 pixels a side.

    Args:
        image, guide: (N, 1, H, W); the guide in [0, 1].
        radius: of the windows, in pixels.
        epsilon: variance of the guide below which a window is smoothed.
    """
    centre, mean = mean_in_window(guide, radius), mean_in_window(image, radius)
    variance = mean_in_window(guide * guide, radius) - centre * centre
    slope = (mean_in_window(guide * image, radius) - centre * mean) / (variance + epsilon)
    offset = mean - slope * centre
    return mean_in_window(slope, radius), mean_in_window(offset, radius)


def _mean_along(image: torch.Tensor, radius: int, vertical: bool) -> torch.Tensor:
    # Differences of running sums: the work does not grow with the radius. In float64, or they would lose digits.
    length = image.shape[-2 if vertical else -1]
    dim = -2 if vertical else -1
    sums = torch.nn.functional.pad(image.double().cumsum(dim), (0, 0, 1, 0) if vertical else (1, 0))
    places = torch.arange(length, device=image.device)
    first, last = (places - radius).clamp(min=0), (places + radius + 1).clamp(max=length)
    counts = (last - first).view(-1, 1) if vertical else last - first
    return ((sums.index_select(dim, last) - sums.index_select(dim, first)) / counts).to(image.dtype)
