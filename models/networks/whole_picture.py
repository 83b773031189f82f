"""What a network has to know of a whole picture, when it sees that picture in tiles.

A mean over all pixels, a sum of products between channels, statistics for a normalisation: a tile alone has others.
Where a network needs such a quantity it holds an ``OfPicture``, gives it what the images at hand have, and gets what to
go on with. While windows of a picture are looked at, all in one batch, that is the mean over the windows, so that what
follows is already computed as it will be; it is kept, and given for every tile.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn


class OfPicture(nn.Module):
    """A quantity of whole pictures, (N, ...); it must add up: its mean over equal parts is the picture's.

    Attributes:
        windows: how many images of a batch are windows of one picture; 0 where every image is a whole one.
        margin: the share of a window's side, from its rim on, that is wrong, since nothing lies around a window.
        known: what was found in the windows; None where images are whole, or are windows.
    """

    def __init__(self):
        super().__init__()
        self.windows = 0
        self.margin = 0.0
        self.known: Tensor | None = None

    def forward(self, found: Tensor) -> Tensor:
        """Return the pictures' quantity, of the shape of ``found``, which is that of the images at hand."""
        if self.known is not None:
            return self.known
        if not self.windows:
            return found
        kept = found.unflatten(0, (-1, self.windows)).mean(1)
        self.kept = kept
        return kept.repeat_interleave(self.windows, 0)


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
        if self.known is not None:
            return self.known
        return super().forward(x[:, :, *self.find_inside(x)].mean((2, 3), keepdim=True))


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


@contextlib.contextmanager
def looking_at_windows(networks: Iterable[nn.Module], windows: int, margin: float) -> Iterator[None]:
    """Within, a batch holds ``windows`` windows of each picture; afterwards images are tiles of these pictures."""
    parts = _find_parts(networks)
    for part in parts:
        part.windows, part.margin = windows, margin
    try:
        yield
        for part in parts:
            part.known = part.__dict__.pop("kept", None)
    finally:
        for part in parts:
            part.windows = 0


def forget_picture(networks: Iterable[nn.Module]) -> None:
    """Let images be whole pictures again."""
    for part in _find_parts(networks):
        part.known = None


def _find_parts(networks: Iterable[nn.Module]) -> list[OfPicture]:
    return [module for network in networks for module in network.modules() if isinstance(module, OfPicture)]
