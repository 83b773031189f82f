"""Boxes of COCO and VOC, and label maps: what is read, in which units, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapes
from PIL import Image

from downstream.labels import (
    choose_scenes,
    match_classes,
    name_map_classes,
    read_boxes,
    read_map,
    read_maps,
    renumber_boxes,
)
from util.errors import UserError


def write_coco(path: Path, **changes) -> Path:
    document = {
        "images": [{"id": 7, "file_name": "night/b.png", "width": 64, "height": 48}, {"id": 3, "file_name": "a.jpg"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 44, "bbox": [1, 2, 10, 20]},
            {"id": 2, "image_id": 7, "category_id": 9, "bbox": [0.5, 0, 4, 4], "iscrowd": 1},
        ],
        "categories": [{"id": 44, "name": "Lamp"}, {"id": 9, "name": "Car"}],
    }
    path.write_text(json.dumps({**document, **changes}))
    return path


def test_coco(tmp_path):
    labels = read_boxes(write_coco(tmp_path / "boxes.json"))
    assert labels.classes == ("background", "Car", "Lamp")  # by category id
    assert [(scene.name, scene.size) for scene in labels.scenes] == [("a", None), ("b", (64, 48))]
    empty, boxes = (scene.truth for scene in labels.scenes)
    assert empty.corners.shape == (0, 4)
    assert boxes.corners.tolist() == [[1, 2, 11, 22], [0.5, 0, 4.5, 4]]
    assert boxes.labels.tolist() == [2, 1]
    assert boxes.ignored.tolist() == boxes.crowd.tolist() == [False, True]


def test_voc_counts_pixels_from_one_and_its_corners_belong_to_the_box(tmp_path):
    shapes.write_xml(tmp_path / "a.xml", [("lamp", (0, 0, 1, 1)), ("car", (3, 4, 10, 20))], size=(64, 48))
    shapes.write_xml(tmp_path / "b.xml", [("car", (1, 1, 5, 5))], size=(0, 0), difficult=1)
    assert "<xmin>1</xmin><ymin>1</ymin><xmax>1</xmax><ymax>1</ymax>" in (tmp_path / "a.xml").read_text()
    labels = read_boxes(tmp_path)
    assert labels.classes == ("background", "car", "lamp")  # by name
    first, second = labels.scenes
    assert first.size == (64, 48) and second.size is None
    assert first.truth.corners.tolist() == [[0, 0, 1, 1], [3, 4, 10, 20]]
    assert first.truth.labels.tolist() == [2, 1]
    assert second.truth.ignored.tolist() == [True] and second.truth.crowd.tolist() == [False]


def test_both_formats_of_one_set_are_equal(tmp_path):
    root = shapes.make_set(tmp_path, range(6))
    coco, voc = read_boxes(root / "boxes.json"), read_boxes(root / "voc")
    coco = renumber_boxes(coco, voc.classes)  # squares come first in the one, disks in the other
    for ours, theirs in zip(coco.scenes, voc.scenes, strict=True):
        assert (ours.name, ours.size) == (theirs.name, theirs.size)
        assert np.array_equal(ours.truth.corners, theirs.truth.corners)
        assert np.array_equal(ours.truth.labels, theirs.truth.labels)


def test_classes_are_matched_by_name(tmp_path):
    labels = read_boxes(write_coco(tmp_path / "boxes.json"))
    classes = ("__background__", "person", "lamp", "N/A", "car", "N/A")
    assert match_classes(labels, classes) == {4: "Car", 2: "Lamp"}
    assert renumber_boxes(labels, classes).scenes[1].truth.labels.tolist() == [2, 4]
    with pytest.raises(UserError, match="Lamp, which the network does not know"):
        match_classes(labels, ("background", "car"))


def test_boxes_without_area_are_left_out(tmp_path, capsys):
    rows = [{"id": width, "image_id": 3, "category_id": 9, "bbox": [5, 5, width, 4]} for width in (4, 0)]
    labels = read_boxes(write_coco(tmp_path / "boxes.json", annotations=rows))
    assert len(labels.scenes[0].truth.corners) == 1
    assert "without area" in capsys.readouterr().err


def test_lists_name_scenes_with_or_without_suffix(tmp_path):
    labels = read_boxes(write_coco(tmp_path / "boxes.json"))
    chosen = choose_scenes(labels, ["some/where/b.png", "  "], tmp_path / "list.txt")
    assert [scene.name for scene in chosen.scenes] == ["b"]
    with pytest.raises(UserError, match="2 of its names have no labels .*: c, v1.5"):
        choose_scenes(labels, ["a", "c.png", "v1.5"], tmp_path / "list.txt")
    with pytest.raises(UserError, match="no scene is named"):
        choose_scenes(labels, ["", " "], tmp_path / "list.txt")


BOX = {"id": 5, "image_id": 3, "category_id": 9, "bbox": [0, 0, 1, 1]}
BAD_COCO = {
    "no json": ("{", "no file of COCO's format"),
    "a list": ("[]", "no file of COCO's format"),
    "no annotations": ('{"images": [], "categories": []}', "annotations"),
    "unknown image": ({"annotations": [{**BOX, "image_id": 99}]}, "annotation 5 is of an image"),
    "unknown category": ({"annotations": [{**BOX, "category_id": 1}]}, "annotation 5 is of a category"),
    "box of three": ({"annotations": [{**BOX, "bbox": [0, 0, 1]}]}, "COCO's format"),
    "box with nan": ({"annotations": [{**BOX, "bbox": [0, 0, 1, float("nan")]}]}, "number"),
    "no image": ({"images": [], "annotations": []}, "lists no image"),
    "no category": ({"categories": [], "annotations": []}, "no object is labelled"),
    "two names": ({"categories": [{"id": 44, "name": "car"}, {"id": 9, "name": "Car"}]}, "two classes"),
    "two folders": (
        {"images": [{"id": 3, "file_name": "x/a.png"}, {"id": 7, "file_name": "y/a.png"}], "annotations": []},
        "x/a.png and y/a.png",
    ),
}


@pytest.mark.parametrize("case", BAD_COCO, ids=lambda case: case.replace(" ", "_"))
def test_bad_coco(tmp_path, case):
    content, said = BAD_COCO[case]
    path = tmp_path / "boxes.json"
    path.write_text(content) if isinstance(content, str) else write_coco(path, **content)
    with pytest.raises(UserError, match=said):
        read_boxes(path)


@pytest.mark.parametrize(
    "content",
    [
        "<annotation>",
        "<annotation><object><name>car</name></object></annotation>",
        "<annotation><object><name>car</name><bndbox><xmin>1</xmin><ymin>a</ymin></bndbox></object></annotation>",
    ],
    ids=["torn", "no_box", "no_number"],
)
def test_bad_voc(tmp_path, content):
    (tmp_path / "a.xml").write_text(content)
    with pytest.raises(UserError, match=r"a\.xml is no annotation of VOC's format"):
        read_boxes(tmp_path)


# Label maps -------------------------------------------------------------------------------------------------------


def test_a_palette_gives_its_numbers_and_not_its_colours(tmp_path):
    indices = np.array([[0, 1, 2], [15, 255, 1]], np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768).astype(np.uint8).tobytes())
    image.save(tmp_path / "a.png")
    Image.fromarray(indices).save(tmp_path / "b.png")
    labels = read_maps(tmp_path)
    for scene in labels.scenes:
        assert scene.size == (3, 2) and scene.truth.values == (0, 1, 2, 15, 255)
        assert np.array_equal(read_map(scene.truth.path), indices)


def test_map_classes_must_cover_the_indices(tmp_path):
    Image.fromarray(np.array([[0, 3, 255]], np.uint8)).save(tmp_path / "a.png")
    labels = read_maps(tmp_path)
    assert name_map_classes(labels, "abcd").classes == tuple("abcd")
    with pytest.raises(UserError, match=r"a\.png holds the index 3, but there are 3 classes, 0 to 2"):
        name_map_classes(labels, "abc")


def test_bad_maps(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        read_maps(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no label map"):
        read_maps(tmp_path)
    (tmp_path / "a.png").write_bytes(b"letters")
    with pytest.raises(UserError, match="cannot be decoded as a label map"):
        read_maps(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 4, 3)).astype(np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="expected a label map of one channel"):
        read_maps(tmp_path)
