"""The form of a method's options, made from the option parser itself, and back to the words of a command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from options import saved_options
from options.pair_options import PairOptions
from webapp.methods import Method


@dataclass(frozen=True)
class Field:
    """One option as a form shows it.

    Attributes:
        flag: as on the command line, ``--NAME``.
        kind: "choice", "flag", "number" or "text".
        default: the run's value or the parser's.
        help: what the command line's help says.
        choices: the values of a "choice".
        whole: whether a "number" is an integer.
    """

    flag: str
    kind: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    whole: bool = False

    @property
    def label(self) -> str:
        return self.flag.removeprefix("--").replace("_", " ")

    @property
    def fixed(self) -> bool:
        """Whether the run has switched a flag on: the command line has no word that switches it off."""
        return self.kind == "flag" and bool(self.default)


def list_fields(method: Method, checkpoints_dir: str) -> list[Field]:
    """Return the options of a method that can be chosen when it fuses.

    Raises:
        UserError: the run's stored options cannot be read.
    """
    stored = saved_options.read(checkpoints_dir, method.run) if method.run else {}
    return [make_field(action) for action in PairOptions().list_choices(method.model, stored)]


def make_field(action: argparse.Action) -> Field:
    """Tell by an option's declaration how a form asks for it."""
    flag, text = action.option_strings[0], action.help or ""
    kind = getattr(action.type, "__name__", "")  # as the types of options/types.py name themselves
    if action.nargs == 0:
        return Field(flag, "flag", bool(action.default), text)
    if action.choices or "|" in kind:
        choices = tuple(map(str, action.choices or kind.split("|")))
        return Field(flag, "choice", action.default, text, choices)
    if kind in ("whole number", "number", "int", "float"):
        return Field(flag, "number", action.default, text, whole=kind in ("whole number", "int"))
    return Field(flag, "text", action.default, text)


def to_words(fields: list[Field], values: dict[str, Any]) -> list[str]:
    """Return the command-line words for what differs from the defaults; ``values`` are by flag."""
    words = []
    for field in fields:
        value = values.get(field.flag, field.default)
        if value == field.default or value in (None, "") or field.fixed:
            continue
        if field.kind == "flag":
            words.append(field.flag)
        else:
            whole = field.whole and isinstance(value, float) and value.is_integer()
            words.append(f"{field.flag}={int(value) if whole else value}")
    return words
