"""The table of methods by metrics, and what the metrics mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

from metrics.registry import ARROWS, DIRECTIONS, Metric
from metrics.table import ScoreTable
from util.tables import Cell, format_table

# What is shown first where there are many metrics: with a ground truth the distance to it, else what papers lead with.
LEADING = ("PSNR_GT", "SSIM_GT", "Qabf", "VIF", "SSIM", "MI", "SCD", "EN", "AG", "SD", "SF", "PSNR")

PLACES = ("", "best", "second")
WIDEST = 10  # metrics beside each other on paper


def choose_leading(table: ScoreTable, count: int) -> list[Metric]:
    """Return the ``count`` metrics to show first, of those that have a value; the leading ones come first."""
    known = {metric.name: metric for metric in table.metrics}
    names = [name for name in LEADING if name in known] + [name for name in known if name not in LEADING]
    found = (known[name] for name in names if any(table.values(method, name) for method in table.methods))
    return [metric for metric, _ in zip(found, range(count), strict=False)]


def add_summary(table: ScoreTable):
    """Return the table of means: a row for each method, best in bold and second best underlined for each metric."""
    from dominate import tags

    cells = format_table(table)
    view = tags.div(cls="scroll", tabindex="0", role="region", aria_label="mean scores by method")
    wide = len(table.metrics) > WIDEST
    with view, tags.table(cls="summary wide" if wide else "summary", id="summary"):
        with tags.thead(), tags.tr():
            tags.th("method", scope="col")
            tags.th("n", scope="col", title="fused images")
            for metric in table.metrics:
                hint = f"{metric.title}: {DIRECTIONS[metric.direction]}"
                tags.th(f"{metric.name} {ARROWS[metric.direction]}", scope="col", title=hint, data_metric=metric.name)
        with tags.tbody():
            for method in table.methods:
                images = sum(row == method for row, _, _ in table.rows)
                with tags.tr(data_method=method):
                    tags.th(method, scope="row", title=method)
                    tags.td(str(images))
                    for metric in table.metrics:
                        _add_cell(f"{metric.name} {ARROWS[metric.direction]}", cells[method, metric.name], images)
    return view


def _add_cell(head: str, cell: Cell, images: int) -> None:
    from dominate import tags

    hint = f"mean {cell.summary['mean']!r}, median {cell.summary['median']!r}"
    with tags.td(cls=PLACES[cell.place] or None, title=hint, data_head=head):
        add_mean(cell)
        if cell.count < images:
            tags.small(f"{cell.count} of {images}", cls="count")


def add_mean(cell: Cell) -> None:
    """Add a mean, its place for those who see no type face, and its deviation."""
    from dominate import tags

    tags.span(cell.mean, cls="mean")
    if PLACES[cell.place]:
        tags.span(f" {PLACES[cell.place]}", cls="unseen")
    if cell.std:
        tags.small(f"± {cell.std}")


def add_definitions(metrics: Sequence[Metric]):
    """Return the table that says what every number is, folded up."""
    from dominate import tags

    details = tags.details(cls="fold definitions")
    with details:
        tags.summary("How these numbers are defined")
        with tags.div(cls="scroll"), tags.table():
            with tags.thead(), tags.tr():
                for head in ("metric", "better", "range", "unit", "definition", "variant", "source"):
                    tags.th(head, scope="col")
            with tags.tbody():
                for metric in metrics:
                    with tags.tr():
                        tags.th(metric.name, tags.br(), tags.small(metric.title), scope="row")
                        tags.td(DIRECTIONS[metric.direction].removesuffix(" is better"))
                        tags.td(f"{_bound(metric.low)} to {_bound(metric.high)}")
                        for text in (metric.unit or "–", metric.formula, metric.variant, metric.source):
                            tags.td(text)
    return details


def _bound(value: float) -> str:
    return ("∞" if value > 0 else "-∞") if math.isinf(value) else f"{value:.4g}"
