"""Pictures in tiles: where they lie, what each of them sees, and how large they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from util.lazy import torch

AUTO, OFF = "auto", "off"
WHOLE_UP_TO = 2**21  # pixels, a little more than 1920x1080: what ``auto`` fuses whole
SMALLEST = 128  # side of the smallest tile that is tried when memory does not suffice
WINDOWS = 4, 3  # along the longer and the shorter side of a picture


class Tiling(NamedTuple):
    """What a method says of itself, so that its pictures can be fused in tiles.

    Attributes:
        reach: how far from a pixel, in rows or columns, a source may still change what it is fused to.
        side: of the tiles of ``--tile auto``, in pixels, chosen for memory; what they see around them comes to it.
        multiple: the corners of tiles lie on multiples of this: the product of a network's strides, say.
        window: side of the windows in which the network finds what it has to know of a whole picture (its
            ``OfPicture`` modules); 0 where it has to know nothing.
        margin: pixels at the rim of a window that do not count, since it is not seen what lies around them.
    """

    reach: int
    side: int = 1024
    multiple: int = 1
    window: int = 0
    margin: int = 0


class Place(NamedTuple):
    """Where the first pixel that a tile sees lies in its picture, and that picture's size, padded for the network."""

    top: int
    left: int
    height: int
    width: int


class Tile(NamedTuple):
    """A part of a picture that is fused by itself.

    Attributes:
        rows, columns: of the picture, those of the tile.
        seen_rows, seen_columns: those with what lies around it as far as the picture reaches.
    """

    rows: slice
    columns: slice
    seen_rows: slice
    seen_columns: slice

    def look(self, picture: torch.Tensor) -> torch.Tensor:
        """Return what the tile sees of a picture (..., H, W)."""
        return picture[..., self.seen_rows, self.seen_columns]

    def put(self, fused: torch.Tensor, picture: torch.Tensor) -> None:
        """Write the tile into ``picture``; ``fused`` is what was made of all that it sees."""
        top, left = self.rows.start - self.seen_rows.start, self.columns.start - self.seen_columns.start
        height, width = self.rows.stop - self.rows.start, self.columns.stop - self.columns.start
        picture[..., self.rows, self.columns] = fused[..., top : top + height, left : left + width]


def cut_tiles(height: int, width: int, side: int, tiling: Tiling) -> list[Tile]:
    """Return tiles that cover a picture once, of nearly equal sizes and at most ``side`` (rounded up) each way."""
    return [
        Tile(rows, columns, seen_rows, seen_columns)
        for rows, seen_rows in _cut(height, side, tiling)
        for columns, seen_columns in _cut(width, side, tiling)
    ]


def _cut(length: int, side: int, tiling: Tiling) -> Iterator[tuple[slice, slice]]:
    multiple = tiling.multiple
    side = -(-side // multiple) * multiple
    count = -(-length // side)
    side = -(-length // (count * multiple)) * multiple  # even ones: the last is not left with a sliver
    for start in range(0, length, side):
        stop = min(start + side, length)
        first = max(0, (start - tiling.reach) // multiple * multiple)
        last = min(length, -(-(stop + tiling.reach) // multiple) * multiple)
        yield slice(start, stop), slice(first, last)


def spread_windows(height: int, width: int, tiling: Tiling) -> list[tuple[slice, slice]]:
    """Return rows and columns of windows that lie evenly in a picture, all of one size."""
    down, across = WINDOWS if height > width else WINDOWS[::-1]
    return [(rows, columns) for rows in _spread(height, down, tiling) for columns in _spread(width, across, tiling)]


def _spread(length: int, count: int, tiling: Tiling) -> Iterator[slice]:
    multiple = tiling.multiple
    side = tiling.window if tiling.window < length else length
    for number in range(count):
        start = int((number + 0.5) / count * length - side / 2)
        start = min(max(start, 0), length - side) // multiple * multiple
        yield slice(start, start + side)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory does not suffice: a GPU's, PyTorch's on a CPU, or NumPy's."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)
