"""What was dropped on the page, checked before it costs anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath

import cv2
import numpy as np

from util.errors import UserError
from util.image_io import decode_pixels, decode_stored_size, to_float


@dataclass(frozen=True)
class Upload:
    """A decoded image.

    Attributes:
        side: "A" or "B".
        name: the file's own, for the user's eyes.
        pixels: as ``util.image_io.decode_pixels`` gives them.
    """

    side: str
    name: str
    pixels: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True)
class Limits:
    """What is taken: ``megapixels`` of an image, ``megabytes`` of a file (of 1,000,000 each)."""

    megapixels: float
    megabytes: int


def read_upload(side: str, name: str, content: bytes, limits: Limits) -> Upload:
    """Decode a file that was dropped.

    Raises:
        UserError: it is no image, it is damaged, or it is larger than the limits.
    """
    what = f"image {side} ({PurePath(name).name[:80]})"
    check_length(what, len(content), limits)
    if not content:
        raise UserError(f"{what} is empty: the file has no bytes")
    # The header first: a small file may unfold into more pixels than there is memory.
    check_pixels(what, *decode_stored_size(content, what), limits)
    pixels = decode_pixels(content, what)
    check_pixels(what, pixels.shape[1], pixels.shape[0], limits)
    return Upload(side, PurePath(name).name, pixels)


def check_length(what: str, length: int, limits: Limits) -> None:
    """Refuse, with a UserError, a file of too many bytes."""
    if length > limits.megabytes * 10**6:
        raise UserError(
            f"{what} is a file of {length / 1e6:.1f} MB, and {limits.megabytes} MB is the most that this page takes "
            "(--max_megabytes)"
        )


def check_pixels(what: str, width: int, height: int, limits: Limits) -> None:
    """Refuse, with a UserError, an image of too many pixels."""
    if width * height > limits.megapixels * 10**6:
        raise UserError(
            f"{what} has {width}x{height} pixels ({width * height / 1e6:.2g} megapixels), and "
            f"{limits.megapixels:g} megapixels is the most that this page takes (--max_megapixels)"
        )


def join_pair(a: Upload | None, b: Upload | None, resize: bool) -> tuple[Upload, Upload]:
    """Return two images of one size.

    Args:
        resize: bring B to the size of A where they differ.

    Raises:
        UserError: an image is missing, or they differ in size and are to stay as they are.
    """
    missing = [side for side, image in (("A", a), ("B", b)) if image is None]
    if len(missing) == 2:
        raise UserError("two images are needed: drop one on A and one on B")
    if missing:
        raise UserError(f"image {missing[0]} is missing: two images are needed, drop the other one on {missing[0]}")
    if a.size == b.size:
        return a, b
    if not resize:
        sizes = " and ".join("x".join(map(str, image.size)) for image in (a, b))
        raise UserError(
            f"the two images differ in size ({sizes} pixels): give two of one size, or tick 'Resize B to the size of A'"
        )
    shrinks = a.size[0] * a.size[1] < b.size[0] * b.size[1]
    resized = cv2.resize(to_float(b.pixels), a.size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return a, replace(b, pixels=np.clip(resized, 0, 1))
