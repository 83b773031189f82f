"""What ``--list`` prints: each registry, a line an entry."""

from __future__ import annotations

import data
import metrics
import models
from metrics.registry import DIRECTIONS
from models import networks

KINDS = ("models", "datasets", "metrics", "networks")


def list_registry(kind: str) -> list[str]:
    """Return one line for each entry of a registry: its name and what it is."""
    if kind == "models":
        return _table([(name, models.find_model(name).title) for name in models.model_names()])
    if kind == "datasets":
        found = [(name, data.find_dataset(name)) for name in data.dataset_names()]
        return _table([(name, f"{dataset.task:<18} {dataset.title}") for name, dataset in found])
    if kind == "metrics":
        found = [metrics.find_metric(name) for name in metrics.metric_names()]
        return _table([(metric.name, f"{DIRECTIONS[metric.direction]:<21} {metric.title}") for metric in found])
    return _table([(name, networks.describe(name)) for name in networks.network_names()])


def _table(rows: list[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{name:<{width}}  {text}" for name, text in rows]
