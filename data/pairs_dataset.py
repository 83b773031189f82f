"""Anybody's own pairs: two folders by name, or any layout that ``data.layouts`` knows."""

from __future__ import annotations

import argparse
from pathlib import Path

from data.layouts import ALL_SIDES, PairSet, Sides, pair_folders
from data.paired_dataset import PairedDataset
from util.errors import UserError


class PairsDataset(PairedDataset):
    title = "any folders of pairs: --dir_A and --dir_B (and --dir_GT), or a layout that is recognised"
    task = "any"

    @classmethod
    def find(cls, opt: argparse.Namespace, dataroot: Path | None, phase: str) -> list[PairSet]:
        if not (opt.dir_A or opt.dir_B or opt.dir_GT):
            return super().find(opt, dataroot, phase)
        if not (opt.dir_A and opt.dir_B):
            raise UserError("--dir_A and --dir_B go together, one folder for each source (--dir_GT may come as third)")
        a, b = (_find_folder(name, dataroot, phase) for name in (opt.dir_A, opt.dir_B))
        gt = _find_folder(opt.dir_GT, dataroot, phase) if opt.dir_GT else None
        if a.resolve() == b.resolve():
            raise UserError(f"--dir_A and --dir_B name one folder ({a}); expected a folder for each source")
        return [pair_folders(a, b, gt, _guess_sides(a, b))]


def _find_folder(name: str, dataroot: Path | None, phase: str) -> Path:
    """A folder by its absolute path, else below dataroot/phase, dataroot or the working directory."""
    starts = [dataroot / phase, dataroot, Path()] if dataroot is not None else [Path()]
    found = next((start / name for start in starts if (start / name).is_dir()), None)
    if found is None:
        raise UserError(f"there is no folder {name}, neither below {dataroot} nor below the working directory")
    return found


def _guess_sides(a: Path, b: Path) -> Sides:
    """The task by the folders' names; otherwise the words of all tasks, on both sides."""
    for sides in ALL_SIDES:
        if a.name.lower() in sides.a and b.name.lower() in sides.b:
            return sides
    words = tuple(dict.fromkeys(word for sides in ALL_SIDES for word in (*sides.a, *sides.b) if not word.isdigit()))
    return Sides("any", words, words)
