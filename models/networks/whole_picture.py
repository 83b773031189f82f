"""What a network has to know of a whole picture, when it sees that picture in tiles.

A mean over all pixels, a sum of products between channels, statistics for a normalisation: a tile alone has others.
Where a network needs such a quantity it holds an ``OfPicture``, gives it what the images at hand have, and gets what to
go on with. While windows of a picture are looked at, all in one batch, that is the mean over the windows, so that what
follows is already computed as it will be; it is kept, and given for every tile.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from torch import Tensor, nn


class OfPicture(nn.Module):
    """A quantity of whole pictures, (N, ...); it must add up: its mean over equal parts is the picture's.

    Attributes:
        windows: how many images of a batch are windows of one picture; 0 where every image is a whole one.
        known: what was found in the windows; None where images are whole, or are windows.
    """

    def __init__(self):
        super().__init__()
        self.windows = 0
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


class MeanOfPicture(OfPicture):
    """The mean over a picture's pixels: (N, C, H, W) to (N, C, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return self.known if self.known is not None else super().forward(x.mean((2, 3), keepdim=True))


@contextlib.contextmanager
def looking_at_windows(networks: Iterable[nn.Module], windows: int) -> Iterator[None]:
    """Within, a batch holds ``windows`` windows of each picture; afterwards images are tiles of these pictures."""
    parts = _find_parts(networks)
    for part in parts:
        part.windows = windows
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
