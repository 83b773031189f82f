"""What a network has to know of a whole picture, when it sees that picture in tiles.

A mean over all pixels, a sum of products between channels, statistics for a normalisation: a tile alone has others.
Where a network needs such a quantity it holds an ``OfPicture``, gives it what the images at hand have, and gets what to
go on with. While windows of a picture are looked at, all in one batch, that is the mean over the windows, so that what
follows is already computed as it will be; it is kept, and given for every tile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class OfPicture(nn.Module):
    """A quantity of whole pictures, (N, ...); it must add up: its mean over equal parts is the picture's.

    Attributes:
        windows: how many images of a batch are windows of one picture; 0 where every image is a whole one.
        margin: the share of a window's side, from its rim on, that is wrong, since nothing lies around a window.
        known: what was found in the windows, for each call that a network makes of it in turn; None where images are
            whole, or are windows.
    """

    def __init__(self):
        super().__init__()
        self.windows = 0
        self.margin = 0.0
        self.known: deque[Tensor] | None = None
        self._kept: deque[Tensor] = deque()

    def forward(self, found: Tensor) -> Tensor:
        """Return the pictures' quantity, of the shape of ``found``, which is that of the images at hand."""
        if self.known is not None:
            self.known.rotate(-1)
            return self.known[-1]
        if not self.windows:
            return found
        kept = found.unflatten(0, (-1, self.windows)).mean(1)
        self._kept.append(kept)
        return kept.repeat_interleave(self.windows, 0)

    def look(self, windows: int, margin: float) -> None:
        """Take images for windows."""
        self.windows, self.margin = windows, margin
        self._kept.clear()

    def know(self) -> None:
        """Take images for tiles of the picture whose windows were seen."""
        self.windows, self.known = 0, deque(self._kept)

    def forget(self) -> None:
        """Take images for whole pictures."""
        self.windows, self.known = 0, None
        self._kept.clear()

    def find_inside(self, x: Tensor, rows: slice = slice(None)) -> tuple[slice, slice]:
        """Return those of some ``rows`` of a map (N, C, H, W), and those columns, that a quantity is to be found in.

        All of them, but for the margins of windows. Rows are counted from the first one of ``rows``.
        """
        height, width = x.shape[-2:]
        start, stop, _ = rows.indices(height)
        if not self.windows:
            return slice(0, stop - start), slice(0, width)
        top, left = round(height * self.margin), round(width * self.margin)
        return slice(max(top - start, 0), max(min(height - top, stop) - start, 0)), slice(left, width - left)


class MeanOfPicture(OfPicture):
    """The mean over a picture's pixels: (N, C, H, W) to (N, C, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        found = x[:, :, *self.find_inside(x)].mean((2, 3), keepdim=True) if self.known is None else None
        return super().forward(found)


def normalise(
    x: Tensor, of_picture: OfPicture, eps: float, weight: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    """Return (N, C, H, W) normalised by each picture's mean and variance, then scaled and shifted: instance norm."""
    if not of_picture.windows and of_picture.known is None:
        return torch.instance_norm(x, weight, bias, None, None, True, 0.0, eps, True)
    found = None
    if of_picture.known is None:
        variance, mean = torch.var_mean(x[:, :, *of_picture.find_inside(x)].float(), (2, 3), correction=0)
        mean = mean.double()
        found = torch.stack([mean, variance + mean.square()], 1)  # these add up, a variance does not
    mean, square = of_picture(found).unbind(1)
    mean, scale = mean.float(), (square - mean.square() + eps).rsqrt().float()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return torch.addcmul(shift[:, :, None, None].to(x.dtype), x, scale[:, :, None, None].to(x.dtype))


def find_parts(networks: Iterable[nn.Module]) -> list[OfPicture]:
    """Return what networks have to know of whole pictures."""
    return [module for network in networks for module in network.modules() if isinstance(module, OfPicture)]
