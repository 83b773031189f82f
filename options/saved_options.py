"""The options of a run on disk: ``train_opt.txt`` for people, ``train_opt.json`` for ``test.py`` and for resuming."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from options.option_parser import OptionParser
from util.errors import UserError, nearest, some
from util.files import atomic_write

FORMAT = 1
# What belongs to one call, not to the run: neither stored nor taken over.
OF_ONE_CALL = {
    "help",
    "list",
    "print_options",
    "continue_train",
    "overwrite",
    "given",
    "stored",
    "is_train",
    "run_dir",
    "checkpoints_dir",
    "name",
    "suffix",
    "device",
}


def describe(opt: argparse.Namespace, parser: OptionParser) -> str:
    """Return the options as CycleGAN prints them: one a line, the default beside each that differs from it."""
    lines = ["----------------- Options ---------------"]
    for name, value in sorted(vars(opt).items()):
        if name in ("given", "stored", "help", "list", "print_options"):
            continue
        default = parser.get_default(name)
        note = f"\t[default: {default}]" if name in opt.given and str(value) != str(default) else ""
        lines.append(f"{name:>25}: {value!s:<30}{note}".rstrip())
    lines.append("----------------- End -------------------")
    return "\n".join(lines)


def write(opt: argparse.Namespace, parser: OptionParser) -> None:
    """Store the options of a training run in its folder, both files whole or not at all."""
    kept = {name: _encode(value) for name, value in vars(opt).items() if name not in OF_ONE_CALL}
    folder = Path(opt.run_dir)
    atomic_write(
        folder / "train_opt.json", json.dumps({"format": FORMAT, "name": opt.name, "options": kept}, indent=1) + "\n"
    )
    atomic_write(folder / "train_opt.txt", describe(opt, parser) + "\n")


def read(checkpoints_dir: str, name: str) -> dict:
    """Return the stored options of a run.

    Raises:
        UserError: no such run (the nearest one is named), or a file that is not ours.
    """
    folder = Path(checkpoints_dir) / name
    path = folder / "train_opt.json"
    if not path.is_file():
        raise UserError(_no_run(Path(checkpoints_dir), name))
    try:
        content = json.loads(path.read_text("utf-8"))
        options = {key: _decode(value) for key, value in content["options"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not a file of options that FuseLab wrote ({error}); train again or restore it"
        ) from None
    if content.get("format") != FORMAT:
        raise UserError(f"{path} has format {content.get('format')}, this version of FuseLab reads format {FORMAT}")
    return options


def _no_run(checkpoints: Path, name: str) -> str:
    where = f"no trained run is called '{name}' in {checkpoints}"
    runs = sorted(path.parent.name for path in checkpoints.glob("*/train_opt.json")) if checkpoints.is_dir() else []
    if not runs:
        return f"{where}: there is none at all; train one first or give --checkpoints_dir"
    close = nearest(name, runs)
    return (
        f"{where}; "
        + (f"the nearest is '{close}'" if close else f"there are {some(runs)}")
        + " (--name, --checkpoints_dir)"
    )


def _encode(value):
    return "inf" if isinstance(value, float) and math.isinf(value) else value  # JSON has no infinity


def _decode(value):
    return math.inf if value == "inf" else value
