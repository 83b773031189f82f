"""Patches for the blur classifier (``--model blurcnn``): sharp and blurred blocks of photographs, made on the fly."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.base_dataset import BaseDataset
from data.check import measure_files
from data.pairing import Problem, describe_problems, list_images, make_safe
from data.synthesis.blur_patches import (
    BLOCK,
    KERNELS,
    cut_blocks,
    draw_places,
    lay_out,
    list_places,
    make_planes,
    read_gray,
)
from options.types import real_number, whole_number
from util.errors import UserError
from util.image_io import read_pixels
from util.lazy import torch
from util.logger import warn

RECORD = "blur_patches.json"  # what scripts/make_blur_patches.py leaves in a folder of prepared patches
_CACHED = 256 * 2**20  # bytes of decoded photographs that a process keeps


@dataclass(frozen=True)
class PatchSource:
    """A photograph, or a prepared picture of its patches.

    ``kernel`` is the side of the blur's kernel in pixels, 0 where each sample draws one. ``size`` is (width, height) of
    the file in pixels.
    """

    name: str
    path: Path
    kernel: int
    size: tuple[int, int]


class BlurPatchesDataset(BaseDataset):
    """Blocks of 32x32 pixels, sharp and blurred, of photographs; a sample holds several of one photograph.

    ``A`` is the sharp blocks side by side, ``B`` the same blurred, float32 (3, 32, 32 P) in [0, 1]; the channels are
    gray, Gx and Gy instead of red, green and blue. ``kernel`` is the side of the blur's kernel.

    In training a sample is ``--patches_per_photo`` blocks from any place of a photograph, blurred with any of the
    kernels. Otherwise it is fixed: all blocks that lie side by side, each photograph once with each kernel. Files that
    scripts/make_blur_patches.py has prepared are read in the place of photographs.
    """

    title = "patches for --model blurcnn: any folder of sharp photographs, or of prepared patches"
    task = "any"
    holds_patches = True

    def __init__(self, opt: argparse.Namespace, dataroot: Path | None, phase: str, augment: bool):
        super().__init__(opt, dataroot, phase, augment)
        if getattr(opt, "model", "blurcnn") != "blurcnn":
            raise UserError(f"--dataset_mode blur_patches holds patches for --model blurcnn, no pairs for {opt.model}")
        self.augment, self.seed = augment, opt.seed
        self.count, self.min_std = opt.patches_per_photo, opt.min_std
        folder = find_folder(dataroot, phase)
        self.prepared = any((place / RECORD).is_file() for place in (folder, folder.parent))
        files = list_images(folder)
        if not self.prepared:
            files = hold_out(files, opt.hold_out, wanted=not augment or not opt.hold_out)
            if not files:
                raise UserError(f"--hold_out {opt.hold_out:g} leaves no photograph of {folder}: give another share")
        limit = int(min(opt.max_dataset_size, len(files)))
        sources, problems = self._check(files[:limit], opt.check)
        if problems and not opt.skip_bad:
            raise UserError(f"{describe_problems(problems)}; mend this, or go on without them with --skip_bad")
        if not sources:
            raise UserError(f"no photograph is left in {folder}: {describe_problems(problems)}")
        if problems:
            warn(f"left out by --skip_bad: {describe_problems(problems)}")
        self.skipped = [problem.sentence() for problem in problems]
        self.pairs = sources
        self._photographs: dict[Path, np.ndarray] = {}
        self._room = _CACHED

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> argparse.ArgumentParser:
        group = parser.group("data")
        group.add_argument(
            "--patches_per_photo",
            type=whole_number(1, 4096),
            default=16,
            metavar="N",
            help="blocks that a training sample takes from its photograph, each in both orders",
        )
        group.add_argument(
            "--min_std",
            type=real_number(0, 128),
            default=0.0,
            metavar="LEVELS",
            help="train on blocks whose gray levels deviate that much as far as there are some; 0 takes any, 2 leaves "
            "out flat ones, which show no sharpness",
        )
        group.add_argument(
            "--hold_out",
            type=real_number(0, 0.9),
            default=0.0,
            metavar="SHARE",
            help="share of the photographs that training leaves out and validation takes alone, chosen by their names",
        )
        return parser

    def output_size(self, index: int) -> tuple[int, int]:
        source = self.pairs[index]
        if self.augment:
            return self.count * BLOCK, BLOCK
        if self.prepared:
            return source.size[0], BLOCK
        width, height = source.size
        return (width // BLOCK) * (height // BLOCK) * BLOCK, BLOCK

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        source = self.pairs[index]
        rng = np.random.default_rng((self.seed, epoch, index))
        kernel = source.kernel or int(rng.choice(KERNELS))
        sharp, blurred = self._take_prepared(source, rng) if self.prepared else self._make(source, kernel, rng)
        return {
            "A": torch.from_numpy(sharp).float().div_(255),
            "B": torch.from_numpy(blurred).float().div_(255),
            "A_gray": False,
            "B_gray": False,
            "name": source.name,
            "A_path": str(source.path),
            "B_path": str(source.path),
            "kernel": kernel,
        }

    def _make(self, source: PatchSource, kernel: int, rng: np.random.Generator) -> Sequence[np.ndarray]:
        """Return the sharp and the blurred blocks of a photograph, uint8 (3, 32, 32 P) each."""
        gray = self._read(source.path)
        sharp, blurred = make_planes(gray, kernel)
        places = draw_places(gray, self.count, rng, self.min_std) if self.augment else list_places(*gray.shape)
        return [lay_out(cut_blocks(planes, *places)) for planes in (sharp, blurred)]

    def _take_prepared(self, source: PatchSource, rng: np.random.Generator) -> Sequence[np.ndarray]:
        """Return the sharp and the blurred blocks of a prepared file; in training some of them, by chance."""
        stacks = read_pixels(source.path).transpose(2, 0, 1)
        sharp, blurred = np.split(stacks, 2, axis=1)
        if not self.augment:
            return [np.ascontiguousarray(planes) for planes in (sharp, blurred)]
        columns = BLOCK * rng.integers(0, stacks.shape[2] // BLOCK, self.count)
        return [lay_out(cut_blocks(planes, 0 * columns, columns)) for planes in (sharp, blurred)]

    def _read(self, path: Path) -> np.ndarray:
        """Decode a photograph, once where there is room to keep it."""
        gray = self._photographs.get(path)
        if gray is None:
            gray = read_gray(path)
            if gray.nbytes <= self._room:
                self._room -= gray.nbytes
                self._photographs[path] = gray
        return gray

    def _check(self, files: Sequence[Path], mode: str) -> tuple[list[PatchSource], list[Problem]]:
        """Look at every file; returns the sources that can be used, and the problems of the others."""
        sources, problems = [], []
        for path, found in measure_files(files, mode).items():
            if isinstance(found, str):
                problems.append(Problem(found, "files that are no whole images"))
            elif self.prepared:
                kernel = path.stem.rpartition("_k")[2]
                if found[1] != 2 * BLOCK or found[0] % BLOCK or not kernel.isdigit():
                    problems.append(Problem(str(path), f"files that {RECORD} does not belong to: no NAME_kNN.png"))
                else:
                    sources.append(PatchSource(make_safe(path.stem), path, int(kernel), found))
            elif min(found) < BLOCK:
                item = "{} ({}x{})".format(path, *found)
                problems.append(Problem(item, f"photographs smaller than a block of {BLOCK}x{BLOCK} pixels"))
            elif self.augment:
                sources.append(PatchSource(make_safe(path.stem), path, 0, found))
            else:
                sources += [PatchSource(name_prepared(path, kernel), path, kernel, found) for kernel in KERNELS]
        return sources, problems


def find_folder(dataroot: Path | None, phase: str) -> Path:
    """Return the folder of photographs below ``dataroot``: its part ``phase``, ``images`` in either, or itself.

    Raises:
        UserError: none of them holds an image.
    """
    if dataroot is None:
        raise UserError("--dataset_mode blur_patches needs --dataroot FOLDER, a folder of sharp photographs")
    for folder in (dataroot / phase, dataroot / phase / "images", dataroot / "images", dataroot):
        if folder.is_dir() and list_images(folder):
            return folder
    raise UserError(f"no image is in {dataroot}, in its folder {phase} or in images: expected sharp photographs")


def hold_out(files: Sequence[Path], share: float, *, wanted: bool) -> list[Path]:
    """Return the files that are held out (``wanted``), or the others; by lots drawn with their names.

    A file keeps its lot whatever other files are there. With the share 0 nothing is held out: ``wanted`` returns all.
    """
    if not share:
        return list(files) if wanted else []
    return [path for path in files if (_draw_lot(path.stem) < share) is wanted]


def name_prepared(path: Path, kernel: int) -> str:
    """Return the name of the prepared patches of a photograph with one kernel."""
    return f"{make_safe(path.stem)}_k{kernel:02d}"


def _draw_lot(name: str) -> float:
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:6], "big") / 2**48
