"""Recognising dataset layouts, pairing photographs and label maps, reading label numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from data.synthesis.label_maps import read_label_colours, read_label_map, segment_photograph
from data.synthesis.label_sources import find_sources
from util.errors import UserError

SIZE = (24, 16)  # width, height


def photo(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)).save(path)
    return path


def label(path: Path, size: tuple[int, int] = SIZE, mode: str = "L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", size, 1)
    image.paste(2, (0, 0, size[0] // 2, size[1]))
    image.convert(mode).save(path)
    return path


def matlab(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.empty((1, 3), dtype=object)
    for index, count in enumerate((9, 2, 4)):  # the median number of regions is 4
        labels = (np.arange(SIZE[0] * SIZE[1]).reshape(SIZE[1], SIZE[0]) % count + 1).astype(np.uint16)
        cells[0, index] = {"Segmentation": labels, "Boundaries": labels > 1}
    savemat(path, {"groundTruth": cells})
    return path


def cityscapes(root: Path, split: str) -> tuple[Path, Path]:
    stem = f"{split}_000001_000019"
    folder = root / "gtFine" / split / "aachen"
    for ending in ("labelIds", "labelTrainIds", "instanceIds"):
        label(folder / f"{stem}_gtFine_{ending}.png")
    (folder / f"{stem}_gtFine_polygons.json").write_text("{}")
    return (
        photo(root / "leftImg8bit" / split / "aachen" / f"{stem}_leftImg8bit.png"),
        label(folder / f"{stem}_gtFine_color.png", mode="RGBA"),
    )


def vistas(root: Path, split: str) -> tuple[Path, Path]:
    folder = root / {"train": "training", "val": "validation"}[split]
    label(folder / "v1.2" / "instances" / "a_b-c.png")
    label(folder / "v1.2" / "labels" / "a_b-c.png", mode="P")
    return photo(folder / "images" / "a_b-c.jpg"), label(folder / "v2.0" / "labels" / "a_b-c.png", mode="P")


def vistas_old(root: Path, split: str) -> tuple[Path, Path]:
    folder = root / {"train": "training", "val": "validation"}[split]
    return photo(folder / "images" / "x.jpg"), label(folder / "labels" / "x.png", mode="P")


def coco(root: Path, split: str) -> tuple[Path, Path]:
    return (
        photo(root / f"{split}2017" / "000000000009.jpg"),
        label(root / "stuffthingmaps" / f"{split}2017" / "000000000009.png"),
    )


def ade(root: Path, split: str) -> tuple[Path, Path]:
    name = {"train": "training", "val": "validation"}[split]
    return (
        photo(root / "images" / name / "ADE_train_00000001.jpg"),
        label(root / "annotations" / name / "ADE_train_00000001.png"),
    )


def ade_full(root: Path, split: str) -> tuple[Path, Path]:
    folder = root / "images" / "ADE" / {"train": "training", "val": "validation"}[split] / "urban" / "street"
    label(folder / "ADE_train_00000001_parts_1.png")
    label(folder / "ADE_train_00000001" / "instance_000_ADE_train_00000001.png")
    return photo(folder / "ADE_train_00000001.jpg"), label(folder / "ADE_train_00000001_seg.png", mode="RGB")


def bsds(root: Path, split: str) -> tuple[Path, Path]:
    return photo(root / "data" / "images" / split / "8143.jpg"), matlab(
        root / "data" / "groundTruth" / split / "8143.mat"
    )


def plain(root: Path, split: str) -> tuple[Path, Path]:
    return photo(root / "images" / "100075.jpg"), label(root / "labels" / "100075.png")


LAYOUTS = {
    "Cityscapes": cityscapes,
    "Mapillary Vistas": vistas,
    "Mapillary Vistas 1": vistas_old,
    "COCO-stuff": coco,
    "ADE20K": ade,
    "ADE20K (full)": ade_full,
    "BSDS": bsds,
    "images and labels": plain,
}


@pytest.mark.parametrize("phase", ["train", "val"])
@pytest.mark.parametrize("title", LAYOUTS)
def test_a_layout_is_recognised_from_its_root_and_from_its_folder_of_photographs(tmp_path, title, phase):
    make = LAYOUTS[title]
    image, labels = make(tmp_path, phase)
    if make is not plain:
        make(tmp_path, "val" if phase == "train" else "train")
    for start in (tmp_path, image.parent):
        sources = find_sources(start, None, phase)
        assert sources.layout == title.removesuffix(" 1")
        assert [(found.image, found.labels) for found in sources.photographs] == [(image, labels)]


def test_two_named_folders_are_narrowed_to_the_phase(tmp_path):
    image, labels = cityscapes(tmp_path, "val")
    cityscapes(tmp_path, "train")
    found = find_sources(tmp_path / "leftImg8bit", str(tmp_path / "gtFine"), "val").photographs
    assert [(one.image, one.labels) for one in found] == [(image, labels)]
    assert found[0].name == "val_000001_000019"


def test_a_phase_that_a_dataset_lacks_is_refused(tmp_path):
    cityscapes(tmp_path, "train")
    with pytest.raises(UserError, match="Cityscapes.*--phase test"):
        find_sources(tmp_path, None, "test")
    with pytest.raises(UserError, match="divided into train.*--phase val"):
        find_sources(tmp_path / "leftImg8bit", str(tmp_path / "gtFine"), "val")


def test_no_labels_leaves_the_label_folder_of_a_layout_alone(tmp_path):
    image, _ = plain(tmp_path, "train")
    assert [(one.image, one.labels) for one in find_sources(tmp_path, "none", "train").photographs] == [(image, None)]


def test_stems_are_paired_with_case_folded_and_by_folder_where_they_recur(tmp_path):
    for folder in ("x", "y"):
        photo(tmp_path / "p" / folder / "Sky 1.JPG")
        label(tmp_path / "l" / folder / "sKY 1.png")
    found = find_sources(tmp_path / "p", str(tmp_path / "l"), "train").photographs
    assert [one.name for one in found] == ["x_Sky 1", "y_Sky 1"]
    assert [one.labels.parent.name for one in found] == ["x", "y"]


def test_files_without_partner_are_refused_or_left_out(tmp_path):
    photo(tmp_path / "p" / "a.jpg"), photo(tmp_path / "p" / "b.jpg")
    label(tmp_path / "l" / "a.png"), label(tmp_path / "l" / "c.png")
    with pytest.raises(UserError, match="b.jpg has no label map"):
        find_sources(tmp_path / "p", str(tmp_path / "l"), "train")
    sources = find_sources(tmp_path / "p", str(tmp_path / "l"), "train", skip_bad=True)
    assert [one.name for one in sources.photographs] == ["a"]
    assert len(sources.skipped) == 2 and "c.png" in sources.skipped[1]


def test_two_sizes_in_one_pair_are_refused(tmp_path):
    photo(tmp_path / "p" / "a.jpg"), label(tmp_path / "l" / "a.png", (20, 16))
    with pytest.raises(UserError, match="24x16.*20x16"):
        find_sources(tmp_path / "p", str(tmp_path / "l"), "train")


def test_the_real_set_pairs_completely(shared):
    sources = find_sources(shared / "data" / "segmentation", None, "train")
    assert len(sources.photographs) == 250 and not sources.skipped
    numbers = read_label_map(sources.photographs[0].labels)
    assert set(np.unique(numbers)) == set(range(1, numbers.max() + 1))  # as its README says: 1..K without gaps


def test_label_maps_keep_their_exact_numbers(tmp_path):
    numbers = np.array([[0, 1, 200], [300, 40000, 7]])
    Image.fromarray(numbers.astype(np.uint16)).save(tmp_path / "deep.png")
    assert np.array_equal(read_label_map(tmp_path / "deep.png"), numbers)

    indexed = Image.new("P", (3, 2))
    indexed.putdata((numbers % 3).ravel().tolist())
    indexed.putpalette([9, 9, 9] * 256)  # all colours alike: only the indices tell the regions
    indexed.save(tmp_path / "palette.png")
    assert np.array_equal(read_label_map(tmp_path / "palette.png"), numbers % 3)

    colours = np.array([[[1, 2, 3, 255], [3, 2, 1, 255], [1, 2, 3, 0]]], dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "colour.png")
    first, second, third = read_label_map(tmp_path / "colour.png")[0]
    assert first == third != second
    assert read_label_colours(tmp_path / "colour.png")[0, 0].tolist() == [3, 2, 1]  # B, G, R

    assert len(np.unique(read_label_map(matlab(tmp_path / "many.mat")))) == 4


@pytest.mark.parametrize("method", ["felzenszwalb", "slic"])
def test_regions_of_an_unlabelled_photograph_follow_its_outlines(method):
    picture = np.full((600, 800, 3), (30, 90, 160), np.uint8)
    picture[150:450, 200:600] = (220, 60, 20)
    regions = segment_photograph(picture, method)
    assert max(regions.shape) == 512 and len(np.unique(regions)) >= 2
    inside, outside = set(np.unique(regions[110:270, 140:370])), set(np.unique(regions[:80]))
    assert not inside & outside
