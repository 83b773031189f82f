"""Layouts beyond those of the registered datasets: splits, strips, flat and nested folders, and what is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import tiny
from data_options import make_options
from layout_samples import paint, same, save, two_folders
from PIL import Image

import data
from util.errors import UserError

RNG = np.random.default_rng(3)


def load(root, **changes):
    return data.create_dataset(make_options(dataroot=str(root), **changes), augment=False)


def names(dataset):
    return [pair.name for pair in dataset.pairs]


def save_strip(path, panels: int, unlike: bool = False, height: int = 64) -> np.ndarray:
    """Panels that show one picture in different brightness, or (``unlike``) pictures of their own."""
    picture = RNG.integers(0, 256, (height, height), dtype=np.uint8)
    others = RNG.integers(0, 256, (panels, height, height), dtype=np.uint8)
    shown = [others[panel] if unlike else picture // (panel + 1) for panel in range(panels)]
    save(Image.fromarray(np.hstack(shown)), path)
    return np.hstack(shown)


@pytest.mark.parametrize(
    ("a", "b", "phase"),
    [
        ("test/ir", "test/vi", "test"), ("Ir", "Vis", "test"), ("infrared/train", "visible/train", "train"),
        ("training/A", "training/B", "train"), ("validation/near", "validation/far", "val"),
        ("test_images/ir", "test_images/vis", "test"),
        ("PET-MRI/test/PET", "PET-MRI/test/MRI", "test"), ("deeper/inside/Infrared", "deeper/inside/Visible", "test"),
        ("mine/A", "mine/B", "mine"), ("Source-1", "Source-2", "test"),
    ],
)  # fmt: skip
def test_split_above_below_between_and_without(tmp_path, a, b, phase):
    two_folders(a, b, same("1", "2"))(tmp_path)
    dataset = load(tmp_path, phase=phase)
    assert names(dataset) == ["1", "2"]
    assert dataset[1]["A_path"] == str(tmp_path / a / "2.png") and dataset[1]["B_path"] == str(tmp_path / b / "2.png")


def test_the_right_split_is_read(tmp_path):
    for place, phase in enumerate(("train", "test", "val")):
        two_folders(f"{phase}/ir", f"{phase}/vis", same(f"{place}"))(tmp_path)
        two_folders(f"LLVIP/infrared/{phase}", f"LLVIP/visible/{phase}", same(f"{place}"))(tmp_path / "other")
    for place, phase in enumerate(("train", "test", "val")):
        assert names(load(tmp_path, phase=phase)) == names(load(tmp_path / "other", phase=phase)) == [str(place)]


def test_split_below_the_modality_that_is_missing(tmp_path):
    two_folders("infrared/test", "visible/test", same("1"))(tmp_path)
    with pytest.raises(UserError, match=r"infrared has no folder 'train' \(found test\).*--phase"):
        load(tmp_path, phase="train")


@pytest.mark.parametrize(("panels", "gt"), [(2, False), (3, True)])
def test_strips_are_cut_by_their_shape(tmp_path, panels, gt):
    strip = save_strip(tmp_path / "test/x.png", panels)
    dataset = load(tmp_path)
    assert data.detect_dataset(tmp_path, "test", make_options()) == "pmf"
    assert names(dataset) == ["x"] and dataset.has_gt is gt
    for panel, side in enumerate(["A", "B", "GT"][:panels]):
        cut = np.rint(dataset[0][side][0].numpy() * 255)
        assert np.array_equal(cut, strip[:, 64 * panel : 64 * (panel + 1)])
    assert dataset[0]["A_path"] == dataset[0]["B_path"] == str(tmp_path / "test/x.png")


def test_strips_of_panels_that_are_not_square_need_their_number(tmp_path):
    save(Image.fromarray(RNG.integers(0, 256, (30, 120), dtype=np.uint8)), tmp_path / "PMF/train/x.png")
    with pytest.raises(UserError, match="--panels"):
        load(tmp_path / "PMF", phase="train")
    for panels, width in ((2, 60), (3, 40)):
        dataset = load(tmp_path / "PMF", phase="train", panels=panels)
        assert dataset.pairs[0].size == (width, 30)


def test_the_published_test_strips_load_under_their_datasets(tmp_path):
    """PET and MRI share no edges, so the folder's name has to be enough."""
    save_strip(tmp_path / "MD/test/x.png", 2, unlike=True)
    dataset = load(tmp_path / "MD")
    assert len(dataset) == 1 and dataset.task == "medical" and not dataset.has_gt


def test_wide_photographs_are_no_strips(tmp_path, shared):
    for path in sorted((shared / "data/segmentation/images").iterdir())[:12]:
        with Image.open(path) as photo:
            save(photo.resize((256, 128)), tmp_path / "test" / path.name)
    with pytest.raises(UserError, match="do not show one scene.*--panels 2"):
        load(tmp_path)
    assert len(load(tmp_path, panels=2)) == 12
    assert len(load(tmp_path, dataset_mode="pmf")) == 12


def test_real_pairs_pass_as_strips(tmp_path, shared):
    for path in sorted((shared / "data/TNO/test/ir").iterdir())[:12]:
        panels = [Image.open(shared / "data/TNO/test" / side / path.name).resize((128, 128)) for side in ("ir", "vis")]
        save(Image.fromarray(np.hstack([np.asarray(panel) for panel in panels])), tmp_path / "test" / path.name)
    assert len(load(tmp_path)) == 12


def test_two_variants_of_a_photograph_are_two_strips(tmp_path):
    for stem in ("x_1", "x_2"):
        save_strip(tmp_path / f"train/{stem}.png", 3)
    assert names(load(tmp_path, phase="train")) == ["x_1", "x_2"]


def test_flat_folder_with_ground_truth(tmp_path):
    for place, name in enumerate(["y", "x"]):
        for side in ("A", "B", "GT"):
            save(paint(place, side), tmp_path / f"{name}_{side}.png")
    dataset = load(tmp_path)
    assert names(dataset) == ["x", "y"] and dataset.has_gt


@pytest.mark.parametrize("pattern", ["{name}/{name}_{side}.png", "{name}/{side}.png", "input/{name}/{side}_{name}.bmp"])
def test_a_folder_for_each_pair(tmp_path, pattern):
    for place, name in enumerate(["books", "tsai_2", "tsai_11"]):
        for side in ("A", "B"):
            save(paint(place, side), tmp_path / pattern.format(name=name, side=side))
    dataset = load(tmp_path)
    assert names(dataset) == ["books", "tsai_2", "tsai_11"]
    assert [int(dataset[place]["B"][0, 0, 0] * 255 + 0.5) for place in range(3)] == [0, 1, 2]


def test_camera_names_beside_the_pair_of_a_folder_are_left_out(tmp_path):
    for name in ["cave", "tree"]:
        for side in ("A", "B"):
            save(paint(0, side), tmp_path / name / f"{name}_{side}.png")
    save(paint(0, "A"), tmp_path / "cave" / "Höhle 1.png")
    (tmp_path / "cave" / "ev.txt").write_text("-1 +1")
    dataset = load(tmp_path)
    assert names(dataset) == ["cave", "tree"]
    assert len(dataset.skipped) == 1 and "Höhle 1.png" in dataset.skipped[0]


@pytest.mark.parametrize(
    "stems", [("x_A", "x_B", "x_C"), ("A", "B", "C"), ("1", "2"), ("x_1", "x_2", "x_3"), ("p", "q")], ids="".join
)
def test_what_is_no_pair_is_not_made_one(tmp_path, stems):
    for stem in stems:
        save(paint(0, "A"), tmp_path / f"{stem}.png")
    with pytest.raises(UserError, match="no image pairs were recognised"):
        load(tmp_path)


def test_several_folders_for_one_source(tmp_path):
    two_folders("CT", "MRI", same("1"))(tmp_path)
    two_folders("PET", "MRI", same("1"))(tmp_path)
    with pytest.raises(UserError, match=r"several folders for one source \(CT, PET\).*--dir_A"):
        load(tmp_path)


def test_the_name_of_the_folder_decides_only_where_its_layout_fits(tmp_path):
    two_folders("A", "B", same("1"))(tmp_path / "TNO")
    assert data.detect_dataset(tmp_path / "TNO", "test", make_options()) == "pairs"
    with pytest.raises(UserError, match="no image pairs were recognised"):
        load(tmp_path / "TNO", dataset_mode="tno")


def test_folders_by_name(tmp_path, monkeypatch):
    two_folders("left", "right", same("1", "2"), gt="true")(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    ways = [
        dict(dataroot="data", dir_A="left", dir_B="right", dir_GT="true"),
        dict(dataroot=None, dir_A="data/left", dir_B="data/right", dir_GT="data/true"),
        dict(dataroot="data", dir_A=str(tmp_path / "data/left"), dir_B="data/right", dir_GT="true"),
    ]
    for way in ways:
        dataset = data.create_dataset(make_options(**way), augment=False)
        assert names(dataset) == ["1", "2"] and dataset.has_gt and "left" in dataset[0]["A_path"]


def test_first_pairs_in_natural_order(tmp_path):
    two_folders("A", "B", same("10", "9", "1"))(tmp_path)
    assert names(load(tmp_path, max_dataset_size=2)) == ["1", "9"]


@pytest.mark.parametrize("size", [(64, 96), (96, 64), (120, 160)])
def test_oblong_strips_are_told_by_their_edges(tmp_path, size):
    """Variants x_0 and x_1 of oblong panels are strips, and photographs of the same shape are not."""
    for number in range(3):
        sharp = cv2.GaussianBlur(RNG.integers(0, 256, (*size, 3), dtype=np.uint8), (0, 0), 2)
        blurred = cv2.GaussianBlur(sharp, (0, 0), 2)
        left = (np.arange(size[1]) < size[1] // 2)[None, :, None]
        strip = np.hstack([np.where(left, sharp, blurred), np.where(left, blurred, sharp), sharp])
        tiny.write(tmp_path / "strips" / f"x_{number}.png", strip)
        photograph = cv2.GaussianBlur(RNG.integers(0, 256, (size[0], 3 * size[1], 3), dtype=np.uint8), (0, 0), 2)
        tiny.write(tmp_path / "photographs" / f"y{number}.png", photograph)
    dataset = load(tmp_path / "strips")
    assert dataset.has_gt and names(dataset) == ["x_0", "x_1", "x_2"]
    with pytest.raises(UserError, match="no image pairs were recognised|do not show one scene"):
        load(tmp_path / "photographs")
