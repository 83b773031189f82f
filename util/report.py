"""What a test or an evaluation leaves in its folder: tables for people and for programs, and pages."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import metrics
from metrics.protocols import Protocol
from util.gallery.gallery_page import Column, write_gallery
from util.gallery.leaderboard_page import write_leaderboard
from util.gallery.runs_page import write_runs_page
from util.logger import log
from util.results import ResultsFolder
from util.scoring import make_table, report_undefined
from util.tables import write_json, write_latex, write_markdown

_NOT_SHOWN = ("given", "stored", "is_train", "help", "list", "print_options", "resume")


def write_report(
    results: ResultsFolder,
    rows: Sequence[dict],
    *,
    opt: argparse.Namespace,
    title: str,
    info: Mapping[str, str],
    columns: Sequence[Column],
    names: Sequence[str],
    selected: Sequence[metrics.Metric],
    protocol: Protocol,
    resized: str = "",
    left_out: Sequence[str] = (),
) -> None:
    """Write tables and pages beside the pictures, put the folder in its place, and say the means.

    A comparison (``opt.fused``) gets Markdown and LaTeX tables and the leaderboard as well.

    Args:
        rows: as judges make them, in any order.
        title, info: the head of the pages.
        columns: of the gallery, in order.
        names: the scenes in order.
        resized: what the protocol line says of sizes.
        left_out: a sentence for everything that was asked for and is not in the table.
    """
    order = {name: number for number, name in enumerate(names)}
    rows = sorted(rows, key=lambda row: order[row["name"]])
    table = make_table(rows, selected)
    remarks = [*left_out, *report_undefined(rows)]
    line = protocol.line(resized)
    command = _as_text(shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]]))
    info = {**info, "time": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}
    if remarks:
        info["remarks"] = "; ".join(remarks)
    info = {fact: _as_text(value) for fact, value in info.items()}
    title = _as_text(title)
    folder = results.path
    links = {"metrics.csv": "metrics.csv", "metrics.json": "metrics.json"}
    table.write_csv(folder / "metrics.csv")
    write_json(folder / "metrics.json", table, protocol=protocol, line=line, info={**info, "command": command})
    if hasattr(opt, "fused"):
        write_markdown(folder / "table.md", table, line)
        write_latex(folder / "table.tex", table, line)
        links |= {"table.md": "table.md", "table.tex": "table.tex"}
        write_leaderboard(folder, title=title, info=info, protocol=line, table=table, links=links)
        links = {"leaderboard": "leaderboard.html", **links}
    write_gallery(
        folder,
        title=title,
        kind="evaluation" if hasattr(opt, "fused") else "test results",
        info=info,
        protocol=line,
        command=command,
        options={name: _as_text(value) for name, value in sorted(vars(opt).items()) if name not in _NOT_SHOWN},
        columns=columns,
        scenes=[{"name": row["name"], "files": row["files"]} for row in rows],
        table=table,
        links=links,
    )
    results.put_in_place()
    write_runs_page(opt.results_dir)
    for method in table.methods if selected else ():
        means = ", ".join(f"{name} {value:.4g}" for name, value in table.means(method).items())
        log(f"{method}, mean: {means}")


def list_columns(fused: Mapping[str, str], has_gt: bool, maps: Sequence[str] = ()) -> list[Column]:
    """Return the columns of a gallery: the sources, each method's pictures, maps, and the ground truth.

    Args:
        fused: {label: method}.
        maps: labels.
    """
    columns = [Column("A", "source A", "source"), Column("B", "source B", "source")]
    columns += [Column(label, method, "fused", method) for label, method in fused.items()]
    columns += [Column(label, label, "map") for label in maps]
    return columns + ([Column("GT", "ground truth", "truth")] if has_gt else [])


def _as_text(value) -> str:
    """Return an option or a fact as it is shown: as it was typed, and in letters that every file can hold."""
    if isinstance(value, (list, tuple)):
        pair = len(value) == 2 and isinstance(value[1], Path)
        return ("=" if pair else " ").join(map(_as_text, value))
    return ("" if value is None else str(value)).encode("utf-8", "replace").decode("utf-8")
