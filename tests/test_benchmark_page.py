"""The page of benchmarks: scripts/benchmark.sh from two small data sets and a trained run to docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from commands import REPOSITORY, SMALL, run

METHODS = ("run", "average", "focus")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """Return the page that the script writes; its pictures and tables are beside it."""
    root = tmp_path_factory.mktemp("benchmark")
    tiny.make_strips(root / "PMF" / "train", 4)
    run(
        str(REPOSITORY / "train.py"),
        "--dataroot",
        root / "PMF",
        "--name",
        "run",
        "--checkpoints_dir",
        root / "runs",
        *SMALL,
        "--max_steps",
        "2",
    )
    tiny.make_pairs(root / "sets" / "Lytro" / "test", 3, ((40, 48),))
    tiny.make_pairs(root / "sets" / "MFFW" / "test", 2, ((33, 47),))
    result = call(root, "run")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "MEF is not there: going on without it" in result.stdout
    return root / "page.md"


def call(root: Path, *runs: str) -> subprocess.CompletedProcess:
    places = {"DATASETS": root / "sets", "CHECKPOINTS": root / "runs", "OUT": root / "out", "PAGE": root / "page.md"}
    words = {"REMARK": "Tiny pictures.", "CLASSICS": "average focus"}
    environment = {**os.environ, **words, **{name: str(path) for name, path in places.items()}}
    environment["FUSELAB_VENV"] = str(Path(sys.executable).parent.parent)
    return subprocess.run(
        ["bash", str(REPOSITORY / "scripts" / "benchmark.sh"), *runs], env=environment, capture_output=True, text=True
    )


def test_it_has_every_method_on_every_set(page):
    text = page.read_text("utf-8")
    assert "Tiny pictures." in text and "FuseLab's definitions" in text
    for name in ("Lytro", "MFFW"):
        section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert all(f"\n| {method} | " in section for method in METHODS)


def test_its_numbers_are_those_of_the_evaluation(page):
    table = json.loads((page.parent / "out" / "MFFW" / "all" / "MFFW_test" / "metrics.json").read_text("utf-8"))
    ranks = {method["name"]: method["mean_rank"] for method in table["methods"]}
    rows = page.read_text("utf-8").split("## Mean ranks")[1].split("## Lytro")[0].splitlines()
    shown = {
        row.split(" | ")[0][2:]: row.strip(" |").split(" | ")[-1].strip("*") for row in rows if row.startswith("| ")
    }
    assert shown["method"] == "MFFW (2 pairs)"
    assert {name: shown[name] for name in METHODS} == {name: f"{rank:.2f}" for name, rank in ranks.items()}


def test_it_tells_of_the_training(page):
    row = next(line for line in page.read_text("utf-8").splitlines() if line.startswith("| run | R2GAN"))
    records = (page.parent / "runs" / "run" / "loss_log.jsonl").read_text("utf-8").splitlines()
    assert row.split(" | ")[2:4] == ["PMF", str(json.loads(records[-1])["step"])]


def test_what_is_fused_is_not_fused_again(page):
    folder = page.parent / "out" / "Lytro" / "run" / "test_latest"
    before = folder.stat().st_mtime_ns
    assert call(page.parent, "run").returncode == 0
    assert folder.stat().st_mtime_ns == before


def test_a_run_that_is_not_there_is_refused(page):
    result = call(page.parent, "walk")
    assert result.returncode == 2 and "no run walk" in result.stderr


def test_a_folder_without_an_evaluation_is_refused(page):
    script = REPOSITORY / "scripts" / "write_benchmarks.py"
    folder = page.parent / "out" / "Lytro" / "run" / "test_latest"
    result = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, text=True)
    assert result.returncode == 2 and "holds no evaluation" in result.stderr
