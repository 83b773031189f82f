"""Large maps made a strip of rows at a time: for inference on a CPU, where a strip stays in the cache.

A map of 128 channels at the size of a photograph fills more memory than the whole network has weights, and reading it
back takes longer than making it. Where it is only on the way to a smaller one it is never there as a whole.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks import shortcuts, winograd
from util.tiling import Place

STRIP_ELEMENTS = 3 * 2**19  # of the widest map of a strip: 6 MB in float32


def conv_halve(conv: nn.Conv2d, x: Tensor, halve: Callable[[Tensor], Tensor]) -> Tensor:
    """Return ``halve(conv(x))``: a 3x3 convolution, and what makes of its map one of half the size."""
    if not shortcuts.open_for(x):
        return halve(conv(x))
    height, convolve = x.shape[-2], _Rows(conv, x)

    def make(top: int, bottom: int) -> Tensor:
        return halve(convolve(lambda first, last: x[:, :, first:last], height, 2 * top, 2 * bottom))

    return in_strips(make, height // 2, 2 * convolve.row_elements(x.shape[-1]), convolve.step // 2 or 1)


def conv_whole(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Return ``conv(x)``, a 3x3 convolution to a map of the same size."""
    if not shortcuts.open_for(x):
        return conv(x)
    height, convolve = x.shape[-2], _Rows(conv, x)

    def make(top: int, bottom: int) -> Tensor:
        return convolve(lambda first, last: x[:, :, first:last], height, top, bottom)

    return in_strips(make, height, convolve.row_elements(x.shape[-1]), convolve.step)


def conv_reflected(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Return ``conv(x)``, a 3x3 convolution with reflected borders to a map of the same size."""
    if not (shortcuts.open_for(x) and winograd.pays(conv.weight, x)):
        return conv(x)
    height, convolve = x.shape[-2], winograd.prepare(conv.weight, conv.bias, padding=0)

    def make(top: int, bottom: int) -> Tensor:
        rows = x[:, :, max(top - 1, 0) : bottom + 1]
        return convolve(functional.pad(rows, (1, 1, int(top == 0), int(bottom == height)), "reflect"))

    row_elements = len(x) * max(conv.weight.shape[:2]) * x.shape[-1] * winograd.GROWTH
    return in_strips(make, height, int(row_elements), winograd.TILE)


def double_conv(conv: nn.Conv2d, x: Tensor, place: Place | None = None) -> Tensor:
    """Return a 3x3 convolution of x at twice its size, bilinear with its corners kept.

    Where pixels are taken depends on the whole map's size: ``place`` says where in it x lies, in its pixels.
    """
    if place is None and not shortcuts.open_for(x):
        return conv(functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True))
    height, width = x.shape[-2:]
    top, left, whole_height, whole_width = place or (0, 0, height, width)
    above, below, share = _find_neighbours(top, height, whole_height, x.device)
    before, after, share_across = _find_neighbours(left, width, whole_width, x.device)
    pixels = x.permute(0, 2, 3, 1)  # rows are taken whole, their channels side by side

    def double(first: int, last: int) -> Tensor:
        upper, lower = (pixels[:, rows[first:last]].float() for rows in (above, below))
        rows = torch.lerp(upper, lower, share[first:last, None, None])
        if place is None:
            rows = rows.to(x.dtype).permute(0, 3, 1, 2)
            return functional.interpolate(rows, size=(last - first, 2 * width), mode="bilinear", align_corners=True)
        rows = torch.lerp(rows[:, :, before], rows[:, :, after], share_across[:, None])
        return rows.to(x.dtype).permute(0, 3, 1, 2)

    if not shortcuts.open_for(x):
        return conv(double(0, 2 * height))
    convolve = _Rows(conv, x, scale=2)

    def make(top: int, bottom: int) -> Tensor:
        return convolve(double, 2 * height, top, bottom)

    return in_strips(make, 2 * height, convolve.row_elements(2 * width), convolve.step)


def _find_neighbours(start: int, length: int, whole: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return between which of ``length`` pixels those of twice their number lie, and where between them.

    The first one is number ``start`` of ``whole`` pixels.
    """
    places = torch.arange(2 * start, 2 * (start + length), dtype=torch.float32, device=device)
    places = (places * ((whole - 1) / (2 * whole - 1)) - start).clamp_min(0)
    first = places.long()
    return first, (first + 1).clamp_max(length - 1), places - first


def in_strips(make: Callable[[int, int], Tensor], height: int, row_elements: int, multiple: int = 1) -> Tensor:
    """Join ``make(top, bottom)`` over strips of rows.

    Args:
        make: gives the rows ``top`` to ``bottom`` of (..., height, W).
        height: of the result.
        row_elements: elements of the widest map that one row of the result goes through.
        multiple: of rows that a strip has, but for the last.
    """
    step = max(1, STRIP_ELEMENTS // (row_elements * multiple)) * multiple
    whole = None
    for top in range(0, height, step):
        strip = make(top, min(top + step, height))
        if whole is None:
            is_last = strip.ndim == 4 and strip.is_contiguous(memory_format=torch.channels_last)
            order = torch.channels_last if is_last else torch.contiguous_format
            shape = (*strip.shape[:-2], height, strip.shape[-1])
            whole = torch.empty(shape, dtype=strip.dtype, memory_format=order)
        whole[..., top : top + step, :] = strip
    return whole


class _Rows:
    """A 3x3 convolution, zeros around its map, that gives some rows at a time.

    Args:
        conv: the convolution.
        x: a map of its kind; ``scale`` times its size is that of the map to come.
    """

    def __init__(self, conv: nn.Conv2d, x: Tensor, scale: int = 1):
        weight, bias = conv.weight, conv.bias
        self.channels = len(x) * max(weight.shape[:2])
        if winograd.pays(weight, x, scale):
            self.convolve, self.step = winograd.prepare(weight, bias), winograd.TILE
            self.channels *= winograd.GROWTH
        else:
            self.convolve = functools.partial(functional.conv2d, weight=weight, bias=bias, padding=(0, 1))
            self.step = 1

    def row_elements(self, width: int) -> int:
        """Return the elements that a row of the widest map has in between."""
        return int(self.channels * width)

    def __call__(self, rows: Callable[[int, int], Tensor], height: int, top: int, bottom: int) -> Tensor:
        """Return the rows ``top`` to ``bottom`` of the convolution of what ``rows(first, last)`` gives parts of."""
        x = rows(max(top - 1, 0), min(bottom + 1, height))
        if top == 0 or bottom == height:
            x = functional.pad(x, (0, 0, int(top == 0), int(bottom == height)))
        return self.convolve(x)
