"""Tables of methods and metrics for papers and programs: Markdown, LaTeX, and a JSON file that reads back."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from metrics import ARROWS, Metric, ScoreTable, find_metric
from metrics.protocols import Protocol
from metrics.ranking import Comparison, Ranking, rank_methods
from util.errors import UserError
from util.files import atomic_write

FORMAT = 1  # of metrics.json; it rises when a reader of the old files would misread the new
USUAL_DIGITS, MOST_DIGITS = 4, 5  # significant ones of a mean: as a rule, and where best and second look alike
MOST_DECIMALS = 8
COLUMNS, COLUMNS_WITH_STD = 8, 5  # metrics side by side on a printed page
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "`": "{`}",
    "[": "{[}", "*": "{*}",  # after the end of a row they would be its argument
    "±": r"$\pm$", "×": r"$\times$", "∞": r"$\infty$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\rightarrow$",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A method's mean of a metric as it is printed.

    Attributes:
        mean: "7.448", "∞" or "n/a".
        std: the standard deviation with as many decimals; "" where there is none.
        summary: the numbers behind them (``ScoreTable.summary``).
        place: 1 for the best of the metric, 2 for the second best, else 0; also 0 where all methods are equal.
    """

    mean: str
    std: str
    summary: dict[str, float]
    place: int

    @property
    def count(self) -> int:
        """How many images stand behind the mean."""
        return self.summary["count"]


def format_table(table: ScoreTable) -> dict[tuple[str, str], Cell]:
    """Return {(method, metric's name): its cell}.

    A metric's means have four significant digits, and five where best and second best would look alike; those that
    still look alike share their place.
    """
    cells = {}
    for metric in table.metrics:
        summaries = {method: table.summary(method, metric.name) for method in table.methods}
        decimals = _choose_decimals(metric, [summary["mean"] for summary in summaries.values()])
        texts = {method: _format(summary["mean"], decimals) for method, summary in summaries.items()}
        places = _places(metric, {method: summary["mean"] for method, summary in summaries.items()}, texts)
        for method, summary in summaries.items():
            std = "" if math.isnan(summary["std"]) else _format(summary["std"], decimals)
            cells[method, metric.name] = Cell(texts[method], std, summary, places[method])
    return cells


def write_markdown(path: str | os.PathLike, table: ScoreTable, protocol_line: str, *, std: bool = False) -> Path:
    """Write a table of methods by metrics for a README or an issue: best bold, second best underlined.

    Args:
        path: of the file.
        table: the scores.
        protocol_line: what stands under the table (``Protocol.line``).
        std: whether standard deviations are told.
    """
    cells, images = format_table(table), len(table.names)
    marks = {0: "{}", 1: "**{}**", 2: "<u>{}</u>"}
    heads = [escape_markdown(f"{metric.name} {ARROWS[metric.direction]}") for metric in table.metrics]
    rows = [["method", *heads], [":--", *("--:" for _ in heads)]]
    for method in table.methods:
        row = (_with_marks(cells[method, metric.name], marks, "±", std, images) for metric in table.metrics)
        rows.append([escape_markdown(method), *row])
    note = escape_markdown(" ".join(_notes(table, cells, std)))
    text = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return atomic_write(path, f"{text}\n{note}\n\n{escape_markdown(protocol_line)}\n")


def write_latex(path: str | os.PathLike, table: ScoreTable, protocol_line: str, *, std: bool = False,
                caption: str = "Fusion quality.", label: str = "tab:fusion") -> Path:
    r"""Write the table for a paper, to be \input: it needs the package booktabs and nothing else.

    More metrics than fit side by side are continued in further tables, labelled ``label``-2 and so on. Letters outside
    ASCII stay as they are: LaTeX of 2018 and later reads those of European languages, XeLaTeX all.

    Args:
        path: of the file.
        table: the scores.
        protocol_line: what stands under the table (``Protocol.line``), and in a comment above it.
        std: whether standard deviations are told.
        caption: its first sentence, as text.
        label: of the table, for ``\ref``: letters, digits, colons and hyphens.
    """
    cells = format_table(table)
    note = _one_line(protocol_line)
    notes = escape_latex(" ".join([caption, *_notes(table, cells, std)]))
    width = COLUMNS_WITH_STD if std else COLUMNS
    parts = [table.metrics[start:start + width] for start in range(0, len(table.metrics), width)] or [[]]
    lines = ["% \\usepackage{booktabs}", f"% {note}"]
    for number, metrics in enumerate(parts, start=1):
        lines += [
            r"\begin{table}[t]",
            r"\centering",
            r"\caption{" + notes + (f" Part {number} of {len(parts)}." if len(parts) > 1 else "") + "}",
            r"\label{" + label + (f"-{number}" if number > 1 else "") + "}",
            r"\footnotesize",
            r"\setlength{\tabcolsep}{4pt}",
            *_tabular(table, cells, metrics, std),
            r"",
            r"\smallskip",
            r"\begin{minipage}{\linewidth}\scriptsize " + escape_latex(note) + r"\end{minipage}",
            r"\end{table}",
        ]
    return atomic_write(path, "\n".join(lines) + "\n")


def _tabular(table: ScoreTable, cells: Mapping, metrics: Sequence[Metric], std: bool) -> list[str]:
    marks = {0: "{}", 1: r"\textbf{{{}}}", 2: r"\underline{{{}}}"}
    heads = [escape_latex(f"{metric.name} {ARROWS[metric.direction]}") for metric in metrics]
    lines = [r"\begin{tabular}{@{}l" + "r" * len(metrics) + "@{}}", r"\toprule", _row(["Method", *heads]), r"\midrule"]
    for method in table.methods:
        row = (_with_marks(cells[method, metric.name], marks, r"$\pm$", std, len(table.names)) for metric in metrics)
        lines.append(_row([escape_latex(method), *(cell.replace("∞", _LATEX["∞"]) for cell in row)]))
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _with_marks(cell: Cell, marks: Mapping[int, str], plus_minus: str, std: bool, images: int) -> str:
    text = marks[cell.place].format(cell.mean)
    if std and cell.std:
        text += f" {plus_minus} {cell.std}"
    return text if cell.count in (0, images) else f"{text} ({cell.count})"


def _notes(table: ScoreTable, cells: Mapping[tuple[str, str], Cell], std: bool) -> list[str]:
    images = len(table.names)
    counted = f"{images} image{'s' if images != 1 else ''}"
    notes = [f"Means{' ± standard deviations' if std else ''} over {counted}."]
    if any(cell.place for cell in cells.values()):
        notes.append("Best in bold, second best underlined.")
    if any(cell.count not in (0, images) for cell in cells.values()):
        notes.append("(n): only n images have a value.")
    if any(cell.count == 0 for cell in cells.values()):
        notes.append("n/a: no image has one.")
    return notes


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows letter by letter, also in a table's cell."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|~!$&" else letter for letter in _one_line(text))


def escape_latex(text: str) -> str:
    """Return text that LaTeX shows letter by letter, also at the start of a table's row."""
    return "".join(_LATEX.get(letter, letter) for letter in _one_line(text)).replace("--", "-{}-{}")  # no dash


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _choose_decimals(metric: Metric, means: Iterable[float]) -> int:
    best, second = (sorted({mean for mean in means if math.isfinite(mean)}, key=metric.loss) + [0.0, 0.0])[:2]
    decimals = _decimals(max(abs(best), abs(second)), USUAL_DIGITS)
    if best != second and _format(best, decimals) == _format(second, decimals):
        return _decimals(max(abs(best), abs(second)), MOST_DIGITS)
    return decimals


def _decimals(value: float, digits: int) -> int:
    """How many decimals give the value so many significant digits."""
    if value == 0 or not math.isfinite(value):
        return digits - 1
    return min(MOST_DECIMALS, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def _format(value: float, decimals: int) -> str:
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if abs(value) >= 1:  # a large value among small ones has fewer
        decimals = min(decimals, _decimals(value, MOST_DIGITS))
    return f"{value:z.{decimals}f}"


def _places(metric: Metric, means: Mapping[str, float], texts: Mapping[str, str]) -> dict[str, int]:
    # By what is printed: two methods that show one number share a place.
    losses = {method: metric.loss(mean if math.isinf(mean) else float(texts[method]))
              for method, mean in means.items() if not math.isnan(mean)}
    order = sorted(set(losses.values()))
    places = {order[0]: 1, order[1]: 2} if len(order) > 1 else {}
    return {method: places.get(losses.get(method), 0) for method in means}


def write_json(path: str | os.PathLike, table: ScoreTable, *, protocol: Protocol, line: str,
               info: Mapping[str, str]) -> Path:
    """Write metrics.json: all scores and summaries at full precision, the metrics, the protocol and the ranking.

    Strict JSON: nan is null, and infinite numbers are the strings "inf" and "-inf", which ``float`` reads. A score
    that was never there (no ground truth) has no key. ``read_json`` gives the table back.

    Args:
        path: of the file.
        table: the scores.
        protocol: whose definitions these are.
        line: what is said of it (``Protocol.line``).
        info: facts about the run: the dataset, the command, the time.
    """
    ranking = rank_methods(table)
    document = {
        "format": FORMAT,
        "protocol": {"name": protocol.name, "title": protocol.title, "line": line},
        "info": dict(info),
        "metrics": [_describe(metric) for metric in table.metrics],
        "methods": [_method(table, ranking, method) for method in table.methods],
        "ranking": {
            "methods": list(ranking.mean_ranks),
            "cases": ranking.cases,
            "images": ranking.images,
            "left_out": ranking.left_out,
            "overall": _comparison(ranking.overall),
            "by_metric": {name: _comparison(outcome) for name, outcome in ranking.by_metric.items()},
        },
    }
    return atomic_write(path, json.dumps(_strict(document), allow_nan=False, indent=1) + "\n")


def read_json(path: str | os.PathLike) -> ScoreTable:
    """Return the table that ``write_json`` wrote: the same metrics, rows and numbers.

    Raises:
        UserError: the file is not of this format, or names a metric that is not known here.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise UserError(f"{path} is of format {document['format']}, and {FORMAT} is read here")
        table = ScoreTable([find_metric(metric["name"]) for metric in document["metrics"]])
        for method in document["methods"]:
            for image in method["images"]:
                scores = {name: math.nan if value is None else float(value) for name, value in image["scores"].items()}
                table.add(method["name"], image["name"], scores)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no table of scores as metrics.json holds one ({error!r})") from error
    return table


def _describe(metric: Metric) -> dict:
    fields = ("name", "title", "direction", "low", "high", "unit", "formula", "source", "variant", "needs", "compat")
    return {field: getattr(metric, field) for field in fields}


def _method(table: ScoreTable, ranking: Ranking, method: str) -> dict:
    return {
        "name": method,
        "images": [{"name": name, "scores": scores} for row, name, scores in table.rows if row == method],
        "summary": {metric.name: table.summary(method, metric.name) for metric in table.metrics},
        "mean_rank": ranking.mean_ranks[method],
        "metric_ranks": {name: ranks[method] for name, ranks in ranking.metric_ranks.items()},
        "wins": ranking.wins[method],
    }


def _comparison(outcome: Comparison) -> dict:
    pairs = [{"methods": pair, "p": p} for pair, p in outcome.pairs.items()]
    return {**vars(outcome), "pairs": pairs, "sentence": outcome.verdict}


def _strict(value):
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, Mapping):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return value
