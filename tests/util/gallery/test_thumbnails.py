"""Thumbnails: small files, made once, from whatever an image is."""

from __future__ import annotations

import os
import shutil

import numpy as np
from PIL import Image

from util.gallery.thumbnails import LARGEST_FILE, LONGEST_SIDE, make_thumbnail, make_thumbnails


def test_even_noise_fits_the_limit(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (768, 1024, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    thumbnail, width, height = make_thumbnail(tmp_path, "noise.png")
    assert thumbnail == "thumbs/noise.jpg" and (tmp_path / thumbnail).stat().st_size <= LARGEST_FILE
    assert width <= LONGEST_SIDE and abs(width / height - 4 / 3) < 0.02


def test_they_are_made_once_and_again_for_a_newer_image(tmp_path):
    for name, side in (("one", 5), ("two", 500)):
        Image.new("L", (side, side // 2), 7).save(tmp_path / f"{name}.png")
    made = make_thumbnails(tmp_path, ["one.png", "two.png", "one.png", "none.png"])
    assert made == {"one.png": ("thumbs/one.jpg", 5, 2), "two.png": ("thumbs/two.jpg", 400, 200)}
    times = [(tmp_path / thumbnail).stat().st_mtime_ns for thumbnail, _, _ in made.values()]
    os.utime(tmp_path / "two.png", ns=(2**62, 2**62))
    make_thumbnails(tmp_path, ["one.png", "two.png"])
    later = [(tmp_path / thumbnail).stat().st_mtime_ns for thumbnail, _, _ in made.values()]
    assert later[0] == times[0] and later[1] != times[1]


def test_broken_torn_and_foreign_files(tmp_path):
    (tmp_path / "text.png").write_bytes(b"not an image")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    assert make_thumbnail(tmp_path, "text.png") is None and make_thumbnail(tmp_path, "torn.png") is None
    # Nothing is written beside a picture that lies elsewhere.
    (tmp_path / "page").mkdir()
    thumbnail, _, _ = make_thumbnail(tmp_path / "page", "../whole.png")
    assert (tmp_path / "page" / thumbnail).is_file() and not (tmp_path / "thumbs" / "whole.jpg").exists()


def test_sixteen_bits_and_palettes(tmp_path):
    Image.fromarray(np.full((20, 20), 257 * 128, dtype=np.uint16)).save(tmp_path / "deep.png")
    Image.new("RGBA", (20, 20), (128, 128, 128, 255)).quantize(4).save(tmp_path / "palette.png")
    for name in ("deep", "palette"):
        thumbnail, _, _ = make_thumbnail(tmp_path, f"{name}.png")
        assert abs(float(np.asarray(Image.open(tmp_path / thumbnail).convert("L")).mean()) - 128) < 3


def test_a_real_photograph_fits_the_limit(shared, tmp_path):
    source = sorted((shared / "data" / "Lytro" / "test" / "A").glob("*.jpg"))[0]
    shutil.copy(source, tmp_path / "lytro.png")  # content and not the extension decides
    thumbnail, width, height = make_thumbnail(tmp_path, "lytro.png")
    assert (tmp_path / thumbnail).stat().st_size <= LARGEST_FILE and max(width, height) == LONGEST_SIDE
