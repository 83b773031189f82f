"""Datasets: a registry that finds them by file name, recognition of layouts, checked datasets and their loaders."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from data.base_dataset import BaseDataset
from data.joined import JoinedDataset
from data.layouts import explain_nothing_found
from data.likeness import refuse_unlike_panels
from data.loader import create_loader
from util.errors import UserError, unknown_name

__all__ = [
    "BaseDataset",
    "JoinedDataset",
    "create_dataset",
    "create_loader",
    "dataset_names",
    "detect_dataset",
    "find_dataset",
]

_NO_DATASETS = ("base", "paired", "template")


def dataset_names() -> list[str]:
    """The names that ``--dataset_mode`` takes: for each file ``data/NAME_dataset.py`` one, in alphabetical order."""
    names = (path.stem.removesuffix("_dataset") for path in Path(__file__).parent.glob("*_dataset.py"))
    return sorted(name for name in names if name not in _NO_DATASETS)


def find_dataset(name: str) -> type[BaseDataset]:
    """Find the class of a dataset: ``NameDataset`` in ``data/NAME_dataset.py``, case and underscores folded.

    Raises:
        UserError: no such file (told with the nearest name), or the file holds no such class.
    """
    if name not in dataset_names():
        raise UserError(unknown_name("dataset", name, dataset_names(), "--list datasets"))
    module = importlib.import_module(f"data.{name}_dataset")
    wanted = name.replace("_", "").lower() + "dataset"
    for known, value in vars(module).items():
        if known.replace("_", "").lower() == wanted and isinstance(value, type) and issubclass(value, BaseDataset):
            return value
    raise UserError(f"data/{name}_dataset.py should hold a subclass of BaseDataset called {wanted} (case is folded)")


def detect_dataset(dataroot: str | Path | None, phase: str, opt: argparse.Namespace) -> str:
    """Find the dataset for ``--dataset_mode auto``: the one named like the folder if it fits, else by the layout.

    Returns:
        a registered name; 'pairs' stands for every layout that belongs to no dataset by name, 'pmf' for strips.

    Raises:
        UserError: the folder is missing or nothing in it was recognised.
    """
    if opt.dir_A or opt.dir_B:
        return "pairs"
    dataroot = _as_folder(dataroot)
    owner = _dataset_named_like(dataroot)
    if owner and find_dataset(owner).fits(opt, dataroot, phase):
        return owner
    sets = find_dataset("pairs").find(opt, dataroot, phase)
    if not sets:
        raise UserError(explain_nothing_found(dataroot, phase))
    if any(found.kind != "strips" for found in sets):
        return "pairs"
    if not opt.panels:
        refuse_unlike_panels([pair for found in sets for pair in found.pairs], sets[0].folder)
    return "pmf"


def create_dataset(
    opt: argparse.Namespace, *, dataroot: str | Path | None = None, phase: str | None = None, augment: bool
) -> BaseDataset:
    """Make the dataset of ``--dataset_mode`` and check every file, so that bad input is told before anything starts.

    Args:
        opt: the options of the groups 'data' and 'augmentation', and seed.
        dataroot, phase: stand for ``opt.dataroot`` and ``opt.phase`` (validation has its own).
        augment: random crops, flips and rotations.

    Raises:
        UserError: nothing was recognised, or something is wrong that ``--skip_bad`` does not cover.
    """
    dataroot = opt.dataroot if dataroot is None else dataroot
    phase = opt.phase if phase is None else phase
    name = detect_dataset(dataroot, phase, opt) if opt.dataset_mode == "auto" else opt.dataset_mode
    found = find_dataset(name)
    if (opt.dir_A or opt.dir_B or opt.dir_GT) and name != "pairs":
        raise UserError(f"--dir_A, --dir_B and --dir_GT belong to --dataset_mode pairs, not to {name}")
    return found(opt, Path(dataroot) if dataroot is not None else None, phase, augment)


def _as_folder(dataroot: str | Path | None) -> Path:
    if dataroot is None or not Path(dataroot).is_dir():
        raise UserError(f"there is no folder {dataroot}; --dataroot should name one that holds image pairs")
    return Path(dataroot)


def _dataset_named_like(dataroot: Path) -> str | None:
    """The dataset whose folder this is, or lies in (``MD/test/PET-MRI``)."""
    owners = {_fold_name(known): name for name in dataset_names() for known in find_dataset(name).folder_names}
    parts = reversed(dataroot.resolve().parts[-3:])
    return next((owners[_fold_name(part)] for part in parts if _fold_name(part) in owners), None)


def _fold_name(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
