"""The pictures of several methods, each with what is labelled in it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.fused_folders import FusedFolder, find_fused
from data.pairing import Pair
from data.sampler import TrainSampler
from downstream.labels import Boxes, Labels, Scene
from downstream.tasks import Task
from util.errors import UserError, some
from util.image_io import read_image
from util.lazy import torch
from util.logger import warn


def find_pictures(opt: argparse.Namespace, labels: Labels, all_labels: Labels) -> tuple[list[FusedFolder], Labels]:
    """Find and check each method's picture of every labelled scene.

    Args:
        opt: fused, skip_bad.
        labels: of the scenes that are used.
        all_labels: of these and of those that ``--list`` leaves out, whose pictures are no strangers.

    Returns:
        (the methods' pictures, the labels of the scenes of which all of them have one, with the pictures' sizes).

    Raises:
        UserError: a folder is not there, or pictures are missing, broken or of another size than their labels, and
            ``--skip_bad`` does not say to go on without these scenes.
    """
    pairs, all_pairs = ([Pair(s.name, s.file, s.file, size=s.size) for s in of.scenes] for of in (labels, all_labels))
    folders, refusals = [], []
    for method, path in opt.fused:
        try:
            folders.append(find_fused(method, path, pairs, all_pairs))
        except UserError as error:
            refusals.append(str(error))
    if refusals:
        raise UserError("; ".join(refusals))
    misfits = {folder.method: _find_misfits(folder, labels) for folder in folders}
    bad = [sentence for folder in folders for sentence in _list_bad(folder, misfits[folder.method], len(pairs))]
    if bad and not opt.skip_bad:
        raise UserError(
            "; ".join(bad) + "; mend this, name with --list the scenes that are meant, or go on without these, for "
            "all methods, with --skip_bad"
        )
    for sentence in bad:
        warn(f"{sentence}: left out, for all methods")
    scenes = [
        replace(scene, size=folders[0].sizes[scene.name])
        for scene in labels.scenes
        if all(scene.name in folder.files and scene.name not in misfits[folder.method] for folder in folders)
    ]
    if not scenes:
        raise UserError(f"{labels.source}: no scene is left of which every method has a picture that fits")
    for folder in folders:
        if folder.extra:
            warn(f"{folder.method}: {len(folder.extra)} files in {folder.folder} have no labels: {some(folder.extra)}")
    return folders, replace(labels, scenes=scenes)


def _find_misfits(folder: FusedFolder, labels: Labels) -> dict[str, str]:
    """Return {scene's name: what does not fit} of the pictures that are not those that were labelled."""
    misfits = {}
    for scene in labels.scenes:
        size = folder.sizes.get(scene.name)
        if size and scene.size and size != scene.size:
            misfits[scene.name] = "{} ({}x{}, labelled at {}x{})".format(scene.name, *size, *scene.size)
        elif size and isinstance(scene.truth, Boxes):
            centres = (scene.truth.corners[:, :2] + scene.truth.corners[:, 2:]) / 2
            if (centres > size).any():
                misfits[scene.name] = "{} ({}x{}, with objects outside)".format(scene.name, *size)
    return misfits


def _list_bad(folder: FusedFolder, misfits: dict[str, str], total: int) -> list[str]:
    found = (
        (folder.missing, f"of {total} labelled scenes have no picture"),
        (folder.broken, "pictures are broken"),
        (list(misfits.values()), "pictures have not the size of their labels"),
    )
    return [f"{folder.method}: {len(items)} {what} in {folder.folder}: {some(items)}" for items, what in found if items]


class Samples:
    """Items (picture, truth) for a loader: float32 (3, H, W) in [0, 1], and the scene's boxes or label map.

    In training the truth is what the loss wants, and with ``flip`` both are mirrored every second time, as (seed,
    epoch, index) decide.
    """

    def __init__(
        self, files: Mapping[str, Path], scenes: Sequence[Scene], task: Task, *, train: bool, seed=0, flip=False
    ):
        self.files = [files[scene.name] for scene in scenes]
        self.scenes = scenes
        self.task = task
        self.train = train
        self.seed = seed
        self.flip = flip

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, key: tuple[int, int]) -> tuple | UserError:
        scene, file = self.scenes[key[1]], self.files[key[1]]
        try:
            image = torch.from_numpy(read_image(file)[0].transpose(2, 0, 1))
            truth = self.task.read_truth(scene)
        except UserError as error:
            return error  # raised in a worker it would arrive with a traceback
        if not self.train:
            return image, truth
        target = self.task.make_target(truth, scene.size)
        if self.flip and np.random.default_rng((self.seed, *key)).random() < 0.5:
            return self.task.mirror(image, target)
        return image, target


def make_loader(samples: Samples, opt: argparse.Namespace) -> torch.utils.data.DataLoader:
    """Make a loader of batches that are lists of items, or the UserError of one whose file has turned bad.

    In training batches of ``opt.batch_size`` are shuffled by (``opt.seed``, epoch), which
    ``loader.sampler.set_position(epoch)`` sets; otherwise each item comes once, alone and in order.
    """
    from torch.utils.data import DataLoader

    return DataLoader(
        samples,
        batch_size=opt.batch_size if samples.train else 1,
        sampler=TrainSampler(len(samples), opt.seed, shuffle=samples.train),
        # Batch norm cannot learn from one picture: what is left over has its turn in the next epoch's order.
        drop_last=samples.train and len(samples) > opt.batch_size,
        collate_fn=_refuse_bad,
        num_workers=opt.num_threads,
        persistent_workers=opt.num_threads > 0,
    )


def _refuse_bad(items: list) -> list | UserError:
    return next((item for item in items if isinstance(item, UserError)), items)
