"""Errors that a user can mend, the sentence they are told in, and the exit status."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_BAD_INPUT = 2
EXIT_RUN_FAILED = 1


class UserError(Exception):
    """Bad input: one sentence that names what was found, where, what was expected and which flag mends it.

    Entry scripts print the sentence and leave with ``exit_status``. A traceback is for our own bugs.
    """

    exit_status = EXIT_BAD_INPUT


class RunError(UserError):
    """A run that began well and cannot go on: a full disk, a loss that is not finite, a dead process."""

    exit_status = EXIT_RUN_FAILED


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name closest to ``name`` (case folded), or None where nothing is close."""
    names = list(valid)
    folded = {known.lower(): known for known in names}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    return folded[close[0]] if close else None


def unknown_name(kind: str, name: str, valid: Iterable[str], flag: str) -> str:
    """Compose the sentence for an unknown model, dataset, metric or network.

    >>> unknown_name("model", "r2gam", ["r2gan", "pix2pix"], "--list models")
    "no model is called 'r2gam'; the nearest is 'r2gan' (--list models shows all)"
    """
    names = list(valid)
    close = nearest(name, names)
    hint = f"the nearest is '{close}'" if close else "known are " + ", ".join(sorted(names))
    return f"no {kind} is called '{name}'; {hint} ({flag} shows all)"


def some(items: Iterable[object], limit: int = 5) -> str:
    """Join the first ``limit`` items by commas and count the rest: sentences stay sentences."""
    texts = [str(item) for item in items]
    rest = len(texts) - limit
    return ", ".join(texts[:limit]) + (f" and {rest} more" if rest > 0 else "")
