"""Galleries for the tests: flat pictures whose scores are chosen."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image

from metrics import ScoreTable, select
from util.gallery.gallery_page import Column, write_gallery

HOSTILE = [
    "plain-01",
    "a b (2) [final]",
    "100% #3 & ? ; =+",
    "quote ' and \" two",
    "<img src=x onerror=alert(1)>",
    "<script>document.title='broken'<∕script>",
    "..",
    "..hidden..",
    "ünï 图像 Ω",
    "n" * 200,
    "{{ name }} ${name}",
]
SOURCES = (Column("A", "source A", "source"), Column("B", "source B", "source"))
TRUTH = Column("GT", "ground truth", "truth")
PROTOCOL = "gray levels 0..255, no border cut"


def make_columns(methods, gt=True) -> list[Column]:
    return [*SOURCES, *([TRUTH] if gt else []), *(Column(method, method, "fused", method) for method in methods)]


def draw_scenes(folder: Path, names, columns, size=(60, 40)) -> list[dict]:
    """Write a flat picture for every scene and column; returns the scenes."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    scenes = []
    for number, name in enumerate(names):
        files = {column.label: f"images/{name}_{column.label}.png" for column in columns}
        for shade, file in enumerate(files.values()):
            Image.new("RGB", size, (20 * number % 256, 30 * shade % 256, 140)).save(folder / file)
        scenes.append({"name": name, "files": files})
    return scenes


def make_scores(names, methods, *, spec="EN,SD,PSNR_GT", gt=True) -> ScoreTable:
    """Scene k has EN = k + m for method m, SD = 10 - k, and an infinite PSNR_GT for k = 0."""
    selected = select(spec, has_gt=gt)
    table = ScoreTable(selected)
    for order, method in enumerate(methods):
        for number, name in enumerate(names):
            scores = {"EN": float(number + order), "SD": 10.0 - number}
            scores["PSNR_GT"] = math.inf if number == 0 else 30.0 + number - order
            table.add(method, name, {metric.name: scores[metric.name] for metric in selected})
    return table


def write_page(folder, scenes, columns, table, **changes) -> Path:
    given = {
        "title": "a run",
        "kind": "evaluation",
        "info": {"model": "r2gan", "checkpoint": "latest"},
        "protocol": PROTOCOL,
        "command": "python evaluate.py --dataroot 'my data'",
        "options": {"metrics": "fast", "jobs": "2"},
        "links": {"metrics.csv": "metrics.csv"},
    }
    return write_gallery(folder, columns=columns, scenes=scenes, table=table, **(given | changes))


def write_sample(folder, names, methods=("ours",), **changes) -> Path:
    """Write the page of scenes with these names, each with A, B, GT and the methods' pictures."""
    columns, table = make_columns(methods), make_scores(names, methods)
    table.write_csv(folder / "metrics.csv")
    return write_page(folder, draw_scenes(folder, names, columns), columns, table, **changes)
