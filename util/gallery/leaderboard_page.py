"""The page that ranks methods: their means, whether the images can tell them apart, and how the scores spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from metrics.ranking import ALPHA, Comparison, Ranking, rank_methods
from metrics.registry import ARROWS, DIRECTIONS, Metric
from metrics.table import ScoreTable
from util.files import atomic_write
from util.gallery.leaderboard_charts import draw_boxes, draw_critical_differences
from util.gallery.parts import copy_assets, format_number, link_to_scene, quote_path, start_page
from util.gallery.summary import PLACES, add_definitions, add_mean
from util.tables import Cell, format_table

ASSETS = ("page.css", "leaderboard.css", "leaderboard.js")
# What keeps the page of 20 methods, 1000 images and 45 metrics below 3 MB.
MOST_CELLS = 30_000  # of the tables by image
MOST_OUTLIERS = 4_000
FEWEST_ROWS = 10  # of a table by image
Cells = Mapping[tuple[str, str], Cell]  # by method and metric's name


def write_leaderboard(
    folder: Path,
    *,
    title: str,
    info: Mapping[str, str],
    protocol: str,
    table: ScoreTable,
    gallery: str = "index.html",
    links: Mapping[str, str] | None = None,
) -> Path:
    """Write ``folder``/leaderboard.html with its assets; it opens from disk. All texts are shown as text.

    Args:
        folder: where the page lies.
        title: the run's name.
        info: facts for the header in order.
        protocol: how the scores are taken, a line.
        table: the scores of one or several methods.
        gallery: the gallery's path relative to the folder; images link into it.
        links: text to relative path of companions, e.g. {"metrics.csv": "metrics.csv"}.

    Returns:
        The path of the page.
    """
    from dominate import tags

    folder = Path(folder)
    ranking = rank_methods(table)
    methods = list(ranking.mean_ranks)
    scenes = {name: link_to_scene(gallery, name) for name in table.names}
    counts = {"methods": str(len(methods)), "images": str(len(table.names)), "metrics": str(len(table.metrics))}
    page = start_page(title, "leaderboard", counts | dict(info), ASSETS)
    with page.body:
        with tags.nav(cls="companions"):
            for text, path in {"gallery": gallery, **(links or {})}.items():
                tags.a(text, href=quote_path(path))
        with tags.main():
            if table.metrics and methods:
                cells = format_table(table)
                _add_ranking(table, ranking, methods, cells)
                tags.p(protocol, cls="protocol")
                _add_differences(ranking, methods)
                _add_spread(table, methods, scenes, cells)
                _add_images(table, methods, scenes)
            else:
                tags.p("Nothing was scored.", cls="note")
        if table.metrics:
            add_definitions(table.metrics)
    copy_assets(folder, ASSETS)
    return atomic_write(folder / "leaderboard.html", page.render(pretty=False))


def _add_ranking(table: ScoreTable, ranking: Ranking, methods: list[str], cells: Cells) -> None:
    from dominate import tags

    images = len(table.names)
    with tags.section(cls="ranking"):
        tags.h2("Ranking")
        with tags.div(cls="box", tabindex="0", role="region", aria_label="mean scores by method"):
            with tags.table(cls="sortable leaders"):
                with tags.thead(), tags.tr():
                    _add_head("method", "name", "click to sort")
                    _add_head("mean rank ↓", "down", "the mean over the metrics of the mean rank over the images")
                    _add_head("wins ↑", "up",
                              f"of {ranking.cases} cases of an image and a metric; shared first places count for each")
                    for metric in table.metrics:
                        _add_head(f"{metric.name} {ARROWS[metric.direction]}", metric.direction,
                                  f"{metric.title}: {DIRECTIONS[metric.direction]}; click to sort")
                with tags.tbody():
                    for method in methods:
                        with tags.tr():
                            mean_rank = ranking.mean_ranks[method]
                            tags.th(method, scope="row", title=method)
                            tags.td(_format_rank(mean_rank), cls="overall", data_value=_exact(mean_rank))
                            tags.td(str(ranking.wins[method]))
                            for metric in table.metrics:
                                _add_cell(ranking, method, metric.name, cells[method, metric.name], images)
        tags.p(_explain(table, ranking), cls="note")


def _add_head(text: str, direction: str, hint: str) -> None:
    from dominate import tags

    with tags.th(scope="col", data_direction=direction):
        tags.button(text, type="button", title=hint)


def _add_cell(ranking: Ranking, method: str, metric: str, cell: Cell, images: int) -> None:
    from dominate import tags

    rank, count = ranking.metric_ranks[metric][method], len(ranking.mean_ranks)
    heat = 0.0 if count < 2 or math.isnan(rank) else (count - rank) / (count - 1)
    hint = (f"{metric}, {method}: mean {cell.summary['mean']:.7g}, median {cell.summary['median']:.7g}, "
            f"mean rank {_format_rank(rank)}")
    place = PLACES[cell.place] or None
    with tags.td(cls=place, data_value=_exact(cell.summary["mean"]), style=f"--heat: {heat:.2f}", title=hint):
        add_mean(cell)
        if 0 < cell.count < images:
            tags.small(f"{cell.count} of {images}", cls="count")


def _explain(table: ScoreTable, ranking: Ranking) -> str:
    images = len(table.names)
    sentences = [f"Mean ± standard deviation over {images} image{'s' if images != 1 else ''}."]
    if len(ranking.mean_ranks) > 1:
        sentences += ["Best in bold, second best underlined.",
                      "The tint tells the mean rank by that metric: the stronger, the nearer to 1."]
    short = {name: count for name, count in ranking.left_out.items() if count}
    if short:
        counts = ", ".join(f"{count} for {name}" for name, count in short.items())
        sentences.append(f"Images in which a method lacks a value are left out of the ranks for all methods: {counts}.")
    return " ".join(sentences)


def _add_differences(ranking: Ranking, methods: list[str]) -> None:
    from dominate import tags
    from dominate.util import raw

    overall = ranking.overall
    with tags.section(cls="tests"):
        tags.h2("Do the methods differ?")
        _add_verdict(overall)
        if overall.test == "Friedman":
            with tags.figure(cls="box", tabindex="0", role="region", aria_label="diagram of average ranks"):
                raw(draw_critical_differences(overall))
            tags.p("Average ranks of the methods, best at the left; a bar joins methods that do not differ at "
                   f"{ALPHA:.0%}. Here each image ranks the methods once, by their mean rank over the metrics: the "
                   "metrics of one image are no independent witnesses.", cls="note")
        if overall.test:
            _add_tests(ranking)
        if overall.pairs:
            _add_pairs(overall, methods)


def _add_verdict(outcome: Comparison) -> None:
    from dominate import tags

    with tags.div(cls="verdict"):
        tags.p(outcome.sentence)
        if outcome.differ and outcome.pairs:
            tags.p(f"Nemenyi's test: two methods differ where their average ranks are "
                   f"{outcome.critical_difference:.2f} or more apart. "
                   + ("These do not differ:" if outcome.groups else "Every two methods differ."))
            _add_groups(outcome)


def _add_groups(outcome: Comparison) -> None:
    from dominate import tags

    with tags.ul(cls="groups"):
        for group in outcome.groups:
            with tags.li():
                for number, method in enumerate(group):
                    tags.span(method if number == 0 else f" · {method}")


def _add_tests(ranking: Ranking) -> None:
    from dominate import tags

    with tags.details(cls="fold"):
        tags.summary("The test by each metric")
        with tags.div(cls="box"), tags.table(cls="sortable lines"):
            with tags.thead(), tags.tr():
                for head, direction in (("metric", "name"), ("images", "up"), ("statistic", "up"), ("p", "down")):
                    _add_head(head, direction, "click to sort")
                tags.th("do not differ", scope="col", cls="words")
            with tags.tbody():
                for name, outcome in ranking.by_metric.items():
                    with tags.tr():
                        tags.th(name, scope="row")
                        tags.td(str(outcome.images))
                        tags.td(format_number(outcome.statistic), title=outcome.sentence)
                        tags.td(_format_p(outcome.p), data_value=_exact(outcome.p))
                        with tags.td(cls="words"):
                            _add_groups(outcome) if outcome.test else tags.span(outcome.sentence)


def _add_pairs(outcome: Comparison, methods: list[str]) -> None:
    from dominate import tags

    with tags.details(cls="fold"):
        tags.summary("Nemenyi's test of each pair")
        with tags.div(cls="box"), tags.table(cls="lines pairs"):
            with tags.thead(), tags.tr():
                tags.th("p", scope="col")
                for method in methods[:-1]:
                    tags.th(method, scope="col")
            with tags.tbody():
                for row, method in enumerate(methods[1:], start=1):
                    with tags.tr():
                        tags.th(method, scope="row")
                        for other in methods[:row]:
                            p = outcome.pairs.get((method, other), outcome.pairs.get((other, method)))
                            tags.td(_format_p(p), cls="apart" if p < ALPHA else None)


def _add_spread(table: ScoreTable, methods: list[str], scenes: Mapping[str, str], cells: Cells) -> None:
    from dominate import tags
    from dominate.util import raw

    marks = max(1, MOST_OUTLIERS // (len(methods) * len(table.metrics)))
    limit = f" (the {marks} farthest at most)" if marks < len(scenes) else ""
    with tags.section(cls="spread"):
        tags.h2("How the scores spread")
        tags.p("Boxes reach from quartile to quartile, whiskers to the last value within 1.5 times that range. Each "
               f"dot is an image beyond{limit} and leads to it. The method of the best mean is filled.", cls="note")
        with tags.div(cls="plots"):
            for metric in table.metrics:
                scores = {method: _known(table, method, scenes, metric.name) for method in methods}
                best = [method for method in methods if cells[method, metric.name].place == 1]
                with tags.figure():
                    unit = f", {metric.unit}" if metric.unit else ""
                    with tags.figcaption():
                        tags.b(f"{metric.name} {ARROWS[metric.direction]}")
                        tags.span(f"{metric.title}{unit}")
                    label = f"box plots of {metric.name} by method"
                    drawn = draw_boxes(scores, scenes, best=best, marks=marks, label=label)
                    raw(drawn) if drawn else tags.p("no finite value", cls="note")
                    infinite = sum(math.isinf(value) for of in scores.values() for value in of.values())
                    if infinite:
                        tags.p(f"{infinite} infinite value{'s' if infinite != 1 else ''} not drawn", cls="note")


def _known(table: ScoreTable, method: str, names: Iterable[str], metric: str) -> dict[str, float]:
    scores = {name: table.value(method, name, metric) for name in names}
    return {name: value for name, value in scores.items() if not math.isnan(value)}


def _add_images(table: ScoreTable, methods: list[str], scenes: Mapping[str, str]) -> None:
    from dominate import tags
    from dominate.util import raw

    images = len(scenes)
    rows = max(FEWEST_ROWS, MOST_CELLS // (len(methods) * len(table.metrics)))
    with tags.section(cls="images-by-metric"):
        tags.h2("Scores of each image")
        if images > rows:
            tags.p(f"The {rows - rows // 2} best and the {rows // 2} worst of {images} images by the median over the "
                   "methods; metrics.csv has all.", cls="note")
        for metric in table.metrics:
            with tags.details(cls="fold"):
                tags.summary(f"{metric.name} {ARROWS[metric.direction]}")
                names = _choose_images(table, methods, metric, list(scenes), rows)
                raw(_image_table(table, methods, metric, names, scenes))


def _choose_images(table: ScoreTable, methods: list[str], metric: Metric, names: list[str], rows: int) -> list[str]:
    if len(names) <= rows:
        return names
    losses = {}
    for name in names:
        of = (metric.loss(table.value(method, name, metric.name)) for method in methods)
        known = [loss for loss in of if not math.isnan(loss)]
        if known:
            losses[name] = statistics.median(known)
    order = sorted(losses, key=losses.__getitem__)
    return order if len(order) <= rows else order[:rows - rows // 2] + order[-(rows // 2):]


def _image_table(table: ScoreTable, methods: list[str], metric: Metric, names: list[str],
                 scenes: Mapping[str, str]) -> str:
    # Text, not a tree of tags: there are tens of thousands of cells.
    heads = [f'<th scope="col" data-direction="{direction}"><button type="button">{escape(text)}</button></th>'
             for text, direction in [("image", "name"), *((method, metric.direction) for method in methods)]]
    lines = []
    for name in names:
        values = [table.value(method, name, metric.name) for method in methods]
        losses = [metric.loss(value) for value in values if not math.isnan(value)]
        best = min(losses) if losses and min(losses) < max(losses) else math.nan
        cells = "".join(f"<td{' class=best' if metric.loss(value) == best else ''}>{format_number(value)}</td>"
                        for value in values)
        lines.append(f'<tr><th scope="row"><a href="{escape(scenes[name])}">{escape(name)}</a></th>{cells}</tr>')
    return (f'<div class="box" tabindex="0" role="region" aria-label="{escape(metric.name)} of each image">'
            f'<table class="sortable lines"><thead><tr>{"".join(heads)}</tr></thead><tbody>{"".join(lines)}'
            "</tbody></table></div>")


def _format_rank(rank: float) -> str:
    return "n/a" if math.isnan(rank) else f"{rank:.2f}"


def _format_p(p: float) -> str:
    return "–" if math.isnan(p) else "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def _exact(value: float) -> str:
    # JavaScript's Number reads "Infinity" and "NaN", not Python's spelling.
    return repr(float(value)).replace("inf", "Infinity").replace("nan", "NaN")
