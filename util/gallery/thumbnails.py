"""Small copies of images, so that a page of a thousand pairs opens swiftly."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from util.files import atomic_write

LONGEST_SIDE = 400  # pixels
LARGEST_FILE = 20_000  # bytes
QUALITIES = (84, 74, 62, 48, 30)  # of JPEG: the first that fits is taken


def make_thumbnails(folder: Path, files: Iterable[str]) -> dict[str, tuple[str, int, int]]:
    """Make a thumbnail ``images/thumbs/STEM.jpg`` for every image that has none yet, or one older than the image.

    Args:
        folder: where the page lies.
        files: the images, relative to it; their stems are unique.

    Returns:
        {image: (thumbnail relative to the folder, width, height in pixels)}; an image that is missing or cannot be
        decoded is left out.
    """
    files = list(dict.fromkeys(files))
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        made = pool.map(lambda file: _make(folder, file), files)
        return {file: thumbnail for file, thumbnail in zip(files, made, strict=True) if thumbnail}


def _make(folder: Path, file: str) -> tuple[str, int, int] | None:
    from PIL import Image, UnidentifiedImageError

    source = folder / file
    thumbnail = source.parent / "thumbs" / f"{source.stem}.jpg"
    try:
        if not (thumbnail.is_file() and thumbnail.stat().st_mtime_ns >= source.stat().st_mtime_ns):
            with Image.open(source) as image:
                atomic_write(thumbnail, _encode(image))
        with Image.open(thumbnail) as image:
            return thumbnail.relative_to(folder).as_posix(), *image.size
    except (FileNotFoundError, UnidentifiedImageError):
        return None


def _encode(image) -> bytes:
    image.draft("RGB", (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))
    small = image if image.mode in ("L", "RGB") else image.convert("RGB")
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), reducing_gap=1.0)
    for quality in QUALITIES:
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= LARGEST_FILE:
            break
    return buffer.getvalue()
