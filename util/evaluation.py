"""Anybody's fused images against the sources of a data set: finding them, checking them, and scenes of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import data
from data.fused_folders import FusedFolder, find_fused
from data.pairing import Pair, fold, make_safe
from util.errors import UserError, some
from util.image_io import read_image
from util.lazy import torch
from util.logger import warn
from util.pictures import to_uint8
from util.scoring import SOURCES, Scene

_LONGEST_LABEL = 40  # bytes of UTF-8: it ends a file name after the scene's
RESIZED = {
    "sources": "the sources resized to the size of each fused picture (bicubic)",
    "fused": "the fused pictures resized to their sources (bicubic)",
}


@dataclass
class Evaluation:
    """A data set and the pictures of several methods; item ``i`` is the scene of pair ``i``, read when it is asked for.

    Attributes:
        dataset: of the sources.
        methods: {label (column, end of file names): the method's pictures}, in the order of ``--fused``.
        resize: "off", "sources" or "fused": what is brought to the other's size where the two differ.
        left_out: a sentence for every picture that was asked for and is not scored.
    """

    dataset: data.BaseDataset
    methods: dict[str, FusedFolder]
    resize: str
    left_out: list[str]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Scene:
        sample = self.dataset[index]
        pictures = {key: to_uint8(sample[key][None])[0] for key in SOURCES if key in sample}
        gray = {key for key in ("A", "B") if sample[f"{key}_gray"]}
        scene = Scene(sample["name"], pictures, gray, {})
        height, width = pictures["A"].shape[:2]
        for label, folder in self.methods.items():
            if sample["name"] not in folder.files:
                continue
            image, is_gray = read_image(folder.files[sample["name"]])
            fused = to_uint8(torch.from_numpy(image.transpose(2, 0, 1))[None])[0]
            if fused.shape[:2] != (height, width) and self.resize == "fused":
                fused = _resize(fused, width, height)
            elif fused.shape[:2] != (height, width):
                at_its_size = {key: _resize(pictures[key], *fused.shape[1::-1]) for key in SOURCES if key in pictures}
                scene.sources[label] = at_its_size
            pictures[label] = fused
            scene.methods[label] = folder.method
            if is_gray:
                gray.add(label)
        return scene

    def titles(self) -> dict[str, str]:
        """Return {label: method} in the order of ``--fused``."""
        return {label: folder.method for label, folder in self.methods.items()}

    def resized(self) -> str:
        """Return what the protocol line says of sizes; "" where nothing was resized."""
        if self.resize == "off":
            return ""
        count = sum(len(folder.resized(self.dataset.pairs)) for folder in self.methods.values())
        total = sum(len(folder.files) for folder in self.methods.values())
        return f"{count} of {total} pictures compared after resizing: {RESIZED[self.resize]}" if count else ""


def open_evaluation(opt: argparse.Namespace) -> Evaluation:
    """Open and check the data set and every method's pictures before anything is scored.

    Raises:
        UserError: folders are not there, or pictures are missing, broken or of another size than their sources, and
            neither ``--skip_bad`` nor ``--resize`` says how to go on; what is wrong with all methods is told at once.
    """
    dataset = data.create_dataset(opt, augment=False)
    folders, refusals, lacking, resizable = [], [], [], []
    for method, path in opt.fused:
        try:
            folder = find_fused(method, path, dataset.pairs, dataset.all_pairs, opt.check)
        except UserError as error:
            refusals.append(str(error))
            continue
        folders.append(folder)
        lacking += _list_lacking(folder, len(dataset.pairs))
        if opt.resize == "off":
            resizable += _leave_out_resized(folder, dataset.pairs)
        if folder.extra:
            warn(_count(folder, len(folder.extra), "files belong to no pair and are not scored", folder.extra))
    mendable = lacking + resizable
    if mendable and not opt.skip_bad:
        advice = ["mend this, or go on without them with --skip_bad"]
        if resizable:
            advice.append("--resize sources or --resize fused brings pictures and sources to one size")
        raise UserError("; ".join(refusals + mendable + advice))
    for sentence in mendable:
        warn(f"{sentence}: left out")
    empty = (folder for folder in folders if not folder.files)
    refusals += [f"{folder.method}: no picture in {folder.folder} is left to score" for folder in empty]
    if refusals:
        raise UserError("; ".join(refusals))
    methods = dict(zip(_make_labels(opt.fused), folders, strict=True))
    return Evaluation(dataset, methods, opt.resize, dataset.skipped + mendable)


def _list_lacking(folder: FusedFolder, total: int) -> list[str]:
    sentences = []
    if folder.missing:
        sentences.append(_count(folder, len(folder.missing), f"of {total} pairs have no picture", folder.missing))
    if folder.broken:
        sentences.append(_count(folder, len(folder.broken), "pictures are broken", folder.broken))
    return sentences


def _leave_out_resized(folder: FusedFolder, pairs: Sequence[Pair]) -> list[str]:
    """Take the pictures that have not their sources' size out of the folder's, and say which they are."""
    resized = folder.resized(pairs)
    if not resized:
        return []
    what = f"of {len(folder.files)} pictures have not the size of their sources"
    for pair in pairs:
        if folder.sizes.get(pair.name, pair.size) != pair.size:
            del folder.files[pair.name], folder.sizes[pair.name]
    return [_count(folder, len(resized), what, resized)]


def _count(folder: FusedFolder, count: int, what: str, items: Sequence[str]) -> str:
    return f"{folder.method}: {count} {what} in {folder.folder}: {some(items)}"


def _make_labels(fused: Sequence[tuple[str, Path]]) -> list[str]:
    """Return, for each method, a short name that is safe and unique at the end of a file's name."""
    labels: list[str] = []
    for method, _ in fused:
        base = make_safe(method, _LONGEST_LABEL)
        label, number = base, 2
        while fold(label) in map(fold, (*SOURCES, *labels)):
            label, number = f"{base}_{number}", number + 1
        labels.append(label)
    return labels


def _resize(picture, width: int, height: int):
    import numpy as np
    from PIL import Image

    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def judge_item(common: tuple, index: int) -> dict:
    """Score one scene of an evaluation: a function for ``map_jobs`` with (judge, evaluation)."""
    judge, evaluation = common
    return judge(evaluation[index])
