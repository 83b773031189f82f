"""The page of a test or an evaluation: a row for every scene, a column for every source and method, and the scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from metrics.registry import ARROWS, DIRECTIONS
from metrics.table import ScoreTable
from util.files import atomic_write
from util.gallery.parts import PICTURE_ASSETS, add_data, copy_assets, quote_path, start_page, to_json
from util.gallery.summary import add_definitions, add_summary, choose_leading
from util.gallery.thumbnails import make_thumbnails

ASSETS = (*PICTURE_ASSETS, "scores.js", "toolbar.js", "gallery.js")
HEADLINES = 3  # metrics in the list of all runs
LEADING = 6  # metrics under an image where there are more than ``FEW``
FEW = 8
WITHOUT_SCRIPT = 50  # scenes that a browser without JavaScript shows
DIGITS = 7  # significant, of the scores in the page; metrics.csv has all of them
NO_LINKS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Column:
    """A column of the gallery.

    Attributes:
        label: the key in a scene's files, e.g. "A", "fused", "ours", "GT".
        title: what is shown: "source A", "ours", "ground truth".
        kind: "source", "fused", "truth", or "map" (weights, votes: what a model offers beside its result).
        method: for kind "fused": the method's name in the table of scores.
    """

    label: str
    title: str
    kind: str
    method: str = ""


def write_gallery(
    folder: Path,
    *,
    title: str,
    kind: str,
    info: Mapping[str, str],
    protocol: str,
    command: str,
    options: Mapping[str, str],
    columns: Sequence[Column],
    scenes: Sequence[Mapping],
    table: ScoreTable,
    links: Mapping[str, str] = NO_LINKS,
) -> Path:
    """Write ``folder``/index.html, with its assets and the thumbnails that are missing, and ``folder``/run.json.

    The page opens from disk. All texts may hold anything; they are shown as text.

    Args:
        folder: holds the images.
        title: the run's name.
        kind: "test results" or "evaluation".
        info: facts for the header in order, e.g. {"model": "r2gan", "checkpoint": "latest", "time": ...}.
        protocol: how the scores are taken, a line; "" where nothing is scored.
        command: what made the page; "" leaves it out.
        options: all options and their values, folded up.
        columns: in order; a scene may lack some of them.
        scenes: {"name": str, "files": {label: path relative to the folder}}.
        table: the scores by method and scene's name.
        links: text to relative path of companions, e.g. {"metrics.csv": "metrics.csv"}.

    Returns:
        The path of the page.
    """
    from dominate import tags

    folder = Path(folder)
    thumbnails = make_thumbnails(folder, (file for scene in scenes for file in scene["files"].values()))
    page = start_page(title, kind, {"scenes": str(len(scenes)), **info}, ASSETS)
    with page.body:
        _add_command(command, options)
        _add_scores(table, protocol, links)
        tags.main(_add_plain_rows(scenes, columns, thumbnails), id="scenes")
    copy_assets(folder, ASSETS)
    content = add_data(page.render(pretty=False), "gallery", describe_gallery(columns, scenes, table, thumbnails))
    atomic_write(folder / "run.json", _describe_run(title, kind, columns, scenes, table, thumbnails))
    return atomic_write(folder / "index.html", content)


def describe_gallery(columns: Sequence[Column], scenes: Sequence[Mapping], table: ScoreTable, thumbnails: Mapping):
    """Return what the page's scripts read; its size is linear in the number of scenes."""
    leading = {metric.name for metric in choose_leading(table, LEADING if len(table.metrics) > FEW else FEW)}
    methods, names = table.methods, [metric.name for metric in table.metrics]

    def describe_picture(file: str | None):
        return file and [file, *thumbnails.get(file, ())]

    return {
        "columns": [asdict(column) for column in columns],
        "methods": methods,
        "means": [[_round(table.summary(method, name)["mean"]) for name in names] for method in methods],
        "metrics": [
            {
                "name": metric.name,
                "title": metric.title,
                "direction": metric.direction,
                "arrow": ARROWS[metric.direction],
                "better": DIRECTIONS[metric.direction],
                "leading": metric.name in leading,
            }
            for metric in table.metrics
        ],
        "scenes": [
            {
                "name": scene["name"],
                "pictures": [describe_picture(scene["files"].get(column.label)) for column in columns],
                "scores": [
                    [_round(table.value(method, scene["name"], name)) for name in names] for method in methods
                ],
            }
            for scene in scenes
        ],
    }


def _round(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.{DIGITS}g}")


def _describe_run(title, kind, columns, scenes, table, thumbnails) -> str:
    headline = []
    for metric in choose_leading(table, HEADLINES):
        means = {method: table.summary(method, metric.name)["mean"] for method in table.methods}
        best = min((method for method in means if not math.isnan(means[method])), key=lambda m: metric.loss(means[m]))
        headline.append([metric.name, ARROWS[metric.direction], best, means[best]])
    order = sorted(columns, key=lambda column: column.kind != "fused")  # a fused picture before a source
    shown = (scene["files"].get(column.label) for column in order for scene in scenes)
    thumbnail = next((thumbnails[file][0] for file in shown if file in thumbnails), "")
    return to_json(
        {
            "format": 1,
            "title": title,
            "kind": kind,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "scenes": len(scenes),
            "methods": table.methods,
            "thumbnail": thumbnail,
            "headline": headline,
            "page": "index.html",
        }
    )


def _add_command(command: str, options: Mapping[str, str]) -> None:
    from dominate import tags

    if command:
        with tags.div(cls="command", id="command"):
            tags.code(command)
    if options:
        with tags.details(cls="fold options"):
            tags.summary("All options")
            with tags.dl():
                for option, value in options.items():
                    with tags.div():
                        tags.dt(option)
                        tags.dd(str(value))


def _add_scores(table: ScoreTable, protocol: str, links: Mapping[str, str]) -> None:
    from dominate import tags

    if table.metrics and table.methods:
        with tags.section(cls="scores", aria_label="scores"):
            add_summary(table)
            if protocol:
                tags.p(protocol, cls="protocol")
    with tags.p(cls="links"):
        for text, path in links.items():
            data_file = Path(path).suffix in (".csv", ".json", ".tex", ".md")
            tags.a(text, href=quote_path(path), **({"download": Path(path).name} if data_file else {}))
    if table.metrics:
        add_definitions(table.metrics)


def _add_plain_rows(scenes: Sequence[Mapping], columns: Sequence[Column], thumbnails: Mapping):
    """Return what is shown where scripts are off."""
    from dominate import tags

    plain = tags.noscript()
    with plain:
        if len(scenes) > WITHOUT_SCRIPT:
            tags.p(f"Without JavaScript the first {WITHOUT_SCRIPT} of {len(scenes)} scenes are shown.", cls="note")
        for scene in scenes[:WITHOUT_SCRIPT]:
            with tags.article(cls="scene"):
                tags.h2(scene["name"])
                with tags.div(cls="figures", style=f"--columns: {max(1, len(columns))}"):
                    for column in columns:
                        file = scene["files"].get(column.label)
                        if file in thumbnails:
                            with tags.figure():
                                with tags.a(href=quote_path(file), cls="picture"):
                                    alt = f"{column.title} of {scene['name']}"
                                    tags.img(src=quote_path(thumbnails[file][0]), loading="lazy", alt=alt)
                                tags.figcaption(column.title)
    return plain
