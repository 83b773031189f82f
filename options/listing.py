"""What ``--list`` prints: each registry, a line an entry, and of a metric its definition below it."""

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
        return _list_metrics()
    return _table([(name, networks.describe(name)) for name in networks.network_names()])


def _list_metrics() -> list[str]:
    known = [metrics.find_metric(name) for name in metrics.metric_names()]
    width = max(len(metric.name) for metric in known)
    own = [line for metric in known if not metric.compat for line in _describe(metric, width)]
    published = [line for metric in known if metric.compat for line in _describe(metric, width)]
    protocols = [metrics.find_protocol(name) for name in metrics.protocol_names()]
    return [
        *own,
        "",
        "To reproduce published tables only, faults included; 'all' leaves these out:",
        *published,
        "",
        "Sets of metrics for --metrics_protocol (docs/metrics.md):",
        *_table([(protocol.name, protocol.title) for protocol in protocols]),
    ]


def _describe(metric: metrics.Metric, width: int) -> list[str]:
    """Return a line that stands for itself, and below it, set in, what exactly is computed and who defined it."""
    span = f"{metric.low:.5g}..{metric.high:.5g} {metric.unit}".rstrip()
    names = f" (also {', '.join(metric.aliases)})" if metric.aliases else ""
    indent = " " * (width + 2)
    return [
        f"{metric.name:<{width}}  {DIRECTIONS[metric.direction]:<21}  {span:<26}  {metric.title}{names}",
        f"{indent}{metric.formula}",
        f"{indent}{metric.variant} [{metric.source}]",
    ]


def _table(rows: list[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{name:<{width}}  {text}" for name, text in rows]
