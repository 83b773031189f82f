"""What a metric says about itself, and the list of all that are known."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from util.errors import UserError, unknown_name

DIRECTIONS = {"up": "higher is better", "down": "lower is better", "zero": "nearer to 0 is better"}
ARROWS = {"up": "↑", "down": "↓", "zero": "→0"}
ARGUMENTS = {"fused": ("fused",), "sources": ("a", "b", "fused"), "gt": ("fused", "gt")}  # by what a metric needs
# What most papers on infrared and visible images print, and what costs little.
FAST = ("EN", "MI", "SD", "SF", "AG", "CC", "SCD", "PSNR", "SSIM", "Qabf", "Nabf", "VIF", "VIFF", "PSNR_GT", "SSIM_GT")
_registry: dict[str, Metric] = {}


@dataclass(frozen=True)
class Metric:
    """One number that judges a fused image.

    Attributes:
        name: short and unique; it stands for one definition only (column of ``metrics.csv``, ``--metrics``).
        title: the name in words.
        direction: "up" where larger is better, "down" where smaller is, "zero" where nearer to 0 is.
        low, high: the range of its values; ``math.inf`` where there is no bound.
        unit: "bit", "dB", "gray levels"; empty for a pure number.
        formula: the definition in a line.
        source: the paper that defines it.
        variant: what was chosen where implementations differ.
        needs: "fused" (no reference), "sources" (A and B) or "gt" (a ground truth).
        function: takes the images named in ``ARGUMENTS[needs]`` as float64 tensors (N, H, W) of whole gray levels
            0..255, and returns float64 (N,): one value for each image, nan where the definition has none.
        smallest: the side in pixels below which the definition has no value.
        undefined: for which images the value is nan, told in the warning.
        aliases: other names that papers use for this very definition.
        compat: True for a definition that is kept to reproduce published tables only; "all" leaves it out.
        missing: returns what keeps the metric from being computed here (a file of weights), or "".
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
    undefined: str = ""
    aliases: tuple[str, ...] = ()
    compat: bool = False
    missing: Callable[[], str] = str

    def loss(self, value: float) -> float:
        """Return a number that is smaller the better ``value`` is: what ranks and sorting go by; nan for nan."""
        return {"up": -value, "down": value, "zero": abs(value)}[self.direction]


def metric(*, name: str, title: str, direction: str, low: float, high: float, formula: str, source: str, variant: str,
           needs: str, unit: str = "", smallest: int = 1, undefined: str = "", aliases: Sequence[str] = (),
           compat: bool = False, missing: Callable[[], str] = str) -> Callable[[Callable], Callable]:
    """Register the decorated function as a metric; ``Metric`` explains the arguments.

    Raises:
        ValueError: a name is taken, or ``direction`` or ``needs`` is none of those known.
    """
    taken = _by_folded_name()
    for new in (name, *aliases):
        if fold(new) in taken:
            raise ValueError(f"two metrics are called {new}: a name stands for one definition")
    if direction not in DIRECTIONS or needs not in ARGUMENTS:
        raise ValueError(f"metric {name}: direction is one of {tuple(DIRECTIONS)} and needs one of {tuple(ARGUMENTS)}, "
                         f"not {direction!r} and {needs!r}")

    def register(function: Callable) -> Callable:
        _registry[name] = Metric(name, title, direction, low, high, unit, formula, source, variant, needs, function,
                                 smallest, undefined, tuple(aliases), compat, missing)
        return function

    return register


def load_families(package: str, folder: list[str]) -> None:
    """Import every module of the metrics folder: a new family is found because its file is there."""
    for module in sorted(found.name for found in pkgutil.iter_modules(folder)):
        importlib.import_module(f"{package}.{module}")


def metric_names(*, compat: bool = True) -> list[str]:
    """The names of all metrics in the order of columns: of F alone, against the sources, against a ground truth.

    Those that are kept for published tables (``Metric.compat``) come last, or not at all.
    """
    order = list(ARGUMENTS)
    names = [name for name, known in _registry.items() if compat or not known.compat]
    return sorted(names, key=lambda name: (_registry[name].compat, order.index(_registry[name].needs)))


def fold(name: str) -> str:
    """Reduce a name to its letters and digits: QABF, Q^AB/F and Qabf are one name, MS-SSIM and MS_SSIM another."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _by_folded_name() -> dict[str, Metric]:
    return {fold(name): known for known in _registry.values() for name in (known.name, *known.aliases)}


def find_metric(name: str) -> Metric:
    """Return the metric of that name or alias; case and punctuation do not count.

    Raises:
        UserError: there is none; the sentence names the nearest.
    """
    known = _by_folded_name()
    if fold(name) not in known:
        raise UserError(unknown_name("metric", name, metric_names(), "--list metrics"))
    return known[fold(name)]


def select(spec: str, has_gt: bool) -> list[Metric]:
    """Return the metrics that ``--metrics`` asks for, in its order and each once.

    Args:
        spec: names with commas between them; "all" stands for every definition that can be had (those that only
            reproduce published tables aside), "fast" for the usual and quick ones; or "none".
        has_gt: whether the dataset has a ground truth.

    Raises:
        UserError: a name is unknown, or a metric needs what is not there (a ground truth, a file of weights).
    """
    words = [word.strip() for word in spec.split(",") if word.strip()]
    if [word.lower() for word in words] == ["none"]:
        return []
    groups = {"all": metric_names(compat=False), "fast": FAST}
    selected = []
    for word in words:
        if word.lower() in groups:
            members = [find_metric(name) for name in groups[word.lower()]]
            selected += [known for known in members if (has_gt or known.needs != "gt") and not known.missing()]
        else:
            selected.append(_require(find_metric(word), has_gt))
    if not selected:
        raise UserError(f"--metrics {spec!r} names no metric: give 'all', 'fast', 'none' or names such as EN,SD,MI")
    return list(dict.fromkeys(selected))


def _require(known: Metric, has_gt: bool) -> Metric:
    if known.needs == "gt" and not has_gt:
        raise UserError(f"the metric {known.name} compares with a ground truth, and there is none here; "
                        "leave it out of --metrics")
    reason = known.missing()
    if reason:
        raise UserError(f"the metric {known.name} cannot be computed here: {reason}")
    return known
