"""The registry of methods: ``--model NAME`` is class ``NAMEModel`` in ``models/NAME_model.py``."""

from __future__ import annotations

import argparse
import importlib
from functools import cache
from pathlib import Path

from util.errors import UserError, unknown_name

_HIDDEN = {"base", "template"}


@cache
def model_names() -> list[str]:
    """Return the names of all methods, in alphabetical order."""
    found = (path.name.removesuffix("_model.py") for path in Path(__file__).parent.glob("*_model.py"))
    return sorted(set(found) - _HIDDEN)


def find_model(name: str) -> type:
    """Return the class of a method; neither torch nor a network is loaded for it.

    Raises:
        UserError: no method has that name; the nearest one is named.
    """
    folded = name.lower()
    if folded not in model_names() and folded != "template":
        raise UserError(unknown_name("model", name, model_names(), "--list models"))
    module = importlib.import_module(f"models.{folded}_model")
    wanted = folded.replace("_", "") + "model"
    for attribute, value in vars(module).items():
        if attribute.lower() == wanted:
            return value
    raise ImportError(f"models/{folded}_model.py defines no class whose name is {wanted} (case folded)")


def create_model(opt: argparse.Namespace):
    """Build the method of ``opt.model`` on ``opt.device``, ready to train (``opt.is_train``) or to fuse."""
    model = find_model(opt.model)(opt)
    model.finish_setup()
    return model


def load_model(opt: argparse.Namespace):
    """Build the method, read what it fuses with (the run's snapshot, or the file of ``--weights``) and speed it up.

    Raises:
        UserError: a file is missing or broken, or the networks asked for are not those that were trained.
    """
    model = create_model(opt)
    if opt.weights:
        model.load_published(Path(opt.weights))
    else:
        model.load_networks(opt.epoch)
    model.speed_up()
    return model
