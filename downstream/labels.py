"""Labels of scenes: boxes in COCO's json or VOC's xml files, and label maps of class indices."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from data.pairing import fold, natural_key
from data.synthesis.label_maps import read_label_map
from util.errors import UserError, some
from util.image_io import IMAGE_SUFFIXES
from util.logger import warn

BACKGROUND = "background"
IGNORED = 255  # in a label map: a pixel that nobody labelled


@dataclass(frozen=True)
class Boxes:
    """The labelled objects of a scene.

    Attributes:
        corners: float64 (n, 4): left, top, right, bottom in pixels from the picture's left upper corner, so that a box
            around the first pixel is 0, 0, 1, 1.
        labels: int64 (n,): the number of the class, from 1; 0 is the background.
        ignored: bool (n,): difficult objects and crowds, which are neither to be found nor to be missed.
        crowd: bool (n,): those of the ignored ones that stand for many objects.
    """

    corners: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray
    crowd: np.ndarray


@dataclass(frozen=True)
class LabelMap:
    """A file of class indices, one for each pixel, and the indices that occur in it."""

    path: Path
    values: tuple[int, ...]


@dataclass(frozen=True)
class Scene:
    """What a picture shows.

    Attributes:
        name: the picture's name without its suffix.
        file: where the labels say the picture lies.
        size: (width, height) in pixels; None where the labels do not tell it.
        truth: the boxes or the label map.
    """

    name: str
    file: Path
    size: tuple[int, int] | None
    truth: Boxes | LabelMap


@dataclass(frozen=True)
class Labels:
    """All scenes of a set, in natural order, and the classes' names as the labels number them, the background first."""

    source: Path
    scenes: list[Scene]
    classes: tuple[str, ...]


def read_boxes(source: Path) -> Labels:
    """Read a json file in COCO's format, or a folder with an xml file in VOC's format for each picture.

    The classes are numbered from 1: COCO's by category id, VOC's by name. Boxes without area are left out, with a
    warning.

    Raises:
        UserError: the file or folder is not there, holds no labels, or cannot be understood.
    """
    if source.is_dir():
        labels = _read_voc(source)
    elif source.is_file():
        labels = _read_coco(source)
    else:
        raise UserError(f"--labels {source}: no such file or folder")
    if len(labels.classes) == 1:
        raise UserError(f"--labels {source}: no object is labelled")
    _refuse_twins(labels)
    flat = [scene.name for scene in labels.scenes if not _has_area(scene.truth).all()]
    if flat:
        warn(f"{source}: boxes without area are left out, in {len(flat)} scenes: {some(flat, 3)}")
    scenes = [replace(scene, truth=_select(scene.truth, _has_area(scene.truth))) for scene in labels.scenes]
    return replace(labels, scenes=sorted(scenes, key=lambda scene: natural_key(scene.name)))


def match_classes(labels: Labels, classes: Sequence[str]) -> dict[int, str]:
    """Return {number: name} of the labels' classes, as a network numbers them that knows ``classes``.

    Case does not count, and the background, 0, is none of them.

    Raises:
        UserError: the labels have a class that the network does not know.
    """
    numbers = {fold(name): number for number, name in reversed(list(enumerate(classes))) if number}
    strange = [name for name in labels.classes[1:] if fold(name) not in numbers]
    if strange:
        raise UserError(
            f"{labels.source} has the classes {some(strange)}, which the network does not know (it knows "
            f"{some(classes[1:], 12)}): train one for these labels with --train, or say with --classes what it knows"
        )
    return {numbers[fold(name)]: name for name in labels.classes[1:]}


def renumber_boxes(labels: Labels, classes: Sequence[str]) -> Labels:
    """Number the objects as a network does that knows ``classes``; raises as ``match_classes``."""
    table = np.array([0, *match_classes(labels, classes)])
    scenes = [replace(scene, truth=replace(scene.truth, labels=table[scene.truth.labels])) for scene in labels.scenes]
    return replace(labels, scenes=scenes)


def read_maps(folder: Path) -> Labels:
    """Read a folder of label maps, one PNG of class indices for each picture (VOC, MFNet, MSRS); 255 is ignored.

    The names of the classes are not in it: ``name_map_classes`` gives them.

    Raises:
        UserError: there is no such folder, it holds no PNG, or one that is no map of class indices.
    """
    if not folder.is_dir():
        raise UserError(f"--labels {folder}: no such folder; segmentation needs one with a label map for each picture")
    files = sorted(folder.glob("*.png"), key=lambda path: natural_key(path.stem))
    if not files:
        raise UserError(f"--labels {folder}: no label map (*.png) is in this folder")
    scenes = []
    for path in files:
        indices = read_map(path)
        values = np.flatnonzero(np.bincount(indices.ravel()))
        scenes.append(Scene(path.stem, path, indices.shape[::-1], LabelMap(path, tuple(values.tolist()))))
    labels = Labels(folder, scenes, ())
    _refuse_twins(labels)
    return labels


def name_map_classes(labels: Labels, classes: Sequence[str]) -> Labels:
    """Return the label maps with their classes named, index 0 first.

    Raises:
        UserError: an index that occurs is neither one of the classes nor 255.
    """
    for scene in labels.scenes:
        strange = [value for value in scene.truth.values if value >= len(classes) and value != IGNORED]
        if strange:
            raise UserError(
                f"{scene.truth.path} holds the index {strange[-1]}, but there are {len(classes)} classes, 0 to "
                f"{len(classes) - 1} ({IGNORED} is ignored): give --classes as many as the labels have"
            )
    return replace(labels, classes=tuple(classes))


def read_map(path: Path) -> np.ndarray:
    """Read the class indices of a label map, uint8 (H, W): gray levels, or the numbers of a palette's colours.

    Raises:
        UserError: the file cannot be decoded, or holds numbers above 255, as a picture in colours does.
    """
    indices = read_label_map(path)
    if indices.max(initial=0) > 255:
        raise UserError(
            f"{path} holds numbers up to {indices.max()}; expected a label map of one channel, whose pixels are class "
            "indices of at most 255"
        )
    return indices.astype(np.uint8)


def choose_scenes(labels: Labels, names: Iterable[str], file: Path) -> Labels:
    """Return the labels of the scenes that a list names, a name a line; folders and suffixes do not count.

    Raises:
        UserError: the list is empty or names a scene that has no labels.
    """
    paths = [Path(name.strip()) for name in names if name.strip()]
    wanted = {path.stem if path.suffix.lower() in (*IMAGE_SUFFIXES, ".xml") else path.name for path in paths}
    strange = sorted(wanted - {scene.name for scene in labels.scenes}, key=natural_key)
    if strange or not wanted:
        what = f"{len(strange)} of its names have no labels in {labels.source}: {some(strange)}"
        raise UserError(f"--list {file}: " + (what if strange else "no scene is named; expected a name a line"))
    return replace(labels, scenes=[scene for scene in labels.scenes if scene.name in wanted])


def _read_coco(path: Path) -> Labels:
    # Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014; bbox is left, top, width, height.
    try:
        document = json.loads(path.read_text("utf-8"))
        categories = sorted(document["categories"], key=lambda category: category["id"])
        classes = (BACKGROUND, *(str(category["name"]) for category in categories))
        numbers = {category["id"]: number for number, category in enumerate(categories, start=1)}
        rows: dict = {image["id"]: [] for image in document["images"]}
        for annotation in document["annotations"]:
            if annotation["image_id"] not in rows:
                raise UserError(f"{path}: annotation {annotation.get('id')} is of an image that the file does not have")
            if annotation["category_id"] not in numbers:
                raise UserError(f"{path}: annotation {annotation.get('id')} is of a category that it does not have")
            left, top, width, height = map(float, annotation["bbox"])
            crowd = bool(annotation.get("iscrowd", 0))
            box = left, top, left + width, top + height
            rows[annotation["image_id"]].append((box, numbers[annotation["category_id"]], crowd, crowd))
        scenes = []
        for image in document["images"]:
            file = Path(image["file_name"].replace("\\", "/"))
            size = int(image.get("width") or 0), int(image.get("height") or 0)
            scenes.append(Scene(file.stem, file, size if all(size) else None, _collect(rows[image["id"]])))
    except OSError as error:
        raise UserError(f"--labels {path} could not be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"--labels {path} is no file of COCO's format, an object of images, annotations and categories ({error!r})"
        ) from error
    if not scenes:
        raise UserError(f"--labels {path} lists no image")
    _refuse_same_names(path, classes)
    return Labels(path, scenes, classes)


def _read_voc(folder: Path) -> Labels:
    # Everingham et al., The PASCAL VOC Challenge, IJCV 2010; corners count pixels from 1 and belong to the box.
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise UserError(
            f"--labels {folder}: no xml file is in this folder; a json file in COCO's format is named itself"
        )
    found = {path: _read_xml(path) for path in files}
    names = sorted({name for _, rows in found.values() for _, name, *_ in rows})
    classes = (BACKGROUND, *names)
    scenes = []
    for path, (size, rows) in found.items():
        numbered = [(box, classes.index(name), ignored, crowd) for box, name, ignored, crowd in rows]
        scenes.append(Scene(path.stem, path, size, _collect(numbered)))
    _refuse_same_names(folder, classes)
    return Labels(folder, scenes, classes)


def _read_xml(path: Path) -> tuple[tuple[int, int] | None, list[tuple]]:
    try:
        root = ElementTree.parse(path).getroot()
        size = tuple(int(root.findtext(f"size/{side}") or 0) for side in ("width", "height"))
        rows = []
        for item in root.iter("object"):
            corners = [float(item.find("bndbox").findtext(side)) for side in ("xmin", "ymin", "xmax", "ymax")]
            box = corners[0] - 1, corners[1] - 1, corners[2], corners[3]
            name = item.findtext("name").strip()
            rows.append((box, name, bool(int(item.findtext("difficult") or 0)), False))
            if not all(map(math.isfinite, box)):
                raise ValueError("a corner is no number")
    except OSError as error:
        raise UserError(f"{path} could not be read ({error.strerror or error})") from error
    except (ElementTree.ParseError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is no annotation of VOC's format with a name and a bndbox for each object ({error})"
        ) from error
    return size if all(size) else None, rows


def _collect(rows: Sequence[tuple]) -> Boxes:
    boxes, labels, ignored, crowd = zip(*rows, strict=True) if rows else ((), (), (), ())
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    if not np.isfinite(corners).all():
        raise ValueError("a bbox holds what is no number")
    return Boxes(corners, np.array(labels, np.int64), np.array(ignored, bool), np.array(crowd, bool))


def _has_area(boxes: Boxes) -> np.ndarray:
    return (boxes.corners[:, 2:] > boxes.corners[:, :2]).all(1)


def _select(boxes: Boxes, chosen: np.ndarray) -> Boxes:
    return Boxes(**{name: values[chosen] for name, values in vars(boxes).items()})


def _refuse_twins(labels: Labels) -> None:
    first: dict[str, Scene] = {}
    for scene in labels.scenes:
        twin = first.setdefault(fold(scene.name), scene)
        if twin is not scene:
            raise UserError(
                f"{labels.source} labels {twin.file} and {scene.file}: pictures are found by their names without "
                "folder and suffix, so each needs one of its own"
            )


def _refuse_same_names(source: Path, classes: Sequence[str]) -> None:
    folded = [fold(name) for name in classes]
    twice = [name for name in classes if folded.count(fold(name)) > 1]
    if twice:
        raise UserError(f"{source} has {some(twice)} as names of two classes; case does not tell them apart")
