"""Which file of anybody's folder is the fused picture of which pair."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tiny import make_image, write

from data.fused_folders import find_fused
from data.pairing import Pair
from util.errors import UserError


def make_pair(name: str, a: str, b: str, folder: str = "data") -> Pair:
    return Pair(name, Path(folder, "A", a), Path(folder, "B", b), size=(30, 24))


LYTRO = [make_pair(f"lytro-{n:02d}", f"lytro-{n:02d}-A.jpg", f"lytro-{n:02d}-B.jpg") for n in (1, 2, 12)]
TNO21 = [make_pair(str(n), f"IR{n}.jpg", f"VIS{n}.jpg") for n in (3, 12)]
NYU = [make_pair(f"NYU-D ({n})", f"NYU-D ({n}).jpg", f"NYU-D ({n}).jpg") for n in (1, 3)]


def fill(folder: Path, names: list[str]) -> Path:
    for name in names:
        write(folder / name, make_image(1, 24, 30))
    return folder


@pytest.mark.parametrize(
    ("pairs", "names"),
    [
        (LYTRO, ["lytro-01.png", "lytro-02.png", "lytro-12.png"]),
        (LYTRO, ["lytro-01-A.jpg", "lytro-02-A.jpg", "lytro-12-A.jpg"]),
        (LYTRO, ["lytro-01-B.bmp", "lytro-02-B.bmp", "lytro-12-B.bmp"]),
        (LYTRO, ["LYTRO-01.JPG", "Lytro-02.png", "lytro-12.tif"]),
        (LYTRO, ["lytro-01_fused.png", "lytro-02_fused.png", "lytro-12_fused.png"]),
        (LYTRO, ["fused_lytro-01.png", "fused_lytro-02.png", "fused_lytro-12.png"]),
        (LYTRO, ["lytro-01-F.png", "lytro-02_result.png", "lytro-12.png"]),
        (LYTRO, ["lytro-01-CNN.png", "lytro-02-cnn.png", "lytro-12_CNN.png"]),
        (TNO21, ["3.png", "12.png"]),
        (TNO21, ["IR3.png", "IR12.png"]),
        (TNO21, ["VIS3.jpg", "VIS12.jpg"]),
        (TNO21, ["fused3.png", "fused12.png"]),
        (NYU, ["NYU-D (1).png", "NYU-D (3)_fused.jpg"]),
    ],
)
def test_a_picture_is_called_like_its_pair_or_like_a_source(tmp_path, pairs, names):
    found = find_fused("CNN", fill(tmp_path, names), pairs)
    assert [found.files[pair.name].name for pair in pairs] == names
    assert (found.missing, found.extra, found.broken) == ([], [], [])
    assert set(found.sizes.values()) == {(30, 24)} and found.resized(pairs) == []


def test_what_is_missing_and_what_is_too_much_are_named(tmp_path):
    found = find_fused("x", fill(tmp_path, ["lytro-01.png", "lytro-12.png", "lytro-12.jpg", "other.png"]), LYTRO)
    assert list(found.files) == ["lytro-01"]
    assert found.missing == ["lytro-02", "lytro-12"], "of two candidates none is chosen"
    assert found.extra == ["lytro-12.jpg", "lytro-12.png", "other.png"]


def test_broken_files_and_other_sizes_are_found(tmp_path):
    fill(tmp_path, ["lytro-01.png"])
    (tmp_path / "lytro-02.png").write_bytes(b"no image")
    write(tmp_path / "lytro-12.png", make_image(1, 12, 16))
    found = find_fused("x", tmp_path, LYTRO)
    assert list(found.files) == ["lytro-01", "lytro-12"] and len(found.broken) == 1
    assert found.resized(LYTRO) == ["lytro-12 (16x12 for sources of 30x24)"]


@pytest.mark.parametrize("below", ["", "images"])
def test_the_folder_of_a_test_is_understood(tmp_path, below):
    names = [f"lytro-{n}_{label}.png" for n in ("01", "02", "12") for label in ("A", "B", "fused", "GT")]
    fill(tmp_path / "images", names)
    found = find_fused("ours", tmp_path / below, LYTRO)
    assert [path.name for path in found.files.values()] == [name for name in names if "fused" in name]
    assert found.extra == []


def test_sub_folders_stand_for_the_parts_of_a_data_set(tmp_path):
    pairs = [
        Pair(name, Path("MD/test", part, "CT", "2004.png"), Path("MD/test", part, "MRI", "2004.png"), size=(30, 24))
        for name, part in (("2004", "CT-MRI"), ("2004_2", "PET-MRI"))
    ]
    fill(tmp_path, ["CT-MRI/2004.png", "PET-MRI/2004.png"])
    found = find_fused("x", tmp_path, pairs)
    assert [path.parent.name for path in found.files.values()] == ["CT-MRI", "PET-MRI"]


PARTS = [
    Pair(f"{part}_{stem}", Path("MD/test", part, "A", f"{stem}.png"), Path("MD/test", part, "B", f"{stem}.png"),
         size=(30, 24))
    for part in ("CT-MRI", "SPECT-MRI") for stem in ("2004", "2005")
]  # fmt: skip


def test_a_pair_that_is_left_out_keeps_its_picture(tmp_path):
    pairs = [make_pair(name, f"{stem}.png", f"{stem}.png") for name, stem in (("S", "S"), ("s_2", "s"), ("t", "t"))]
    found = find_fused("x", fill(tmp_path, ["S.png", "t.png"]), pairs[1:], pairs)
    assert [path.name for path in found.files.values()] == ["t.png"]
    assert (found.missing, found.extra) == (["s_2"], [])


def test_what_two_pairs_share_belongs_to_neither_though_one_is_cut_off(tmp_path):
    fill(tmp_path, ["2004.png", "SPECT-MRI_2005.png"])
    found = find_fused("x", tmp_path, PARTS[:2], PARTS)
    assert found.files == {} and found.missing == ["CT-MRI_2004", "CT-MRI_2005"] and found.extra == ["2004.png"]
    (tmp_path / "SPECT-MRI_2005.png").unlink()
    with pytest.raises(UserError, match="of its sources where no other pair shares it"):
        find_fused("x", tmp_path, PARTS[:2], PARTS)


@pytest.mark.parametrize("stray", ["overview.png", "CT-MRI_2004.png"])
def test_a_stray_picture_above_sub_folders_is_told_and_disturbs_nothing(tmp_path, stray):
    names = [f"{part}/{stem}.png" for part in ("CT-MRI", "SPECT-MRI") for stem in ("2004", "2005")]
    found = find_fused("x", fill(tmp_path, [stray, *names]), PARTS)
    assert [path.relative_to(tmp_path).as_posix() for path in found.files.values()] == names
    assert found.extra == [stray]


def test_sub_folders_beside_a_full_folder_are_let_be(tmp_path):
    names = [f"{pair.name}.png" for pair in PARTS]
    found = find_fused("x", fill(tmp_path, [*names, "CT-MRI/2004.png", "images/CT-MRI_2004.png"]), PARTS)
    assert [path.relative_to(tmp_path).as_posix() for path in found.files.values()] == names
    assert found.extra == []


def test_of_two_sub_folders_that_hold_a_pairs_picture_none_is_chosen(tmp_path):
    found = find_fused("x", fill(tmp_path, ["CT-MRI/2004.png", "CT-MRI/2005.png", "A/CT-MRI_2004.png"]), PARTS)
    assert list(found.files) == ["CT-MRI_2005"]
    assert found.extra == ["A/CT-MRI_2004.png", "CT-MRI/2004.png"]


def test_names_in_letters_of_another_encoding_are_matched(tmp_path):
    stem = os.fsdecode(b"B\xe4r")
    pairs = [make_pair("B_r", f"{stem}.png", f"{stem}.png")]
    found = find_fused("x", fill(tmp_path, [f"{stem}_fused.png", os.fsdecode(b"\xff.png")]), pairs)
    assert found.files["B_r"].name == f"{stem}_fused.png" and found.extra == [os.fsdecode(b"\xff.png")]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (None, "no such folder"),
        (["maps/sea.png", "run/images/sea.png"], r"no image is in this folder; perhaps .* is meant \(maps, run\)"),
        (["sea.png", "m/1.png", "n/1.png", "o/1.png", "p/1.png"], r"none of its 1 .* \(m, n, o and 1 more\)$"),
        ([], "no image is in this folder"),
        (["sea.png", "sky.png"], r"none of its 2 images \(sea.png, sky.png\) is called like one of the 3 pairs"),
    ],
)
def test_a_folder_that_does_not_fit_is_told(tmp_path, names, sentence):
    folder = tmp_path / "pictures"
    if names is not None:
        folder.mkdir()
        fill(folder, names)
    with pytest.raises(UserError, match=sentence):
        find_fused("x", folder, LYTRO)


def test_a_file_is_no_folder(tmp_path):
    with pytest.raises(UserError, match="this is a file; expected the folder"):
        find_fused("x", write(tmp_path / "a.png", make_image(1)), LYTRO)
