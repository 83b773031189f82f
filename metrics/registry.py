"""What a metric says about itself, and the list of all that are known."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from util.errors import UserError, unknown_name

DIRECTIONS = ("up", "down")
ARGUMENTS = {"fused": ("fused",), "sources": ("a", "b", "fused"), "gt": ("fused", "gt")}  # by what a metric needs
_registry: dict[str, Metric] = {}


@dataclass(frozen=True)
class Metric:
    """One number that judges a fused image.

    Attributes:
        name: short and unique; it stands for one definition only (column of ``metrics.csv``, ``--metrics``).
        title: the name in words.
        direction: "up" where larger is better, "down" where smaller is.
        low, high: the range of its values; ``math.inf`` where there is no bound.
        unit: "bit", "dB", "gray levels"; empty for a pure number.
        formula: the definition in a line.
        source: the paper that defines it.
        variant: what was chosen where implementations differ.
        needs: "fused" (no reference), "sources" (A and B) or "gt" (a ground truth).
        function: takes the images named in ``ARGUMENTS[needs]`` as float64 tensors (N, H, W) of whole gray levels
            0..255, and returns float64 (N,): one value for each image, nan where the definition has none.
        smallest: the side in pixels below which the definition has no value.
    """

    name: str
    title: str
    direction: str
    low: float
    high: float
    unit: str
    formula: str
    source: str
    variant: str
    needs: str
    function: Callable
    smallest: int = 1


def metric(*, name: str, title: str, direction: str, low: float, high: float, formula: str, source: str, variant: str,
           needs: str, unit: str = "", smallest: int = 1) -> Callable[[Callable], Callable]:
    """Register the decorated function as a metric; ``Metric`` explains the arguments.

    Raises:
        ValueError: the name is taken, or ``direction`` or ``needs`` is none of those known.
    """
    if name.lower() in (known.lower() for known in _registry):
        raise ValueError(f"two metrics are called {name}: a name stands for one definition")
    if direction not in DIRECTIONS or needs not in ARGUMENTS:
        raise ValueError(f"metric {name}: direction is one of {DIRECTIONS} and needs one of {tuple(ARGUMENTS)}, "
                         f"not {direction!r} and {needs!r}")

    def register(function: Callable) -> Callable:
        _registry[name] = Metric(name, title, direction, low, high, unit, formula, source, variant, needs, function,
                                 smallest)
        return function

    return register


def load_families(package: str, folder: list[str]) -> None:
    """Import every module of the metrics folder: a new family is found because its file is there."""
    for module in sorted(found.name for found in pkgutil.iter_modules(folder)):
        importlib.import_module(f"{package}.{module}")


def metric_names() -> list[str]:
    """The names of all metrics in the order of columns: of F alone, against the sources, against a ground truth."""
    order = list(ARGUMENTS)
    return sorted(_registry, key=lambda name: order.index(_registry[name].needs))


def find_metric(name: str) -> Metric:
    """Return the metric of that name (case does not count).

    Raises:
        UserError: there is none; the sentence names the nearest.
    """
    folded = {known.lower(): known for known in _registry}
    if name.lower() not in folded:
        raise UserError(unknown_name("metric", name, metric_names(), "--list metrics"))
    return _registry[folded[name.lower()]]


def select(spec: str, has_gt: bool) -> list[Metric]:
    """Return the metrics that ``--metrics`` asks for, in its order and each once.

    Args:
        spec: "all" (all that can be had), "none", or names with commas between them.
        has_gt: whether the dataset has a ground truth.

    Raises:
        UserError: a name is unknown, or a metric needs the ground truth that is not there.
    """
    if spec.strip().lower() == "none":
        return []
    if spec.strip().lower() == "all":
        return [known for known in map(find_metric, metric_names()) if has_gt or known.needs != "gt"]
    selected = list(dict.fromkeys(find_metric(name.strip()) for name in spec.split(",") if name.strip()))
    if not selected:
        raise UserError(f"--metrics {spec!r} names no metric: give 'all', 'none' or names such as EN,SD,MI")
    for known in selected:
        if known.needs == "gt" and not has_gt:
            raise UserError(f"the metric {known.name} compares with a ground truth and this dataset has none; "
                            "leave it out of --metrics")
    return selected
