"""Which names belong together, in which order, and what a pair is called."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from data.layouts import INFRARED_VISIBLE, LETTERS
from data.pairing import Pair, list_images, make_safe, match, name_pairs, natural_key, split_affix

ALL_A = (*INFRARED_VISIBLE.a, *LETTERS.a)
ALL_B = (*INFRARED_VISIBLE.b, *LETTERS.b)


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (["1.png", "2.png"], ["1.png", "2.png"], ["1", "2"]),
        (["1.png", "2.JPG"], ["1.jpg", "2.tif"], ["1", "2"]),
        (["sKY.png", "Night.jpg"], ["Sky.png", "Night.JPG"], ["sKY", "Night"]),
        (["lytro-01-A.jpg", "lytro-02-A.jpg"], ["lytro-01-B.jpg", "lytro-02-B.jpg"], ["lytro-01", "lytro-02"]),
        (["mffw_01_A.jpg"], ["mffw_01_B.jpg"], ["mffw_01"]),
        (["IR3.jpg", "IR12.jpg"], ["VIS3.jpg", "VIS12.jpg"], ["3", "12"]),
        (["Dune_IR.png"], ["Dune_Vis.png"], ["Dune"]),
        (["FLIR_1_ir.png", "FLIR_2_ir.png"], ["FLIR_1.jpg", "FLIR_2.jpg"], ["FLIR_1", "FLIR_2"]),
        (["NYU-D (1).jpg"], ["NYU-D (1).png"], ["NYU-D (1)"]),
        ([unicodedata.normalize("NFC", "Tür.png")], [unicodedata.normalize("NFD", "Tür.png")], ["Tür"]),
        (["x.jpg", "x.png"], ["x.png", "x.jpg"], ["x", "x"]),  # the extension decides where the stem cannot
        (["a.png", "b.png"], ["a.png", "b.png"], ["a", "b"]),
    ],
)
def test_partners_are_found(first, second, names):
    first, second = ([Path(folder, name) for name in files] for folder, files in (("f", first), ("s", second)))
    partners, found = match(first, second, ALL_A, ALL_B)
    assert [found[path] for path in first] == names
    assert len(set(partners.values())) == len(second)


@pytest.mark.parametrize(
    ("first", "second", "paired"),
    [
        (["1.png", "2.png"], ["1.png", "3.png"], ["1.png"]),
        (["img_a.png", "1.png", "2.png"], ["img_b.png", "1.png", "2.png"], ["1.png", "2.png"]),  # one affix is chance
        (["x.jpg", "x.png"], ["x.bmp"], []),  # two candidates: none is chosen
        (["1.png"], ["01.png"], []),
        (["sea.png"], ["seb.png"], []),
    ],
)
def test_nothing_is_paired_by_chance(first, second, paired):
    first, second = ([Path(folder, name) for name in files] for folder, files in (("f", first), ("s", second)))
    partners, _ = match(first, second, ALL_A, ALL_B)
    assert [path.name for path in partners] == paired


@pytest.mark.parametrize(
    ("stem", "base"),
    [
        ("scene-IR", "scene"), ("IR_scene", "scene"), ("IR3", "3"), ("3ir", "3"), ("ir", ""), ("A", ""), ("x - a", "x"),
        ("irene", None), ("noir", None), ("sea", None), ("a1", None), ("Vis3", None),
    ],
)  # fmt: skip
def test_affix(stem, base):
    assert split_affix(stem, ALL_A) == base


def test_natural_order_is_total():
    names = ["VIS21", "vis3", "VIS12", "b", "B", "a10", "a9", "a", "1", "01", "²"]
    ordered = sorted(names, key=natural_key)
    assert ordered == sorted(reversed(names), key=natural_key)
    assert [name for name in ordered if name.lower().startswith("v")] == ["vis3", "VIS12", "VIS21"]
    assert ordered.index("a9") < ordered.index("a10")


def test_only_images_are_listed(tmp_path):
    for name in ["b.PNG", "a.jpg", "Thumbs.db", ".DS_Store", ".hidden.png", "ev.txt", "x.xml", "list"]:
        (tmp_path / name).write_bytes(b"text")
    (tmp_path / "bare").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in list_images(tmp_path)] == ["a.jpg", "b.PNG", "bare"]


def test_names_are_unique_when_case_is_folded():
    pairs = [Pair(name, Path(), Path()) for name in ["x", "X", "x_2", "x"]]
    assert [pair.name for pair in name_pairs(pairs)] == ["x", "X_2", "x_2_2", "x_3"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [("a/b", "a_b"), ("a:b*?", "a_b__"), ("NYU-D (1)", "NYU-D (1)"), ("ä 中", "ä 中"), ("..", "_"), ("x\udcff", "x_")],
)
def test_names_are_safe_on_every_file_system(name, safe):
    assert make_safe(name) == safe


def test_long_names_stay_apart(tmp_path):
    first, second = make_safe("ä" * 150 + "1"), make_safe("ä" * 150 + "2")
    assert first != second and first.startswith("ä" * 50)
    (tmp_path / f"{first}_fused_difference.png").write_bytes(b"")
