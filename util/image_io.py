"""Reading and writing images: any file that users of this field have, into one shape and one range.

The decoder is chosen by content, never by the extension (TIFF in ``.png`` and BMP in ``.jpg`` exist in public sets).

* Gray becomes three equal channels; alpha is dropped, not blended; palette and CMYK become RGB; of several frames the
  first is taken; EXIF orientation is applied; ICC profiles are ignored, the wrong ones without a warning.
* Unsigned 8 and 16 bit are divided by their full scale, 255 and 65535.
* Floating point and other integers carry no full scale. They must be finite and not negative; values up to 1 are taken
  as they are, values up to 255 are divided by 255, values up to 65535 by 65535, and anything beyond is refused.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from util.errors import RunError, UserError
from util.files import atomic_write
from util.lazy import torch

IMAGE_SUFFIXES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .bmp .dib .tif .tiff .webp .ppm .pgm .pbm .pnm .jp2 .tga .gif".split()
)
WRITABLE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_TIFF = (b"II*\0", b"MM\0*")
_SIGNATURES = (_PNG, _JPEG, *_TIFF, b"BM", b"GIF8", b"P5", b"P6", b"\0\0\0\x0cjP")
_TAIL = 4096  # bytes at the end of a file in which its end marker is looked for
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)  # of EXIF: the tag, and what swaps width and height
_FULL_SCALE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}

# Whatever a decoder wants to say is said by us, once, with the file's name.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
# The images are the user's own: a large one is no attack.
Image.MAX_IMAGE_PIXELS = None


def is_image_file(path: str | os.PathLike) -> bool:
    """Whether a file should hold an image: by its suffix, or by its first bytes where it has no suffix."""
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix:
        return suffix in IMAGE_SUFFIXES
    try:
        with open(path, "rb") as handle:
            return handle.read(16).startswith(_SIGNATURES)
    except OSError:
        return False


def read_pixels(path: str | os.PathLike) -> np.ndarray:
    """Decode an image in the depth in which it is stored.

    Returns:
        array (H, W), where one channel is stored, or (H, W, 3) in RGB order; uint8 or uint16 in full scale, or float32
        already in [0, 1] by the range rule above.

    Raises:
        UserError: the file is missing, empty, truncated, not an image, or its values have no meaning as an image.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path} could not be read ({error.strerror or error})") from error
    return decode_pixels(content, path)


def decode_pixels(content: bytes, path: str | os.PathLike) -> np.ndarray:
    """Decode the bytes of an image as ``read_pixels`` does; ``path`` is what errors name."""
    if not content:
        raise UserError(f"{path} is empty (0 bytes) where an image was expected")
    pixels = None
    # A file without its end marker goes to Pillow, which refuses what is cut off; OpenCV may fill it with gray.
    if has_whole_end(content) and not (content.startswith(_TIFF) and _would_blend(content)):
        try:
            encoded = np.frombuffer(_without_colour_profile(content), np.uint8)
            pixels = cv2.imdecode(encoded, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
        except cv2.error:
            pixels = None
    if pixels is None:
        pixels = _decode_with_pillow(content, path)
    elif pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return pixels if pixels.dtype in _FULL_SCALE else _apply_range_rule(pixels, path)


def has_whole_end(content: bytes) -> bool:
    """Whether the end marker of a PNG or JPEG is among the last bytes; True for formats without one.

    ``content`` may be a whole file, or its first and last bytes joined.
    """
    if content.startswith(_PNG):
        return b"IEND" in content[-_TAIL:]
    if content.startswith(_JPEG):
        return b"\xff\xd9" in content[-_TAIL:]
    return True


def check_header_and_end(path: str | os.PathLike) -> tuple[int, int]:
    """Check an image without decoding it: its header, its end marker and the place its pixels need.

    What is suspicious is decoded, so that nothing is refused that could be read.

    Returns:
        (width, height) in pixels, EXIF orientation applied.

    Raises:
        UserError: as ``read_pixels``.
    """
    try:
        with open(path, "rb") as handle:
            first = handle.read(64)
            length = handle.seek(0, os.SEEK_END)
            handle.seek(max(len(first), length - _TAIL))
            last = handle.read()
    except OSError as error:
        raise UserError(f"{path} could not be read ({error.strerror or error})") from error
    if not first or not first.startswith((_PNG, _JPEG)) or not has_whole_end(first + last):
        height, width = read_pixels(path).shape[:2]
        return width, height
    return read_size(path)


def read_size(path: str | os.PathLike) -> tuple[int, int]:
    """Read (width, height) in pixels from the header, EXIF orientation applied.

    Raises:
        UserError: the file is missing, empty, or its header is not an image's.
    """
    try:
        if os.path.getsize(path) == 0:
            raise UserError(f"{path} is empty (0 bytes) where an image was expected")
        header = _read_png_header(path)
        if header is not None:
            (width, height), exif = header
            return (height, width) if exif and _is_turned(exif) else (width, height)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                # Pillow has turned the size of a TIFF already; the tags have the stored one.
                width, height = (image.tag_v2[256], image.tag_v2[257]) if image.format == "TIFF" else image.size
                turned = image.getexif().get(_ORIENTATION, 1) in _TURNED
    except (OSError, ValueError, SyntaxError, KeyError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} could not be read as an image ({_reason(error)})") from error
    return (height, width) if turned else (width, height)


def _read_png_header(path: str | os.PathLike) -> tuple[tuple[int, int], bytes] | None:
    """Return ((width, height), EXIF data or b"") of a PNG, from the chunks' headers; None for what is no proper PNG.

    Pillow's ``getexif`` decodes a whole PNG to see whether EXIF data come behind its pixels.
    """
    with open(path, "rb", buffering=8192) as handle:
        first = handle.read(33)  # the signature and IHDR, which is the first chunk of a proper one
        if not first.startswith(_PNG + b"\0\0\0\rIHDR") or len(first) < 33:
            return None
        width, height, checksum = int.from_bytes(first[16:20]), int.from_bytes(first[20:24]), first[29:]
        if not width or not height or zlib.crc32(first[12:29]).to_bytes(4) != checksum:
            return None
        while len(chunk := handle.read(8)) == 8:
            if chunk[4:] == b"eXIf":
                return (width, height), handle.read(int.from_bytes(chunk[:4]))
            handle.seek(int.from_bytes(chunk[:4]) + 4, os.SEEK_CUR)
    return (width, height), b""


def _is_turned(exif: bytes) -> bool:
    data = Image.Exif()
    try:
        data.load(exif)
        return data.get(_ORIENTATION, 1) in _TURNED
    except (OSError, ValueError, SyntaxError, KeyError, struct.error):
        return False  # the decoder passes over what it cannot read


def decode_stored_size(content: bytes, path: str | os.PathLike) -> tuple[int, int]:
    """Read (width, height) from an image's first bytes, as stored: EXIF orientation, for which Pillow decodes, is not
    looked at. ``path`` is what errors name.

    Raises:
        UserError: the header is not an image's.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                return image.size
    except (OSError, ValueError, SyntaxError, KeyError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} could not be read as an image ({_reason(error)})") from error


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Scale what ``read_pixels`` returned to float32 in [0, 1]; the shape stays."""
    scale = _FULL_SCALE.get(pixels.dtype)
    return pixels if scale is None else pixels.astype(np.float32) / np.float32(scale)


def to_three_channels(pixels: np.ndarray) -> np.ndarray:
    """Give (H, W) a channel axis of three equal channels (a view, nothing is copied); (H, W, 3) stays."""
    return np.broadcast_to(pixels[..., None], (*pixels.shape, 3)) if pixels.ndim == 2 else pixels


def is_gray(pixels: np.ndarray) -> bool:
    """Whether every pixel of (H, W) or (H, W, 3) has equal channels: gray is a matter of pixels, not of modes."""
    if pixels.ndim == 2:
        return True
    # A coarse grid settles nearly every colour image without looking at all of it.
    return all(
        np.array_equal(grid[..., 0], grid[..., 1]) and np.array_equal(grid[..., 0], grid[..., 2])
        for grid in (pixels[::16, ::16], pixels)
    )


def read_image(path: str | os.PathLike) -> tuple[np.ndarray, bool]:
    """Read any image as RGB.

    Returns:
        (image, gray): float32 (H, W, 3) in [0, 1], and whether all three channels are equal in every pixel.

    Raises:
        UserError: as ``read_pixels``.

    >>> image, gray = read_image("datasets/TNO/test/ir/01.png")  # doctest: +SKIP
    >>> image.shape, gray  # doctest: +SKIP
    ((480, 640, 3), True)
    """
    pixels = read_pixels(path)
    return np.array(to_three_channels(to_float(pixels))), is_gray(pixels)


def write_image(path: str | os.PathLike, image: np.ndarray | torch.Tensor, gray: bool = False) -> Path:
    """Write an image as 8 bit per channel; the suffix names the format. The file is whole or absent.

    Args:
        path: the file, of a suffix in WRITABLE_SUFFIXES.
        image: an array (H, W), (H, W, 1) or (H, W, 3), or a tensor (H, W), (C, H, W) or (1, C, H, W) of 1 or 3
            channels. uint8 is written as it is; floating point in [0, 1] is clipped and rounded half up.
        gray: write one channel: BT.601 luma, which is the common value where the three channels are equal.

    Raises:
        RunError: a value is not finite, or the file cannot be written.
        UserError: the suffix names no format that can be written.
        ValueError: the shape is none of the above.
    """
    return atomic_write(path, encode_image(path, image, gray))


def encode_image(path: str | os.PathLike, image: np.ndarray | torch.Tensor, gray: bool = False) -> bytes:
    """Return the bytes that ``write_image`` would write to ``path``, which names the format and stands in errors."""
    path = Path(path)
    if path.suffix.lower() not in WRITABLE_SUFFIXES:
        raise UserError(f"{path} cannot be written: its suffix should be one of {', '.join(WRITABLE_SUFFIXES)}")
    array = _to_rows_columns_channels(image)
    if array.dtype != np.uint8:
        if not np.isfinite(array).all():
            raise RunError(f"{path} was not written: the image holds values that are not finite (NaN or infinity)")
        array = np.floor(np.clip(array.astype(np.float32), 0, 1) * 255 + 0.5).astype(np.uint8)
    if gray and array.ndim == 3:
        array = array[..., 0] if is_gray(array) else cv2.cvtColor(array, cv2.COLOR_RGB2GRAY)
    if array.ndim == 3:
        array = cv2.cvtColor(array, cv2.COLOR_RGB2BGR)
    try:
        _, encoded = cv2.imencode(path.suffix.lower(), np.ascontiguousarray(array))
    except cv2.error as error:
        raise RunError(f"{path} could not be encoded ({error.err})") from error
    return encoded.tobytes()


def _to_rows_columns_channels(image: np.ndarray | torch.Tensor) -> np.ndarray:
    """Bring what ``write_image`` takes to (H, W) or (H, W, 3)."""
    if isinstance(image, np.ndarray):
        array = image
    else:
        tensor = image.detach().cpu()
        if tensor.dtype != torch.uint8:
            tensor = tensor.float()  # numpy knows no bfloat16
        tensor = tensor[0] if tensor.dim() == 4 and len(tensor) == 1 else tensor
        array = (tensor.permute(1, 2, 0) if tensor.dim() == 3 else tensor).numpy()
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] == 3) or array.size == 0:
        raise ValueError(f"an image of shape {tuple(image.shape)} cannot be written; expected 1 or 3 channels")
    return array


def _without_colour_profile(content: bytes) -> bytes:
    """Cut the iCCP chunk out of a PNG: profiles are not applied, and libpng prints a warning about the wrong ones."""
    place = content.find(b"iCCP", 0, _TAIL) if content.startswith(_PNG) else -1
    if place < 4:
        return content
    length = int.from_bytes(content[place - 4 : place], "big")
    after = place + 4 + length + 4  # name, data, checksum
    return content[: place - 4] + content[after:] if after < len(content) else content


def _would_blend(content: bytes) -> bool:
    """Whether OpenCV would multiply the colours of this TIFF with its alpha: it does so in RGBA of 8 bit."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.mode == "RGBA" and image.tag_v2.get(258) == (8, 8, 8, 8)
    except (OSError, ValueError, SyntaxError, KeyError, AttributeError):
        return False


def _decode_with_pillow(content: bytes, path: str | os.PathLike) -> np.ndarray:
    """Decode what OpenCV does not know or what may be damaged; gives the same shapes and types."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                image.load()
                image = ImageOps.exif_transpose(image)
                if image.mode in ("1", "LA", "La"):
                    image = image.convert("L")
                elif image.mode not in ("L", "RGB", "F", "I") and not image.mode.startswith("I;16"):
                    image = image.convert("RGB")
                array = np.asarray(image)
                return array.astype(array.dtype.newbyteorder("="))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} could not be decoded as an image ({_reason(error)})") from error


def _apply_range_rule(pixels: np.ndarray, path: str | os.PathLike) -> np.ndarray:
    """Bring values without a full scale to float32 in [0, 1] by the rule in this module's head."""
    if not np.isfinite(pixels).all():
        raise UserError(f"{path} holds values that are not finite (NaN or infinity)")
    low, high = float(pixels.min()), float(pixels.max())
    scale = next((scale for scale in (1, 255, 65535) if high <= scale), None)
    if low < 0 or scale is None:
        raise UserError(
            f"{path} holds {pixels.dtype} values from {low:g} to {high:g}; expected 0 to 1, 0 to 255 or 0 to 65535"
        )
    if scale == 1 and pixels.dtype.kind in "iu":
        scale = 255  # an integer image of zeros and ones is a dark one, not one of black and white
    return pixels.astype(np.float32) / np.float32(scale)


def _reason(error: Exception) -> str:
    """Say what a decoder found, without the object's address that Pillow puts there."""
    text = str(error).strip()
    return "its content is no known image format" if not text or "cannot identify" in text else text
