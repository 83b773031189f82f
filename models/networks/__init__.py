"""Networks by name, for ``--netG``, ``--netD`` and ``--list networks``.

A network file says what it offers in a literal ``NETWORKS`` at its top. The registry reads that literal without running
the file, so that listing and checking names never loads torch, and a new file is known without another one touched::

    NETWORKS = {
        "pixel": {"class": "PixelDiscriminator", "role": "discriminator", "title": "PixelGAN: a verdict per pixel"},
        "basic": {"class": "PatchDiscriminator", "role": "discriminator", "title": "...", "arguments": {"n_layers": 3}},
    }

``arguments`` (optional) are preset; a name is looked up with case folded, so the published spelling
``R2GAN_generator`` is ``r2gan_generator``.
"""

from __future__ import annotations

import ast
import functools
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from util.errors import UserError, unknown_name

if TYPE_CHECKING:
    from torch import nn


class NetworkEntry(NamedTuple):
    """What the registry knows of a network before its module is loaded."""

    name: str
    module: str
    class_name: str
    role: str
    title: str
    arguments: dict


def network_names(role: str | None = None) -> list[str]:
    """Return all registered names in alphabetical order; ``role`` keeps those of one role only."""
    return sorted(name for name, entry in _entries().items() if role in (None, entry.role))


def find_network(name: str, role: str | None = None, flag: str = "--list networks") -> NetworkEntry:
    """Return the entry called ``name`` (case folded).

    Raises:
        UserError: there is none, or none with that ``role``; the sentence has the nearest name.
    """
    names = network_names(role)
    if name.lower() not in names:
        raise UserError(unknown_name(role or "network", name, names, flag))
    return _entries()[name.lower()]


def describe(name: str) -> str:
    """Return the line that ``--list networks`` prints behind ``name``."""
    return find_network(name).title


def build(name: str, **arguments) -> nn.Module:
    """Make the network called ``name``, with fresh torch-default weights (see ``init.initialise``).

    Args:
        name: a registered name, case folded.
        arguments: keyword arguments of its class; they win over the entry's presets.
    """
    entry = find_network(name)
    network_class = getattr(importlib.import_module(entry.module), entry.class_name)
    return network_class(**{**entry.arguments, **arguments})


@functools.cache
def _entries() -> dict[str, NetworkEntry]:
    entries = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        for name, row in _read_literal(path).items():
            if name in entries:
                raise ValueError(f"{path}: the network name '{name}' is taken by {entries[name].module}")
            entries[name] = NetworkEntry(
                name, f"{__name__}.{path.stem}", row["class"], row["role"], row["title"], row.get("arguments", {})
            )
    return entries


def _read_literal(path: Path) -> dict:
    """Return the value of the top-level ``NETWORKS`` literal of a source file, {} where it has none."""
    for statement in ast.parse(path.read_text(encoding="utf-8"), str(path)).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "NETWORKS":
            return ast.literal_eval(statement.value)
    return {}
