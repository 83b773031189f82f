"""Everything that is settled and checked before a network learns or is scored."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from data.fused_folders import FusedFolder
from data.pairing import fold, make_safe
from downstream.labels import Labels, choose_scenes
from downstream.networks import FIXED_SIZE, SEGMENTERS, Weights, build_network, check_fit, read_weights
from downstream.scenes import find_pictures
from downstream.tasks import Task
from util.errors import UserError, some
from util.lazy import torch

TRAINING_ONLY = ("epochs", "batch_size", "lr", "no_flip", "overwrite")


@dataclass(frozen=True)
class Network:
    """A method's network.

    Attributes:
        path: where its weights are, or go.
        model, min_size: as ``build_network`` takes them.
        record: how it is trained: what is kept with its weights.
        ready: whether it has been trained just so.
    """

    path: Path
    model: str
    min_size: int
    record: dict = field(default_factory=dict)
    ready: bool = True


@dataclass(frozen=True)
class Work:
    """What there is to do; ``labels`` are numbered as networks with ``classes`` do, ``networks`` are by method."""

    pictures: list[FusedFolder]
    labels: Labels
    classes: tuple[str, ...]
    networks: dict[str, Network]


def prepare(opt: argparse.Namespace, task: Task) -> Work:
    """Find labels, pictures and weights, and see that they fit together.

    Raises:
        UserError: something is missing or does not fit; nothing has been written.
    """
    _check_options(opt, task)
    paths = {method: _place_weights(opt, method) for method, _ in opt.fused}
    _refuse_missing(opt, paths)
    all_labels = task.read_labels(opt.labels)
    labels = choose_scenes(all_labels, _read_lines(opt.list), opt.list) if opt.list else all_labels
    pictures, labels = find_pictures(opt, labels, all_labels)
    if opt.train:
        classes = task.choose_classes(opt.classes, labels)
        labels = task.fit_labels(labels, classes)
        networks = {folder.method: _plan_training(opt, task, classes, labels, folder) for folder in pictures}
        return Work(pictures, labels, classes, networks)
    files = {path: read_weights(path) for path in dict.fromkeys(paths.values())}
    classes = _agree_on_classes(files.values()) or task.choose_classes(opt.classes, labels)
    known = {path: _recognise(opt, task, weights, len(classes)) for path, weights in files.items()}
    networks = {method: known[path] for method, path in paths.items()}
    return Work(pictures, task.fit_labels(labels, classes), classes, networks)


def _check_options(opt: argparse.Namespace, task: Task) -> None:
    if not opt.fused:
        raise UserError("no fused images are named: give --fused NAME=FOLDER, for one method or more")
    names = [fold(make_safe(name)) for name, _ in opt.fused]
    twice = [name for name, _ in opt.fused if names.count(fold(make_safe(name))) > 1]
    if twice:
        raise UserError(f"--fused names {', '.join(twice)} twice; each method needs a name of its own")
    if opt.model and opt.model not in task.models:
        raise UserError(f"--model {opt.model} is not for {opt.task}; for that there are {', '.join(task.models)}")
    if opt.min_size and (opt.model in FIXED_SIZE or task.models is SEGMENTERS):
        raise UserError(f"--min_size {opt.min_size} is for detectors that take any size: leave it out")
    idle = [name for name in TRAINING_ONLY if name in opt.given]
    if idle and not opt.train:
        raise UserError(f"--{idle[0]} is for training: give --train too, or leave it out")
    if opt.out.exists() and not opt.out.is_dir():
        raise UserError(f"--out {opt.out} is a file; expected a folder for weights and tables")


def _place_weights(opt: argparse.Namespace, method: str) -> Path:
    own = f"{make_safe(method)}.pth"
    if opt.train or not opt.weights:
        return opt.out / "weights" / own
    return opt.weights / own if opt.weights.is_dir() else opt.weights


def _refuse_missing(opt: argparse.Namespace, paths: dict[str, Path]) -> None:
    wanted = paths.values() if not opt.train else [opt.weights] if opt.weights else []
    missing = [path for path in dict.fromkeys(wanted) if not path.is_file()]
    empty = [path for path in dict.fromkeys(wanted) if path.is_file() and path.stat().st_size == 0]
    if missing or empty:
        raise UserError(
            f"no weights: {some(missing or empty)} {'is not there' if missing else 'is an empty file'}; nothing is "
            "ever downloaded, so train a network for each method with --train, or name a file or folder of weights "
            "with --weights"
        )


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--list {path} could not be read as a text of names ({error})") from error


def _agree_on_classes(files: Iterable[Weights]) -> tuple[str, ...] | None:
    """Return the classes that the weights name; None where they do not."""
    named = {tuple(weights.record.get("classes", ())): weights.path for weights in files}
    if len(named) > 1:
        (first, path), (second, other) = list(named.items())[:2]
        raise UserError(
            f"{path} knows the classes {some(first) or '(not named)'}, {other} {some(second) or '(not named)'}: only "
            "networks of the same classes compare methods"
        )
    return next(iter(named)) or None


def _recognise(opt: argparse.Namespace, task: Task, weights: Weights, outputs: int) -> Network:
    model = opt.model or weights.record.get("model", task.models[0])
    if model not in task.models:
        raise UserError(f"{weights.path} is of {model}, which is not for {opt.task}")
    with torch.device("meta"):
        check_fit(weights, build_network(model, outputs), model, outputs)
    return Network(weights.path, model, opt.min_size or weights.record.get("min_size", 0))


def _plan_training(
    opt: argparse.Namespace, task: Task, classes: tuple[str, ...], labels: Labels, pictures: FusedFolder
) -> Network:
    if task.models is SEGMENTERS and min(opt.batch_size, len(labels.scenes)) < 2:
        raise UserError("a segmentation network learns from two pictures or more at a time: --batch_size 2")
    model = opt.model or task.models[0]
    record = {
        "model": model,
        "classes": list(classes),
        "min_size": opt.min_size,
        "pictures": str(pictures.folder),
        "labels": str(labels.source.absolute()),
        "scenes": len(labels.scenes),
        "begun_with": str(opt.weights.absolute()) if opt.weights else "",
        "epochs": opt.epochs,
        "batch_size": opt.batch_size,
        "lr": opt.lr,
        "flip": not opt.no_flip,
        "seed": opt.seed,
    }
    path = _place_weights(opt, pictures.method)
    ready = False
    if path.exists() and not opt.overwrite:
        before = read_weights(path).record
        other = [name for name in record if before.get(name) != record[name]]
        if other:
            change = f"{other[0]} {before.get(other[0])}, now {record[other[0]]}"
            raise UserError(
                f"{path} holds a network of other settings ({change}): "
                "choose another --out, or train it anew with --overwrite"
            )
        ready = True
    return Network(path, model, opt.min_size, record, ready)
