"""Small inputs that the tests make themselves: structured images, strips and folders of pairs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def make_image(seed: int, height: int = 32, width: int = 32) -> np.ndarray:
    """Return a colour image with edges and texture, uint8 (H, W, 3)."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (4, 4, 3)).astype(np.float32)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.clip(image + generator.normal(0, 12, image.shape), 0, 255).astype(np.uint8)


def make_triplet(seed: int, height: int = 32, width: int = 32) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return A (left half sharp), B (right half sharp) and the ground truth."""
    sharp = make_image(seed, height, width)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 2)
    left = (np.arange(width) < width // 2)[None, :, None]
    return np.where(left, sharp, blurred), np.where(left, blurred, sharp), sharp


def write(path: Path, image: np.ndarray) -> Path:
    """Write an RGB or gray picture, whatever its name looks like."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = image[..., ::-1] if image.ndim == 3 else image
    path.write_bytes(cv2.imencode(path.suffix, np.ascontiguousarray(picture))[1].tobytes())
    return path


def make_strips(folder: Path, count: int = 6, size: int = 32) -> Path:
    """Fill ``folder`` with ``count`` strips [A|B|GT] of ``size`` pixels a side; return ``folder``."""
    for number in range(count):
        write(folder / f"strip{number:02d}.png", np.concatenate(make_triplet(number, size, size), 1))
    return folder


def make_pairs(folder: Path, count: int = 3, sizes: tuple[tuple[int, int], ...] = ((24, 30),)) -> Path:
    """Fill ``folder/A`` and ``folder/B`` with pairs named as Lytro's are; sizes (height, width) take turns."""
    for number in range(count):
        a, b, _ = make_triplet(100 + number, *sizes[number % len(sizes)])
        write(folder / "A" / f"pair-{number:02d}-A.png", a)
        write(folder / "B" / f"pair-{number:02d}-B.png", b)
    return folder
