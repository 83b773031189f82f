"""Every kind of image file that a user may have, against pixels that were known before they were written."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from util.errors import RunError, UserError
from util.image_io import check_header_and_end, read_image, read_pixels, read_size, write_image

RNG = np.random.default_rng(1)
COLOUR = RNG.integers(0, 256, (21, 34, 3), dtype=np.uint8)
GRAY = RNG.integers(0, 256, (21, 34), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (21, 34, 3), dtype=np.uint16)


def write_png(path, pixels: np.ndarray, chunks: bytes = b"") -> None:
    """A PNG after the specification, by hand: 8 or 16 bit, 1 to 4 channels, no filter."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(len(pixels), -1)
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8 * pixels.itemsize, kind, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + (chunk(b"IHDR", header) + chunks + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b""))
    )


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def expect(path, pixels: np.ndarray, full_scale: float = 255, tolerance: float = 0) -> None:
    """The file reads as these pixels, gray is judged by them, and the header tells their size."""
    expected = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
    image, gray = read_image(path)
    assert image.dtype == np.float32 and image.shape == expected.shape
    assert np.abs(image - expected.astype(np.float64) / full_scale).max() <= tolerance / full_scale + 1e-7
    assert image.flags.writeable and image.flags.c_contiguous
    assert gray == bool((expected == expected[..., :1]).all())
    assert read_size(path) == check_header_and_end(path) == expected.shape[1::-1]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tga", ".jpg", ""])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
@pytest.mark.parametrize(
    "pixels", [COLOUR, GRAY, np.repeat(GRAY[..., None], 3, axis=2)], ids=["rgb", "gray", "gray-as-rgb"]
)
def test_content_decides_and_not_the_extension(tmp_path, kind, suffix, pixels):
    Image.fromarray(pixels).save(tmp_path / f"x{suffix}", format=kind)
    expect(tmp_path / f"x{suffix}", pixels)


def test_one_pixel_off_gray_is_colour(tmp_path):
    pixels = np.repeat(GRAY[..., None], 3, axis=2)
    pixels[20, 33, 2] ^= 1
    Image.fromarray(pixels).save(tmp_path / "x.png")
    expect(tmp_path / "x.png", pixels)


@pytest.mark.parametrize("kind", ["baseline", "progressive", "gray", "cmyk", "in .png"])
def test_jpeg(tmp_path, kind):
    photo = Image.fromarray(COLOUR).resize((64, 48), Image.Resampling.BICUBIC)
    photo = photo.convert({"gray": "L", "cmyk": "CMYK"}.get(kind, "RGB"))
    path = tmp_path / ("x.png" if kind == "in .png" else "x.jpg")
    photo.save(path, format="JPEG", quality=95, progressive=kind == "progressive")
    with Image.open(path) as reference:
        expect(path, np.asarray(reference.convert("L" if kind == "gray" else "RGB")), tolerance=3)


@pytest.mark.parametrize("pixels", [DEEP, DEEP[..., 0], np.dstack([DEEP, DEEP[..., 1]])], ids=["rgb", "gray", "rgba"])
def test_16_bit_png_keeps_its_depth(tmp_path, pixels):
    write_png(tmp_path / "x.png", pixels)
    expect(tmp_path / "x.png", pixels[..., :3] if pixels.ndim == 3 else pixels, full_scale=65535)
    assert read_pixels(tmp_path / "x.png").dtype == np.uint16


@pytest.mark.parametrize("pixels", [DEEP, DEEP[..., 0]], ids=["rgb", "gray"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_16_bit_tiff(tmp_path, pixels, byteorder):
    photometric = "rgb" if pixels.ndim == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "x.tif", pixels, byteorder=byteorder, photometric=photometric)
    expect(tmp_path / "x.tif", pixels, full_scale=65535)


@pytest.mark.parametrize("kind", ["png", "tiff", "gray png"])
def test_alpha_is_dropped_and_not_blended(tmp_path, kind):
    alpha = RNG.integers(0, 256, GRAY.shape, dtype=np.uint8)
    path = tmp_path / "x.png"
    if kind == "tiff":
        tifffile.imwrite(path, np.dstack([COLOUR, alpha]), photometric="rgb", extrasamples=["unassalpha"])
    else:
        write_png(path, np.dstack([GRAY, alpha]) if kind == "gray png" else np.dstack([COLOUR, alpha]))
    expect(path, GRAY if kind == "gray png" else COLOUR)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_palette(tmp_path, kind):
    image = Image.fromarray(COLOUR).quantize(16)
    image.save(tmp_path / "x.png", format=kind)
    expect(tmp_path / "x.png", np.asarray(image.convert("RGB")))


def test_palette_with_transparency(tmp_path):
    image = Image.fromarray(COLOUR).quantize(16)
    image.save(tmp_path / "x.png", transparency=3)
    expect(tmp_path / "x.png", np.asarray(image.convert("RGB")))


def test_one_bit(tmp_path):
    image = Image.fromarray(GRAY).convert("1")
    for kind in ("PNG", "TIFF", "BMP"):
        image.save(tmp_path / "x.png", format=kind)
        expect(tmp_path / "x.png", np.asarray(image.convert("L")))


@pytest.mark.parametrize("compression", ["packbits", "tiff_lzw", "tiff_adobe_deflate", "raw"])
def test_tiff_compressions(tmp_path, compression):
    Image.fromarray(COLOUR).save(tmp_path / "x.tif", compression=compression)
    expect(tmp_path / "x.tif", COLOUR)


def test_cmyk_tiff(tmp_path):
    image = Image.fromarray(COLOUR).convert("CMYK")
    image.save(tmp_path / "x.tif")
    expect(tmp_path / "x.tif", np.asarray(image.convert("RGB")), tolerance=1)


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PNG"])
def test_first_of_several_frames(tmp_path, kind):
    first, second = (Image.fromarray(GRAY), Image.fromarray(255 - GRAY))
    first.save(tmp_path / "x.tif", format=kind, save_all=True, append_images=[second])
    image, _ = read_image(tmp_path / "x.tif")
    assert np.abs(image[..., 0] * 255 - GRAY).max() < 1e-4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_exif_orientation_is_applied(tmp_path, kind, orientation):
    stored = np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40, np.ones((8, 8), np.uint8))
    # What each value means is the EXIF standard's table: where the stored first row and column are shown.
    shown = {
        1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1],
        5: stored.T, 6: stored[::-1].T, 7: stored[::-1, ::-1].T, 8: stored.T[::-1],
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "x.img", format=kind, exif=exif)
    expect(tmp_path / "x.img", shown, tolerance=2 if kind == "JPEG" else 0)


@pytest.mark.parametrize("place", ["before the pixels", "behind the pixels"])
def test_the_size_of_a_png_is_read_without_its_pixels(tmp_path, place):
    """With EXIF data on either side, and pixels that nobody could decode."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(COLOUR).save(tmp_path / "x.png", exif=exif)
    content = (tmp_path / "x.png").read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    pixels = content.index(b"IDAT") + 4
    damaged = bytearray(content)
    damaged[pixels : pixels + 40] = bytes(40)
    if place == "behind the pixels":
        damaged = damaged[:start] + damaged[end:-12] + content[start:end] + damaged[-12:]
    (tmp_path / "x.png").write_bytes(damaged)
    assert read_size(tmp_path / "x.png") == COLOUR.shape[:2]  # turned: the height is the width
    with pytest.raises(UserError):
        read_pixels(tmp_path / "x.png")


def test_exif_data_that_cannot_be_read_turn_nothing(tmp_path):
    write_png(tmp_path / "x.png", COLOUR, chunk(b"eXIf", b"II*\0"))
    assert read_size(tmp_path / "x.png") == COLOUR.shape[1::-1]
    expect(tmp_path / "x.png", COLOUR)


@pytest.mark.parametrize("pixels", [COLOUR, GRAY], ids=["rgb", "gray"])
def test_wrong_icc_profile_reads_without_a_warning(tmp_path, capfd, pixels):
    # A profile of the other kind: what libpng complains about. Pillow writes any.
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    if pixels.ndim == 3:
        profile[16:20] = b"GRAY"
    write_png(tmp_path / "x.png", pixels, chunk(b"iCCP", b"wrong\0\0" + zlib.compress(bytes(profile))))
    expect(tmp_path / "x.png", pixels)
    assert capfd.readouterr() == ("", "")


def test_real_file_with_a_wrong_icc_profile(shared, capfd):
    image, gray = read_image(shared / "data/IGNet/test_images/vis/TNO_01.png")
    assert image.shape == (480, 640, 3) and capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("high", "scale"), [(0.5, 1), (1.0, 1), (200.0, 255), (255.0, 255), (4000.0, 65535)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_tiff_by_the_range_rule(tmp_path, high, scale, dtype):
    pixels = np.linspace(0, high, 21 * 34, dtype=dtype).reshape(21, 34)
    tifffile.imwrite(tmp_path / "x.tif", pixels)
    image, gray = read_image(tmp_path / "x.tif")
    assert gray and np.allclose(image[..., 1], pixels / scale, atol=1e-6)


def test_float_colour_tiff(tmp_path):
    pixels = RNG.random((21, 34, 3), dtype=np.float32)
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="rgb")
    image, gray = read_image(tmp_path / "x.tif")
    assert not gray and np.array_equal(image, pixels)


@pytest.mark.parametrize(
    ("value", "says"), [(np.nan, "not finite"), (np.inf, "not finite"), (-0.25, "from -0.25"), (1e6, "expected 0 to 1")]
)
def test_float_values_without_meaning_are_refused(tmp_path, value, says):
    pixels = np.full((21, 34), 0.5, np.float32)
    pixels[3, 4] = value
    tifffile.imwrite(tmp_path / "bad one.tif", pixels)
    with pytest.raises(UserError, match=says) as caught:
        read_image(tmp_path / "bad one.tif")
    assert "bad one.tif" in str(caught.value)


def encode(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(COLOUR).resize((90, 70)).save(buffer, kind)
    return buffer.getvalue()


BAD = {
    "empty": b"",
    "text": b"not an image at all\n" * 20,
    "zeros": bytes(5000),
    **{f"{kind} cut at {part}": encode(kind)[: int(len(encode(kind)) * part)]
       for kind in ("PNG", "JPEG", "BMP", "TIFF", "WEBP") for part in (0.02, 0.5, 0.99)},
    "PNG of another content": b"\x89PNG\r\n\x1a\n" + bytes(3000) + b"IEND\xaeB`\x82",
}  # fmt: skip


@pytest.mark.parametrize("check", [read_image, check_header_and_end])
@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_bad_file_is_refused_by_name(tmp_path, content, check, capfd):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        check(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("check", [read_image, check_header_and_end, read_size])
def test_missing_file(tmp_path, check):
    with pytest.raises(UserError, match="x.png could not be read"):
        check(tmp_path / "x.png")


def test_jpeg_with_bytes_after_its_end_is_whole(tmp_path):
    (tmp_path / "x.jpg").write_bytes(encode("JPEG") + b"\0" * 50_000)
    assert check_header_and_end(tmp_path / "x.jpg") == (90, 70)
    assert read_image(tmp_path / "x.jpg")[0].shape == (70, 90, 3)


@pytest.mark.parametrize("form", ["array", "tensor", "batch of one"])
@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_written_image_is_rounded_half_up_and_clipped(tmp_path, form, suffix):
    torch = pytest.importorskip("torch")
    values = np.array([-1, 0, 0.4999, 0.5, 1.5, 254.4, 254.5, 255, 300], np.float32) / 255
    image = np.zeros((3, 9, 3), np.float32)
    image[:] = values[None, :, None]
    image[..., 2] = 0
    if form != "array":
        image = torch.from_numpy(image).permute(2, 0, 1)
        image = image[None] if form == "batch of one" else image
    write_image(tmp_path / f"x{suffix}", image)
    with Image.open(tmp_path / f"x{suffix}") as written:
        pixels = np.asarray(written)
    assert pixels[0, :, 0].tolist() == pixels[0, :, 1].tolist() == [0, 0, 0, 1, 2, 254, 255, 255, 255]
    assert (pixels[..., 2] == 0).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"x{suffix}"]


@pytest.mark.parametrize("pixels", [GRAY, np.repeat(GRAY[..., None], 3, axis=2), GRAY[..., None]])
def test_gray_is_written_as_one_channel(tmp_path, pixels):
    write_image(tmp_path / "x.png", pixels.astype(np.float32) / 255, gray=True)
    with Image.open(tmp_path / "x.png") as written:
        assert written.mode == "L" and np.array_equal(np.asarray(written), GRAY)


def test_uint8_is_written_as_it_is(tmp_path):
    write_image(tmp_path / "folder" / "ü x (1).png", COLOUR)
    expect(tmp_path / "folder" / "ü x (1).png", COLOUR)


def test_what_cannot_be_written(tmp_path):
    image = np.full((4, 4, 3), np.nan, np.float32)
    with pytest.raises(RunError, match="not finite"):
        write_image(tmp_path / "x.png", image)
    with pytest.raises(UserError, match="its suffix should be one of .png"):
        write_image(tmp_path / "x.xyz", COLOUR)
    with pytest.raises(ValueError, match=r"shape \(4, 4, 2\)"):
        write_image(tmp_path / "x.png", np.zeros((4, 4, 2)))
    assert list(tmp_path.iterdir()) == []
