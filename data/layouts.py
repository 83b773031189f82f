"""From a folder to sets of pairs: every way in which this field lays its files out.

* folders: one folder per source, ``ir/`` and ``vis/``, with the split above (``test/ir``) or below (``infrared/test``)
* flat: both sources in one folder, ``Dune_IR.png`` and ``Dune_Vis.png``; also one such folder per pair
* strips: one file per pair, the panels side by side, [A|B|GT] or [A|B]

A level that fits none of them is searched below, so that ``MD/test`` with its three modality pairs is one dataset.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from data.likeness import count_panels
from data.pairing import Pair, Problem, fold, list_images, match, natural_key, split_affix
from util.errors import UserError, some

_SPLITS = {"train": ("train", "training"), "test": ("test", "testing"), "val": ("val", "valid", "validation")}
_DEEPEST = 3  # levels below --dataroot, or below its split folder


@dataclass(frozen=True)
class Sides:
    """The words by which a task names its sources, lower case, for folders and for the ends of file names."""

    task: str
    a: tuple[str, ...]
    b: tuple[str, ...]
    gt: tuple[str, ...] = ("gt", "full_clear", "all_in_focus", "ground_truth", "aif", "clear")


INFRARED_VISIBLE = Sides(
    "infrared-visible",
    a=("ir", "infrared", "org_ir", "cropinfrared", "thermal"),
    b=("vis", "vi", "visible", "org_vis", "crop_lr_visible"),
)
MEDICAL = Sides("medical", a=("ct", "pet", "spect", "ct_pet_spect"), b=("mri", "mr"))
MULTI_FOCUS = Sides("multi-focus", a=("source_1", "near"), b=("source_2", "far"))
MULTI_EXPOSURE = Sides("multi-exposure", a=("under", "underexposed"), b=("over", "overexposed"))
LETTERS = Sides("any", a=("a",), b=("b",))
NUMBERS = Sides("any", a=("1",), b=("2",))  # for flat folders alone: two folders of numbered files would mix up
ALL_SIDES = (INFRARED_VISIBLE, MEDICAL, MULTI_EXPOSURE, MULTI_FOCUS, LETTERS, NUMBERS)


@dataclass
class PairSet:
    """The pairs of one place.

    ``problems`` stop the run unless ``--skip_bad``; ``left_out`` tells what never was a pair; ``remark`` what to know.
    """

    folder: Path
    kind: str
    task: str
    pairs: list[Pair] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    remark: str = ""


def find_sets(
    dataroot: Path | None, phase: str, sides: Sequence[Sides], panels: int = 0, strips_before_flat: bool = False
) -> list[PairSet]:
    """Find all sets of pairs under ``dataroot/phase``, or under ``dataroot`` itself where there is no such folder.

    Returns:
        the sets in natural order of their folders, pair names prefixed where there are several; empty where no layout
        was recognised.

    Raises:
        UserError: the folder is missing, a source folder is empty, the layout is ambiguous, or several datasets of
            different tasks lie under it.
    """
    if dataroot is None or not dataroot.is_dir():
        raise UserError(f"there is no folder {dataroot}; --dataroot should name one that holds image pairs")
    passes = (("folders",), ("strips",), ("flat",)) if strips_before_flat else (("folders", "flat"), ("strips",))
    start = _split_folder(dataroot, phase) or dataroot
    for kinds in passes:
        sets = list(_search(start, phase, sides, kinds, panels, _DEEPEST))
        if sets:
            _refuse_several_datasets(start, sets)
            return _label(start, sets)
    if _split_of(phase) == "test" and _split_folder(dataroot, "test") is None and _split_folder(dataroot, "train"):
        # To test on a set that has no test part (NYU-D-100) does no harm; to train on a test part would.
        sets = find_sets(dataroot, "train", sides, panels, strips_before_flat)
        if sets:
            sets[0].remark = f"{dataroot} has no folder '{phase}': its folder 'train' is read"
        return sets
    return []


def explain_nothing_found(dataroot: Path, phase: str) -> str:
    """Compose the sentence for a folder in which ``find_sets`` recognised nothing."""
    start = _split_folder(dataroot, phase)
    folders, images = _list_folder(start or dataroot)
    names = sorted((folder.name for folder in folders), key=natural_key)
    others = [name for name in names if _split_of(name) not in (None, _split_of(phase))]
    if start is None and others:
        return (
            f"{dataroot} has no folder '{phase}' (found {some(others)}); name the part to read with --phase, or "
            "its folder with --dataroot"
        )
    held = [f"the folders {some(names)}" if names else "", f"{len(images)} images" if images else ""]
    found = " and ".join(filter(None, held)) or "nothing"
    if {"images", "labels"} <= {fold(name) for name in names}:
        hint = "photographs with label maps are made into pairs by scripts/make_pmf.py"
    else:
        hint = "name two folders with --dir_A and --dir_B, or the panels of strips with --panels"
    return (
        f"no image pairs were recognised in {start or dataroot} (it holds {found}); expected folders such as ir and "
        f"vis, A and B or source_1 and source_2, files such as x_A.png and x_B.png, or strips; {hint}"
    )


def pair_folders(a: Path, b: Path, gt: Path | None, sides: Sides) -> PairSet:
    """Pair the images of two folders, and of a third with the ground truth.

    Raises:
        UserError: a folder is missing or holds no image.
    """
    files = {folder: _list_or_refuse(folder) for folder in (a, b, gt) if folder is not None}
    a_words, b_words = (*sides.a, *LETTERS.a), (*sides.b, *LETTERS.b)
    found = PairSet(a.parent, "folders", sides.task)
    partners, names = match(files[a], files[b], a_words, b_words)
    found.problems += _without_partner([path for path in files[a] if path not in partners], b)
    matched = set(partners.values())
    found.problems += _without_partner([path for path in files[b] if path not in matched], a)
    truths = match(files[a], files[gt], a_words, sides.gt)[0] if gt is not None else {}
    if gt is not None:
        known = set(truths.values())
        found.problems += _without_partner([path for path in files[gt] if path not in known], a)
        lacking = [path for path in partners if path not in truths]
        found.problems += [Problem(str(path), f"no ground truth in {gt}") for path in lacking]
        partners = {path: partner for path, partner in partners.items() if path in truths}
    ordered = (path for path in files[a] if path in partners)
    found.pairs = [Pair(names[path], path, partners[path], truths.get(path)) for path in ordered]
    return found


def _search(
    folder: Path, phase: str, sides: Sequence[Sides], kinds: tuple[str, ...], panels: int, depth: int
) -> Iterable[PairSet]:
    folders, images = _list_folder(folder)
    if "folders" in kinds:
        found = _find_folders(folder, folders, phase, sides)
        if found:
            return [found]
    below = []
    for subfolder in folders if depth else ():
        if _split_of(subfolder.name) in (None, _split_of(phase)):
            below += _search(subfolder, phase, sides, kinds, panels, depth - 1)
    if below or not images:
        return below
    found = _find_flat(folder, images, sides) if "flat" in kinds else None
    if found is None and "strips" in kinds:
        found = _find_strips(folder, images, panels)
    return [found] if found else []


def _find_folders(folder: Path, folders: list[Path], phase: str, sides: Sequence[Sides]) -> PairSet | None:
    named = {_normalise(subfolder.name): subfolder for subfolder in folders}
    for family in sides:
        if family is NUMBERS:
            continue
        fitting = [[named[word] for word in words if word in named] for words in (family.a, family.b, family.gt)]
        if not fitting[0] or not fitting[1]:
            continue
        for several in fitting:
            if len(several) > 1:
                raise UserError(
                    f"{folder} holds several folders for one source ({some(path.name for path in several)}); choose "
                    "two with --dataset_mode pairs --dir_A and --dir_B"
                )
        a, b, gt = (_enter_split(found[0], phase) if found else None for found in fitting)
        third = next((named[name] for name in _third_names(_normalise(fitting[0][0].name)) if name in named), None)
        if third is not None:
            note = (
                f"{folder} holds series of three and more images ({fitting[0][0].name}, {fitting[1][0].name}, "
                f"{third.name}), not pairs; choose two folders with --dataset_mode pairs --dir_A and --dir_B"
            )
            return PairSet(folder, "folders", family.task, left_out=[note])
        return replace(pair_folders(a, b, gt, family), folder=folder)
    return None


def _third_names(first: str) -> tuple[str, ...]:
    """What a third source beside ``first`` would be called."""
    return {"a": ("c",), "source_1": ("source_3",)}.get(first, ())


def _find_flat(folder: Path, images: list[Path], sides: Sequence[Sides]) -> PairSet | None:
    groups = Counter(_group(path) for path in images)
    # A strip for each of two variants is called x_1 and x_2 as well: what is in it tells them from two sources.
    if count_panels(images) == 3:
        return None
    best, best_family = {}, None
    for family in sides:
        complete = _complete_flat_pairs(images, family, groups)
        if len(complete) > len(best):
            best, best_family = complete, family
    used = {path for members in best.values() for path in members if path is not None}
    others = [path for path in images if path not in used]
    left = Counter(_group(path) for path in others)
    series = [path for path in others if left[_group(path)] > 2]
    if best_family is None or 2 * len(used) < len(images) - len(series):
        return None
    found = PairSet(folder, "flat", best_family.task)
    found.pairs = [Pair(name or folder.name, *members) for name, members in best.items()]
    with_truth = [pair for pair in found.pairs if pair.gt is not None]
    if with_truth:
        lacking = [pair for pair in found.pairs if pair.gt is None]
        found.problems += [Problem(str(pair.a), f"no ground truth in {folder}") for pair in lacking]
        found.pairs = with_truth
    others = [path for path in others if left[_group(path)] <= 2]
    if [fold(pair.name) for pair in found.pairs] == [fold(folder.name)]:
        # A folder made for one pair may hold the same pictures under their camera's names.
        found.left_out += [f"left out: {path} (beside the one pair of its folder)" for path in others]
    else:
        found.problems += _without_partner(others, folder)
    for group in dict.fromkeys(_group(path) for path in series):
        members = [path for path in series if _group(path) == group]
        names = some(path.name for path in members)
        found.left_out.append(f"left out: {folder / group} (a series of {len(members)} images, not a pair: {names})")
    return found


def _complete_flat_pairs(images: list[Path], family: Sides, groups: Counter) -> dict[str, tuple]:
    """Return {common name: (A, B, GT or None)} of what has just one A and one B and is no part of a series."""
    members: dict[str, list[list[Path]]] = {}
    names: dict[str, str] = {}
    for path in images:
        for place, words in enumerate((family.a, family.b, family.gt)):
            base = split_affix(path.stem, words)
            if base is not None and (base or family is not NUMBERS):
                members.setdefault(fold(base), [[], [], []])[place].append(path)
                names.setdefault(fold(base), base)
                break
    complete = {}
    for base, (a, b, gt) in members.items():
        sizes = (len(a), len(b), len(gt))
        grouped = groups[_group(a[0])] if a and _group(a[0]) == base else 0
        if sizes in ((1, 1, 0), (1, 1, 1)) and grouped <= sum(sizes):
            complete[names[base]] = (a[0], b[0], gt[0] if gt else None)
    return complete


def _group(path: Path) -> str:
    """The stem without its last part: what x_1, x_2 and x_3 share. Stems of one letter share the empty name."""
    parts = path.stem.rsplit("_", 1) if "_" in path.stem else re.split(r"[-. ](?=[^-. ]*$)", path.stem, maxsplit=1)
    return fold(parts[0]) if len(parts) == 2 else ("" if len(path.stem) == 1 else fold(path.stem))


def _find_strips(folder: Path, images: list[Path], panels: int) -> PairSet | None:
    panels = panels or count_panels(images)
    if not panels:
        return None
    pairs = [Pair(path.stem, path, path, path if panels == 3 else None, panels) for path in images]
    return PairSet(folder, "strips", "any", pairs)


def _refuse_several_datasets(start: Path, sets: list[PairSet]) -> None:
    """Refuse a folder of datasets: their tasks differ, and each has its own split folder."""
    parts = [found.folder.relative_to(start).parts for found in sets]
    split_below = any(_split_of(part) is not None for path in parts for part in path[1:])
    if split_below and len({found.task for found in sets}) > 1:
        children = dict.fromkeys(path[0] for path in parts if path)
        raise UserError(f"{start} holds several datasets ({some(children)}); name one of them with --dataroot")


def _label(start: Path, sets: list[PairSet]) -> list[PairSet]:
    """Prefix names with what tells the sets apart (CT-MRI_2004), unless a name says it already (a folder per pair)."""
    if len(sets) == 1:
        return sets
    paths = [[part for part in found.folder.relative_to(start).parts if _split_of(part) is None] for found in sets]
    shared = len(os.path.commonprefix(paths))
    for found, parts in zip(sets, paths, strict=True):
        label = "_".join(parts[shared:])
        if label and [fold(pair.name) for pair in found.pairs] != [fold(parts[-1])]:
            found.pairs = [replace(pair, name=f"{label}_{pair.name}") for pair in found.pairs]
    return sets


def _list_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """(visible folders, images) directly in a folder, both in natural order."""
    return _list_folders(folder), _list_images(folder)


def _list_folders(folder: Path) -> list[Path]:
    with _telling_what_cannot_be_read(folder), os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith((".", "__")) and entry.is_dir()]
    return [folder / name for name in sorted(names, key=natural_key)]


def _list_images(folder: Path) -> list[Path]:
    with _telling_what_cannot_be_read(folder):
        return list_images(folder)


@contextmanager
def _telling_what_cannot_be_read(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{folder} could not be read ({error.strerror or error})") from error


def _list_or_refuse(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder} to read one of the sources from")
    images = _list_images(folder)
    if not images:
        raise UserError(f"{folder} holds no images; expected one for each pair")
    return images


def _split_of(name: str) -> str | None:
    """The split a folder's name stands for: train for train, Training and train_images; None for other names."""
    first = re.sub(r"[-_ ](images?|cases|data|pairs|set)$", "", name.lower())
    return next((split for split, words in _SPLITS.items() if first in words), None)


def _split_folder(folder: Path, phase: str) -> Path | None:
    """The folder of a phase: under its own name, else under another spelling of it."""
    if (folder / phase).is_dir():
        return folder / phase
    words = _SPLITS.get(_split_of(phase) or "", (phase.lower(),))
    return next((path for path in _list_folders(folder) if path.name.lower() in words), None)


def _enter_split(source: Path, phase: str) -> Path:
    """Go below a source's folder where the split lies there (LLVIP/infrared/train)."""
    below = _split_folder(source, phase)
    if below is not None:
        return below
    splits = [folder.name for folder in _list_folders(source) if _split_of(folder.name)]
    if splits and not _list_images(source):
        raise UserError(f"{source} has no folder '{phase}' (found {some(splits)}); name the part to read with --phase")
    return source


def _without_partner(paths: Iterable[Path], where: Path) -> list[Problem]:
    return [Problem(str(path), f"no partner in {where}") for path in paths]


def _normalise(name: str) -> str:
    return re.sub(r"[- ]", "_", name.lower())
