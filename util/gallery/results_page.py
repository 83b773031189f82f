"""The page of a test: every pair with its sources, its fused image and its scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from metrics.registry import Metric
from util.files import atomic_write
from util.gallery.parts import copy_assets, quote_path, start_page
from util.gallery.thumbnails import make_thumbnails

ASSETS = ("page.css", "lightbox.js", "results.js")
COLUMN_TITLES = {"A": "source A", "B": "source B", "fused": "fused", "GT": "ground truth"}
ARROWS = {"up": "↑", "down": "↓"}
MEANINGS = {"up": "larger is better", "down": "smaller is better"}


def write_results_page(
    folder: Path,
    *,
    title: str,
    info: Mapping[str, str],
    rows: Sequence[Mapping],
    metrics: Sequence[Metric],
    means: Mapping[str, float],
) -> Path:
    """Write ``folder``/index.html, with its assets and the thumbnails that are missing; it opens from disk.

    Args:
        folder: holds the images.
        title: the run's name.
        info: facts for the header in order, e.g. {"model": "r2gan", "epoch": "latest", "protocol": metrics.RULE}.
        rows: for each pair {"name": str, "files": {label: path relative to the folder}, "scores": {metric: value}}.
            The columns are the labels in order of appearance; a pair may lack some of them, and some scores.
        metrics: the metrics in order; may be empty.
        means: {metric's name: mean over the pairs}, as ``ScoreTable.mean`` gives it.

    Returns:
        The path of the page.
    """
    from dominate import tags

    folder = Path(folder)
    labels = list(dict.fromkeys(label for row in rows for label in row["files"]))
    thumbnails = make_thumbnails(folder, (file for row in rows for file in row["files"].values()))
    page = start_page(title, "test results", {"pairs": str(len(rows)), **info}, ASSETS)
    page.body.add(_toolbar(metrics, means, rows))
    with page.body.add(tags.main(id="pairs", style=f"--columns: {max(1, len(labels))}")):
        for row in rows:
            _pair(row, labels, metrics, thumbnails)
        tags.p("No pair was tested." if not rows else "No name contains this.", cls="nothing", hidden=bool(rows))
    if metrics:
        page.body.add(_definitions(metrics))
    copy_assets(folder, ASSETS)
    return atomic_write(folder / "index.html", page.render(pretty=False))


def format_score(value: float) -> str:
    """Return about five significant digits, so that columns line up: 7.4479, 28.797, 431.55, ∞, n/a."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.{4 if abs(value) < 10 else 3 if abs(value) < 100 else 2}f}"


def _toolbar(metrics: Sequence[Metric], means: Mapping[str, float], rows: Sequence[Mapping]):
    from dominate import tags

    bar = tags.div(cls="bar", role="toolbar", aria_label="sort and filter")
    with bar:
        with tags.div(cls="find"):
            tags.input_(type="search", id="filter", placeholder="Filter by name", aria_label="filter by name")
            tags.button("sort by name", type="button", data_sort="name", title="A to Z, Z to A, the test's order")
            tags.output("", id="status", role="status")
            if metrics:
                tags.a("metrics.csv", href="metrics.csv", download="metrics.csv", cls="download")
        if metrics:
            with tags.div(cls="scores heads"):
                for index, metric in enumerate(metrics):
                    count = sum(not math.isnan(row["scores"].get(metric.name, math.nan)) for row in rows)
                    hint = (
                        f"{metric.title}: {MEANINGS[metric.direction]}; mean over {count} of {len(rows)} pairs; "
                        "click to sort"
                    )
                    with tags.button(type="button", title=hint, data_sort=str(index), data_direction=metric.direction):
                        arrowed = tags.span(f"{metric.name} {ARROWS[metric.direction]}", cls="metric")
                        tags.span("mean ", arrowed, cls="label")
                        tags.span(format_score(means.get(metric.name, math.nan)), cls="value")
                        if count < len(rows):
                            tags.span(f"{count} of {len(rows)}", cls="count")
    return bar


def _pair(row: Mapping, labels: Sequence[str], metrics: Sequence[Metric], thumbnails: Mapping) -> None:
    from dominate import tags

    name = row["name"]
    with tags.section(cls="pair", data_scene=name):
        tags.h2(name)
        with tags.div(cls="images"):
            for label in labels:
                with tags.figure(cls="fused" if label == "fused" else "source"):
                    _image(name, label, row["files"].get(label), thumbnails)
                    tags.figcaption(COLUMN_TITLES.get(label, label))
        if metrics:
            with tags.dl(cls="scores"):
                for metric in metrics:
                    with tags.div():
                        tags.dt(metric.name)
                        value = row["scores"].get(metric.name)
                        if value is None:
                            tags.dd("–", cls="none", title="this pair has no ground truth")
                        else:
                            # JavaScript's Number reads "Infinity" and "NaN", not Python's spelling.
                            exact = repr(float(value)).replace("inf", "Infinity").replace("nan", "NaN")
                            tags.dd(format_score(value), data_value=exact, title=repr(float(value)))


def _image(name: str, label: str, file: str | None, thumbnails: Mapping) -> None:
    from dominate import tags

    if file is None:
        tags.p("none", cls="missing")
    elif file not in thumbnails:
        tags.p("missing or unreadable: ", tags.span(file), cls="missing")
    else:
        thumbnail, width, height = thumbnails[file]
        title = COLUMN_TITLES.get(label, label)
        with tags.a(href=quote_path(file), data_label=title):
            tags.img(
                src=quote_path(thumbnail),
                width=str(width),
                height=str(height),
                loading="lazy",
                decoding="async",
                alt=f"{title} of {name}",
            )


def _definitions(metrics: Sequence[Metric]):
    from dominate import tags

    details = tags.details(cls="definitions")
    with details:
        tags.summary("How these numbers are defined")
        with tags.div(cls="scroll"), tags.table():
            with tags.thead(), tags.tr():
                for head in ("metric", "better", "range", "unit", "definition", "variant", "source"):
                    tags.th(head, scope="col")
            with tags.tbody():
                for metric in metrics:
                    with tags.tr():
                        tags.th(f"{metric.name}", tags.br(), tags.small(metric.title), scope="row")
                        tags.td("larger" if metric.direction == "up" else "smaller")
                        tags.td(f"{_bound(metric.low)} to {_bound(metric.high)}")
                        for text in (metric.unit or "–", metric.formula, metric.variant, metric.source):
                            tags.td(text)
    return details


def _bound(value: float) -> str:
    return ("∞" if value > 0 else "-∞") if math.isinf(value) else f"{value:.4g}"
