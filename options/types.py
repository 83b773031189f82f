"""Typed and ranged option values: each is a function for argparse's ``type=`` that refuses in one sentence."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

from util.errors import UserError, nearest


def whole_number(low: int, high: int | None = None, *, infinite: bool = False) -> Callable[[str], int | float]:
    """Accept an integer from ``low`` to ``high`` (both included); with ``infinite`` also ``inf``, meaning no limit."""

    def parse(text: str) -> int | float:
        if infinite and text.lower() in ("inf", "infinity"):
            return math.inf
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number{_range(low, high)}") from None
        return _check(value, low, high)

    parse.__name__ = "whole number"
    return parse


def real_number(low: float, high: float | None = None, *, above: bool = False) -> Callable[[str], float]:
    """Accept a finite number from ``low`` to ``high``, both included; with ``above``, larger than ``low``."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise argparse.ArgumentTypeError(f"'{text}' is not a number{_range(low, high)}")
        if above and value == low:
            raise argparse.ArgumentTypeError(f"{text} is out of range: it must be larger than {low}")
        return _check(value, low, high)

    parse.__name__ = "number"
    return parse


def choice(*names: str) -> Callable[[str], str]:
    """Accept one of ``names``, whatever its case; the refusal names the nearest one."""
    folded = {name.lower(): name for name in names}

    def parse(text: str) -> str:
        if text.lower() in folded:
            return folded[text.lower()]
        close = nearest(text, names)
        hint = f"; the nearest is '{close}'" if close else ""
        raise argparse.ArgumentTypeError(f"'{text}' is not one of {', '.join(names)}{hint}")

    parse.__name__ = "|".join(names)
    return parse


def tile_side(text: str) -> int | str:
    """Accept ``auto``, ``off``, or the side of a tile in pixels."""
    folded = text.lower()
    if folded in ("auto", "off"):
        return folded
    try:
        return whole_number(32, 100_000)(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}; or give auto or off") from None


def gpu_list(text: str) -> list[int] | str:
    """Accept ``auto``, ``-1`` (the CPU: an empty list) or CUDA device numbers such as ``0,1``."""
    if text == "auto":
        return text
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if numbers == [-1]:
        return []
    if not numbers or min(numbers) < 0:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a list of devices: give auto, -1 for the CPU, or 0,1 for two GPUs"
        )
    if len(set(numbers)) != len(numbers):
        raise argparse.ArgumentTypeError(f"'{text}' names a device twice")
    return numbers


def _check(value, low, high):
    if value < low or (high is not None and value > high):
        raise argparse.ArgumentTypeError(f"{value} is out of range{_range(low, high)}")
    return value


def _range(low, high) -> str:
    return f": it must be from {low} to {high}" if high is not None else f": it must be at least {low}"


def check_folder_name(flag: str, name: str) -> None:
    """Refuse a name that no folder can have, or that would lead out of the folder it is made in.

    Raises:
        UserError: with the flag.
    """
    if not name or name.startswith(".") or any(sign in name for sign in "/\\\0"):
        raise UserError(f"{flag} '{name}' cannot be a folder's name: use letters, digits, '-', '_' and '.'")
