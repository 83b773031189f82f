"""The scores of a fused image as tiles."""

from __future__ import annotations

import math

from nicegui import ui

import metrics


def show_scores(scores: dict[str, float], reasons: dict[str, str]) -> None:
    """Add a tile for each metric: its name, which way is better, its value and what it measures."""
    with ui.element("div").classes("scores"):
        for name, value in scores.items():
            metric = metrics.find_metric(name)
            tile = ui.element("div").classes("score").props(f'data-metric={name} data-value="{value!r}"')
            with tile:
                ui.label(f"{name} {metrics.ARROWS[metric.direction]}").classes("score-name")
                ui.label("none" if math.isnan(value) else f"{value:.4g}").classes("score-value")
                unit = f" ({metric.unit})" if metric.unit else ""
                ui.label(reasons.get(name, f"{metric.title}{unit}"))
                ui.tooltip(metric.formula)
