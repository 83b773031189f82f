"""Which label map belongs to which photograph: known dataset layouts, and pairing by stem in any two folders."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data.check import map_in_threads
from data.synthesis.label_maps import LABEL_SUFFIXES
from util.errors import UserError, some
from util.image_io import IMAGE_SUFFIXES, check_header_and_end

PHASES = ("train", "val", "test")
# What datasets call their splits; a phase takes the first that exists.
SPLITS = {
    "train": ("train", "training", "train2017", "train2014", "Train"),
    "val": ("val", "validation", "val2017", "val2014", "Val"),
    "test": ("test", "testing", "test2017", "Test"),
}
# (title, photographs, label maps by preference), relative to the dataset's root. Where both are one folder, the label
# maps are the files that end in _seg beside the photographs.
LAYOUTS = (
    ("Cityscapes", "leftImg8bit/{split}", ("gtFine/{split}", "gtCoarse/{split}")),
    ("Mapillary Vistas", "{split}/images", ("{split}/v2.0/labels", "{split}/v1.2/labels", "{split}/labels")),
    ("ADE20K", "images/{split}", ("annotations/{split}",)),
    ("ADE20K (full)", "images/ADE/{split}", ("images/ADE/{split}",)),
    ("ADE20K (full)", "images/{split}", ("images/{split}",)),
    ("BSDS", "images/{split}", ("groundTruth/{split}", "labels/{split}")),
    ("BSDS", "data/images/{split}", ("data/groundTruth/{split}",)),
    ("COCO-stuff", "{split}", ("stuffthingmaps/{split}", "stuffthingmaps_trainval2017/{split}", "annotations/{split}")),
    (
        "COCO-stuff",
        "images/{split}",
        ("stuffthingmaps/{split}", "annotations/stuffthingmaps/{split}", "stuffthingmaps_trainval2017/{split}"),
    ),
    ("images and labels", "images", ("labels",)),
)
LEVELS_ABOVE = 5  # from a folder of photographs up to the root: the full ADE20K is the deepest
# Endings of a label map's stem, by preference: a photograph with several maps takes the first of these kinds.
LABEL_ENDINGS = ("_color", "_labelIds", "_labelTrainIds", "_seg", "")
_LABEL_ENDING = re.compile(r"(?:_gt(?:Fine|Coarse))?(_color|_labelIds|_labelTrainIds|_seg|)$")
_OTHER_MAPS = re.compile(r"_instanceIds$|_parts_\d+$")
_PHOTO_ENDING = re.compile(r"_leftImg8bit$")


@dataclass(frozen=True)
class Photograph:
    """A photograph, its label map (None: regions are found in the photograph), and a name unique among its fellows."""

    name: str
    image: Path
    labels: Path | None


@dataclass(frozen=True)
class Sources:
    """What was found: ``layout`` is a title for people, ``skipped`` has a sentence for each file left out."""

    photographs: list[Photograph]
    layout: str
    images: Path
    labels: Path | None
    skipped: list[str]


def find_sources(images: Path, labels: Path | str | None, phase: str, *, skip_bad: bool = False) -> Sources:
    """Find photographs and their label maps.

    Args:
        images: a folder of photographs (searched through), or the root of a dataset in one of the known layouts.
        labels: a folder of label maps; 'none': no labels; None: what a known layout at or above ``images`` has.
        phase: 'train', 'val' or 'test', which chooses among split folders where there are any.
        skip_bad: leave out files without a partner or with another size, and say so in ``skipped``.

    Raises:
        UserError: a folder is missing or empty, a file has no partner or another size than its partner, or an image is
            empty or undecodable by its header.
    """
    _check_folder(images, "--images")
    if labels is None or labels == "none":
        alone = ("photographs alone", None, None)
        layout, image_folder, label_folder = _recognise(images, phase) or alone
        image_folder = image_folder or _narrow(images, phase)
    else:
        _check_folder(Path(labels), "--labels")
        layout, image_folder, label_folder = "two folders", _narrow(images, phase), _narrow(Path(labels), phase)

    mixed = label_folder is not None and label_folder.resolve() == image_folder.resolve()
    if labels == "none":  # a layout still tells the photographs from the label maps
        layout, label_folder = "photographs alone", None
    photo_files = [
        path
        for path in _list_files(image_folder)
        if path.suffix.lower() in (IMAGE_SUFFIXES if not mixed else (".jpg", ".jpeg"))
    ]
    if not photo_files:
        raise UserError(
            f"{image_folder} holds no photograph; --images should name a folder of images "
            f"({', '.join(sorted(IMAGE_SUFFIXES)[:6])}, ...)"
        )
    skipped: list[str] = []
    if label_folder is None:
        pairs = [(path, None) for path in photo_files]
    else:
        pairs = _pair(image_folder, photo_files, label_folder, skipped, mixed=mixed)
    photographs = _name(image_folder, pairs, skipped)
    photographs = _check_sizes(photographs, skipped)
    if skipped and not skip_bad:
        raise UserError(
            f"{skipped[0]}{f' (and {len(skipped) - 1} more such files)' if len(skipped) > 1 else ''}; "
            "mend or remove it, or go on without with --skip_bad"
        )
    if not photographs:
        raise UserError(f"nothing is left of {image_folder}: all {len(skipped)} files are bad, the first: {skipped[0]}")
    return Sources(photographs, layout, image_folder, label_folder, skipped)


def _recognise(images: Path, phase: str) -> tuple[str, Path, Path] | None:
    """Match ``images`` and the folders above it with the known layouts: (title, photographs, label maps)."""
    images = images.resolve()
    other_phase = None
    for title, photo_template, label_templates in LAYOUTS:
        if other_phase and "{split}" not in photo_template:
            break  # what is divided into splits is not to be taken whole
        for root in (images, *list(images.parents)[:LEVELS_ABOVE]):
            for split_phase, split in _splits_in_order(phase, photo_template):
                folder = root / photo_template.format(split=split)
                # The root may be named, the very folder, or one between or below (a city of Cityscapes).
                related = folder == images or images in folder.parents or folder in images.parents
                if not related or not folder.is_dir():
                    continue
                candidates = [root / template.format(split=split) for template in label_templates]
                found = next((path for path in candidates if _has_label_maps(path, mixed=path == folder)), None)
                if found is None:
                    continue
                if folder in images.parents:
                    below = images.relative_to(folder)
                    if (found / below).is_dir():
                        return title, images, found / below
                elif folder == images or split_phase == phase:
                    return title, folder, found
                else:
                    other_phase = other_phase or (title, split)
    if other_phase:
        raise UserError(
            f"{images} has the layout of {other_phase[0]} with a folder '{other_phase[1]}' but none for --phase "
            f"{phase}; name the folder itself with --images and --labels, or choose another --phase"
        )
    return None


def _splits_in_order(phase: str, template: str) -> list[tuple[str, str]]:
    if "{split}" not in template:
        return [(phase, "")]
    return [(name, split) for name in (phase, *(other for other in PHASES if other != phase)) for split in SPLITS[name]]


def _narrow(folder: Path, phase: str) -> Path:
    """Go down into the phase's split folder where ``folder`` is divided into splits."""
    splits = {name: [folder / split for split in SPLITS[name] if (folder / split).is_dir()] for name in PHASES}
    if splits[phase]:
        return splits[phase][0]
    others = [path.name for paths in splits.values() for path in paths]
    if others:
        raise UserError(
            f"{folder} is divided into {', '.join(others)} and has nothing for --phase {phase}; "
            "name the folder to take, or choose another --phase"
        )
    return folder


def _check_folder(folder: Path, flag: str) -> None:
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise UserError(f"{flag} {folder}: {found} where a folder was expected")


def _has_label_maps(folder: Path, *, mixed: bool) -> bool:
    if not folder.is_dir():
        return False
    files = (path for path in _walk(folder) if path.suffix.lower() in LABEL_SUFFIXES)
    return any(not mixed or path.stem.endswith("_seg") for path in files)


def _list_files(folder: Path) -> list[Path]:
    return sorted(_walk(folder))


def _walk(folder: Path) -> Iterable[Path]:
    """Yield all files below ``folder``, hidden ones left out, linked folders followed."""
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place) / name for name in files if not name.startswith("."))


def _pair(
    image_folder: Path, photo_files: list[Path], label_folder: Path, skipped: list[str], *, mixed: bool
) -> list[tuple[Path, Path]]:
    """Pair by stem, endings and case folded; by sub-folder and stem where stems recur in several sub-folders."""
    label_files = [
        path
        for path in _list_files(label_folder)
        if path.suffix.lower() in LABEL_SUFFIXES
        and not _OTHER_MAPS.search(path.stem)
        and (not mixed or path.stem.endswith("_seg"))
    ]
    if not label_files:
        raise UserError(
            f"{label_folder} holds no label map; --labels should name a folder of "
            f"{', '.join(LABEL_SUFFIXES)} files, or be 'none'"
        )
    by_folder = _stems_recur(photo_files)

    def key_of(path: Path, root: Path, ending: re.Pattern) -> str:
        stem = ending.sub("", path.stem).casefold()
        return str(path.parent.relative_to(root) / stem) if by_folder else stem

    maps: dict[str, list[Path]] = defaultdict(list)
    for path in label_files:
        maps[key_of(path, label_folder, _LABEL_ENDING)].append(path)
    pairs, used = [], set()
    for path in photo_files:
        key = key_of(path, image_folder, _PHOTO_ENDING)
        if key in maps:
            used.add(key)
            pairs.append((path, min(maps[key], key=_rank_of_map)))
        else:
            skipped.append(f"{path} has no label map of its stem in {label_folder}")
    lonely = [paths[0] for key, paths in maps.items() if key not in used]
    if lonely and not pairs:
        raise UserError(
            f"no stem of the {len(photo_files)} photographs in {image_folder} is that of a label map in "
            f"{label_folder}: the first are {some([photo_files[0].name], 1)} and {some([lonely[0].name], 1)}"
        )
    skipped.extend(f"{path} has no photograph of its stem in {image_folder}" for path in lonely)
    return pairs


def _rank_of_map(path: Path) -> tuple[int, str]:
    return LABEL_ENDINGS.index(_LABEL_ENDING.search(path.stem)[1]), str(path)


def _stems_recur(paths: list[Path]) -> bool:
    return len({path.stem.casefold() for path in paths}) < len(paths)


def _name(root: Path, pairs: list[tuple[Path, Path | None]], skipped: list[str]) -> list[Photograph]:
    """Name each photograph by its stem, by its sub-folders and stem where stems recur."""
    by_folder = _stems_recur([image for image, _ in pairs])
    photographs: dict[str, Photograph] = {}
    for image, labels in pairs:
        parts = image.parent.relative_to(root).parts if by_folder else ()
        name = "_".join((*parts, _PHOTO_ENDING.sub("", image.stem)))
        first = photographs.setdefault(name.casefold(), Photograph(name, image, labels))
        if first.image != image:
            skipped.append(f"{image} would have the same name '{name}' as {first.image}")
    return list(photographs.values())


def _check_sizes(photographs: list[Photograph], skipped: list[str]) -> list[Photograph]:
    """Keep the photographs whose header can be read and agrees with the label map's; threads hide a slow disk."""

    def find_fault(photograph: Photograph) -> str | None:
        try:
            size = check_header_and_end(photograph.image)
            if photograph.labels is None or photograph.labels.suffix.lower() == ".mat":
                return None
            label_size = check_header_and_end(photograph.labels)
        except UserError as error:
            return str(error)
        if size == label_size:
            return None
        return (
            f"{photograph.image} has {size[0]}x{size[1]} pixels and its label map {photograph.labels} "
            f"{label_size[0]}x{label_size[1]}"
        )

    faults = list(map_in_threads(find_fault, photographs))
    skipped.extend(fault for fault in faults if fault)
    return [photograph for photograph, fault in zip(photographs, faults, strict=True) if not fault]
