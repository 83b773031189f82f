"""Small copies of images, so that a page of a thousand scenes opens swiftly."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from util.files import atomic_write

LONGEST_SIDE = 400  # pixels
LARGEST_FILE = 20_000  # bytes
QUALITIES = (84, 74, 62, 48, 30)  # of JPEG: the first that fits is taken
SHRINK = 0.8  # of the sides, as often as it takes, where none of them fits: pure noise


def make_thumbnail(folder: str | os.PathLike, file: str) -> tuple[str, int, int] | None:
    """Make the thumbnail of one image, ``thumbs/STEM.jpg`` beside it, unless there is one that is not older.

    Several processes may call it at once.

    Args:
        folder: where the page lies.
        file: the image, relative to it. The thumbnail of one that lies outside goes to ``folder``/thumbs.

    Returns:
        (thumbnail relative to the folder, width, height in pixels); None for an image that is missing or cannot be
        decoded.
    """
    from PIL import Image, UnidentifiedImageError

    source = Path(folder) / file
    thumbnail = Path(folder) / _place(file)
    try:
        if not (thumbnail.is_file() and thumbnail.stat().st_mtime_ns >= source.stat().st_mtime_ns):
            with Image.open(source) as image:
                atomic_write(thumbnail, _encode(image))
        with Image.open(thumbnail) as image:
            return _place(file), *image.size
    except (FileNotFoundError, UnidentifiedImageError):
        return None
    except OSError as error:  # PIL's word for a file that ends too early
        if error.errno is None:
            return None
        raise


def make_thumbnails(folder: str | os.PathLike, files: Iterable[str]) -> dict[str, tuple[str, int, int]]:
    """Make the thumbnails that are missing, on all cores, and return {image: what ``make_thumbnail`` gives for it}.

    An image without a thumbnail is left out.
    """
    files = list(dict.fromkeys(files))
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        made = pool.map(lambda file: make_thumbnail(folder, file), files)
        return {file: thumbnail for file, thumbnail in zip(files, made, strict=True) if thumbnail}


def _place(file: str) -> str:
    path = Path(file)
    if path.is_absolute() or ".." in path.parts:  # somebody else's folder is not written to
        return f"thumbs/{hashlib.sha256(file.encode()).hexdigest()[:16]}.jpg"
    return (path.parent / "thumbs" / f"{path.stem}.jpg").as_posix()


def _encode(image) -> bytes:
    image.draft("RGB", (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))
    small = _to_8_bits(image)
    side = LONGEST_SIDE
    while True:
        small.thumbnail((side, side), reducing_gap=1.0)
        for quality in QUALITIES:
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=quality, optimize=True)
            if buffer.tell() <= LARGEST_FILE:
                return buffer.getvalue()
        side = int(side * SHRINK)


def _to_8_bits(image):
    from PIL import Image

    if image.mode in ("L", "RGB"):
        return image
    if image.mode.startswith("I"):  # 16 bits per channel
        return Image.fromarray((np.asarray(image, dtype=np.float64).clip(0, 65535) / 257).astype(np.uint8))
    return image.convert("RGB")
