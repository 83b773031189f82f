#!/usr/bin/env python3
"""Write a page of benchmarks from what evaluate.py left, one evaluation for each data set.

    python scripts/write_benchmarks.py results/benchmark/*/all/* --out docs/benchmarks.md

Methods that are runs in CHECKPOINTS_DIR are described by what their training stored: data, updates, the time they took.
scripts/benchmark.sh calls this at its end.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import models
from options import saved_options
from options.option_parser import OptionParser
from util.benchmark import format_table
from util.errors import UserError
from util.files import REPOSITORY, atomic_write
from util.launch import run_script
from util.logger import log


def main() -> None:
    opt = parse()
    evaluations = [read_evaluation(folder) for folder in opt.evaluations]
    methods = list(dict.fromkeys(method["name"] for _, table in evaluations for method in table["methods"]))
    parts = [
        "# Benchmarks",
        f"Written on {date.today()} by `scripts/write_benchmarks.py` from the output of `evaluate.py`; "
        "`bash scripts/benchmark.sh RUN ...` makes it again. [evaluating.md](evaluating.md) tells how to read it.",
        *opt.remark,
        "## What is compared",
        format_table(
            ("method", "what it is", "trained on", "updates", "hours"),
            [(name, *describe_method(name, opt.checkpoints_dir)) for name in methods],
            texts=5,
        ),
        "## Mean ranks",
        "Of the methods on every image and metric, 1 being the best; each metric counts alike.",
        format_table(
            ("method", *(f"{name} ({count_images(table)})" for name, table in evaluations)),
            [(name, *(format_rank(table, name) for _, table in evaluations)) for name in methods],
            texts=1 + len(evaluations),
        ),
    ]
    for folder, (name, table) in zip(opt.evaluations, evaluations, strict=True):
        means = (folder / "table.md").read_text("utf-8").strip()
        parts += [f"## {name}", table["ranking"]["overall"]["sentence"], means]
    atomic_write(opt.out, "\n\n".join(parts) + "\n")
    log(f"{opt.out}: {len(methods)} methods, {len(evaluations)} data sets")


def parse() -> argparse.Namespace:
    parser = OptionParser(description=__doc__, prog="write_benchmarks.py")
    parser.add_argument("-h", "--help", action="help", help="show this and stop")
    parser.add_argument("evaluations", nargs="+", type=Path, metavar="FOLDER", help="what evaluate.py wrote")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "benchmarks.md", help="the page to write")
    parser.add_argument(
        "--checkpoints_dir", type=Path, default=REPOSITORY / "checkpoints", metavar="FOLDER", help="where runs are kept"
    )
    parser.add_argument("--remark", nargs="+", default=[], metavar="SENTENCE", help="paragraphs for the page's head")
    return parser.parse_strictly(sys.argv[1:])


def read_evaluation(folder: Path) -> tuple[str, dict]:
    """Return the name of the data set and the content of metrics.json.

    Raises:
        UserError: the folder holds no evaluation of several methods.
    """
    path = folder / "metrics.json"
    if not path.is_file() or not (folder / "table.md").is_file():
        raise UserError(f"{folder} holds no evaluation (metrics.json, table.md): give folders that evaluate.py wrote")
    table = json.loads(path.read_text("utf-8"))
    if len(table["methods"]) < 2:
        raise UserError(f"{path} holds a single method: a comparison needs two or more behind evaluate.py --fused")
    return folder.resolve().name.rpartition("_")[0], table


def describe_method(name: str, checkpoints: Path) -> tuple[str, str, str, str]:
    """Return what a method is, its training data, its updates and the hours they took; "-" what is not known."""
    if not (checkpoints / name / "train_opt.json").is_file():
        known = name in models.model_names() and not models.find_model(name).learns()
        return (models.find_model(name).title if known else "-", "-", "-", "-")
    stored = saved_options.read(str(checkpoints), name)
    title = models.find_model(stored["model"]).title
    log_file = checkpoints / name / "loss_log.jsonl"
    if not log_file.is_file():
        return title, "weights that its authors published", "-", "-"
    records = [json.loads(line) for line in log_file.read_text("utf-8").splitlines()]
    roots = [stored["dataroot"] or stored["dir_A"], *stored.get("more_dataroots", [])]
    sets = ", ".join(dict.fromkeys(find_set_name(Path(root), stored["phase"]) for root in roots))
    images = [0, *(record["total_iters"] for record in records)]
    seconds = sum(
        record["time"] * (record["total_iters"] - before) for record, before in zip(records, images, strict=False)
    )
    return title, sets, f"{records[-1]['step']:,}", f"{seconds / 3600:.1f}"


def find_set_name(root: Path, phase: str) -> str:
    return root.parent.name if root.name in (phase, "train", "test", "images") else root.name


def count_images(table: dict) -> str:
    count = len(table["methods"][0]["images"])
    return f"{count} pair{'s' if count != 1 else ''}"


def format_rank(table: dict, name: str) -> str:
    ranks = {method["name"]: method["mean_rank"] for method in table["methods"]}
    if ranks.get(name) is None:
        return "-"
    best = min(rank for rank in ranks.values() if rank is not None)
    return f"**{ranks[name]:.2f}**" if ranks[name] == best else f"{ranks[name]:.2f}"


if __name__ == "__main__":
    run_script(main)
