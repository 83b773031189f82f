"""Label maps with their exact numbers: index and colour images, BSDS ``.mat`` files, regions found in a photograph."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from util.errors import UserError

LABEL_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif", ".mat")
SEGMENTERS = ("felzenszwalb", "slic")

# Regions of an unlabelled photograph are sought at this many pixels along its longer side: half a second, not ten.
SEGMENTED_SIDE = 512


def read_label_map(path: Path) -> np.ndarray:
    """Read a label map as region numbers, int32 (H, W); equal numbers are one region, the numbers mean nothing else.

    Index maps (gray or palette, 1 to 16 bits) give their indices, colour maps one number per colour (alpha is ignored),
    BSDS ``.mat`` files the human segmentation with the median number of regions.

    Raises:
        UserError: the file cannot be decoded.
    """
    if path.suffix.lower() == ".mat":
        return _read_bsds(path)
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image if image.mode in ("1", "L", "P", "I", "I;16", "I;16B") else image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} cannot be decoded as a label map ({error})") from error
    if pixels.ndim == 3:
        red, green, blue = (pixels[:, :, channel].astype(np.int32) for channel in range(3))
        return (blue << 16) | (green << 8) | red
    return pixels.astype(np.int32)


def read_label_colours(path: Path) -> np.ndarray:
    """Read a label map as the official script does: uint8 (H, W, 3), BGR; index maps as gray, palettes applied."""
    if path.suffix.lower() == ".mat":
        return numbers_to_colours(_read_bsds(path))
    content = np.frombuffer(path.read_bytes(), np.uint8)
    colours = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    if colours is None:
        raise UserError(f"{path} cannot be decoded as a label map")
    return colours


def numbers_to_colours(labels: np.ndarray) -> np.ndarray:
    """Give every region number below 2**24 a BGR colour of its own that sorts as the numbers do; uint8 (H, W, 3)."""
    return np.stack([labels >> 16, labels >> 8, labels], axis=-1).astype(np.uint8)


def segment_photograph(photo: np.ndarray, method: str) -> np.ndarray:
    """Find regions in an uint8 RGB photograph (H, W, 3); int32 (h, w), at most ``SEGMENTED_SIDE`` pixels a side.

    ``felzenszwalb`` follows the outlines of things (Felzenszwalb and Huttenlocher, IJCV 2004); ``slic`` gives some
    forty patches of similar area (Achanta et al., TPAMI 2012).
    """
    from skimage.segmentation import felzenszwalb, slic

    height, width = photo.shape[:2]
    scale = min(1.0, SEGMENTED_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    if method == "slic":
        regions = slic(small, n_segments=40, compactness=12, start_label=0)
    else:
        regions = felzenszwalb(small, scale=400, sigma=0.8, min_size=max(16, small.shape[0] * small.shape[1] // 150))
    return regions.astype(np.int32)


def _read_bsds(path: Path) -> np.ndarray:
    from scipy.io import loadmat

    try:
        maps = [np.asarray(cell["Segmentation"][0, 0]) for cell in loadmat(path)["groundTruth"].ravel()]
        maps.sort(key=lambda labels: int(labels.max()))  # stable, so ties keep the file's order
        return maps[(len(maps) - 1) // 2].astype(np.int32)
    except Exception as error:  # scipy's reader raises whatever the broken bytes lead it to
        raise UserError(f"{path} is not a BSDS segmentation ({error})") from error
