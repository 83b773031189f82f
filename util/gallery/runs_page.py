"""The page of all runs: what was tested and evaluated, newest first."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from util.files import atomic_write
from util.gallery.parts import copy_assets, format_number, quote_path, start_page
from util.logger import warn

ASSETS = ("page.css", "runs.css")
_KIND = "all runs"  # stands in the head of the page


@dataclass(frozen=True)
class Run:
    """What a gallery's ``run.json`` says of it; paths are relative to the folder of all results."""

    title: str
    kind: str
    time: datetime
    scenes: int
    methods: tuple[str, ...]
    headline: tuple[tuple[str, str, str, float], ...]  # metric, arrow, method, mean
    page: str
    thumbnail: str  # "" where there is none


def write_runs_page(results_dir: str | os.PathLike) -> Path:
    """Write ``results_dir``/index.html, a card for every run that is two or three folders below, and return its path.

    A ``run.json`` that is broken or not ours is passed over with a warning, and so is an index.html of somebody else.
    """
    from dominate import tags

    results_dir = Path(results_dir)
    target = results_dir / "index.html"
    if target.is_file() and f"FuseLab · {_KIND}" not in target.read_text("utf-8", errors="replace"):
        warn(f"{target} is not FuseLab's and is left as it is: there is no list of all runs in this folder")
        return target
    runs = read_runs(results_dir)
    page = start_page("Results", _KIND, {"runs": str(len(runs))}, ASSETS)
    with page.body, tags.main():
        with tags.ul(cls="runs"):
            for run in runs:
                _add_run(run)
        if not runs:
            tags.p("Nothing has been tested or evaluated yet.", cls="nothing")
    copy_assets(results_dir, ASSETS)
    return atomic_write(target, page.render(pretty=False))


def read_runs(results_dir: Path) -> list[Run]:
    """Return the runs below a folder, newest first."""
    runs = []
    # RESULTS_DIR/NAME/PHASE_EPOCH, and with a folder for each data set before it.
    for file in (*results_dir.glob("*/*/run.json"), *results_dir.glob("*/*/*/run.json")):
        if any(part.startswith(".") for part in file.relative_to(results_dir).parts):
            continue  # a test that is under way
        try:
            runs.append(_read_run(file, results_dir))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            warn(f"{file} is left out of the list of runs: it does not read as one ({type(error).__name__}: {error})")
    return sorted(runs, key=lambda run: (run.time, run.page), reverse=True)


def _read_run(file: Path, results_dir: Path) -> Run:
    said = json.loads(file.read_text("utf-8"))
    if said["format"] != 1:
        raise ValueError(f"format {said['format']!r}")
    time = datetime.fromisoformat(said["time"])
    page = _place(file.parent, said["page"], results_dir)
    if not page:
        raise ValueError(f"no page {said['page']!r}")
    return Run(
        title=str(said["title"]),
        kind=str(said["kind"]),
        time=time if time.tzinfo else time.replace(tzinfo=UTC),
        scenes=int(said["scenes"]),
        methods=tuple(map(str, said["methods"])),
        headline=tuple((str(name), str(arrow), str(method), float(mean))
                       for name, arrow, method, mean in said["headline"]),
        page=page,
        thumbnail=_place(file.parent, said["thumbnail"], results_dir),
    )  # fmt: skip


def _place(folder: Path, relative: str, results_dir: Path) -> str:
    """Return the path from the list of runs to a file of a run; "" where it is not there or not the run's own."""
    path = folder / relative
    if not relative or ".." in Path(relative).parts or Path(relative).is_absolute() or not path.is_file():
        return ""
    return path.relative_to(results_dir).as_posix()


def _add_run(run: Run) -> None:
    from dominate import tags

    with tags.li(cls="run"), tags.a(href=quote_path(run.page)):
        if run.thumbnail:
            tags.img(src=quote_path(run.thumbnail), alt="", loading="lazy", decoding="async")
        else:
            tags.div(cls="empty")
        with tags.div(cls="text"):
            tags.h2(run.title)
            methods = "" if len(run.methods) < 2 else f", {len(run.methods)} methods"
            pairs = f"{run.scenes} scene{'' if run.scenes == 1 else 's'}"
            tags.p(f"{run.kind}, {pairs}{methods}", cls="aside")
            shown = f"{run.time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            tags.p(tags.time_(shown, datetime=run.time.isoformat()), cls="aside")
            if run.headline:
                with tags.dl():
                    for name, arrow, method, mean in run.headline:
                        with tags.div():
                            tags.dt(f"{name} {arrow}")
                            with tags.dd(format_number(mean)):
                                if len(run.methods) > 1:
                                    tags.small(method, title=f"the best of {len(run.methods)} methods")
