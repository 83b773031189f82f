"""The examples of docs/adding_a_dataset.md work as they are printed: a new file is a new dataset."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

CODE = ("data", "metrics", "models", "options", "util", "train.py")

# Opens a folder as train.py and test.py do, and says what was found in it.
OPEN = """
import sys
import data
from data_options import make_options

opt = make_options(dataroot=sys.argv[1], skip_bad="skip" in sys.argv)
dataset = data.create_dataset(opt, augment=False)
shapes = {tuple(dataset[number][side].shape) for number in range(len(dataset)) for side in "AB"}
names = [pair.name for pair in dataset.pairs]
print(type(dataset).__name__, dataset.task, dataset.has_gt, names, shapes, len(dataset.skipped))
"""


@pytest.fixture(scope="module")
def code_with_examples(repository, tmp_path_factory) -> Path:
    """Return a copy of the code to which the page's two files were added under the names that the page gives them."""
    folder = tmp_path_factory.mktemp("code")
    for name in CODE:
        copy = shutil.copytree if (repository / name).is_dir() else shutil.copy
        copy(repository / name, folder / name)
    page = (repository / "docs" / "adding_a_dataset.md").read_text("utf-8")
    examples = re.findall(r"his is `(data/\w+_dataset\.py)`:\n\n```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(examples) == 2
    for name, text in examples:
        (folder / name).write_text(text, "utf-8")
    return folder


def run(folder: Path, *words: str | Path, status: int = 0) -> str:
    """Run Python in the copy; return what it printed."""
    command = [sys.executable, *map(str, words)]
    options = {"PYTHONPATH": f"{folder}:{Path(__file__).parent}"}
    done = subprocess.run(command, cwd=folder, env=options, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_both_are_listed(code_with_examples):
    listed = run(code_with_examples, "train.py", "--list", "datasets")
    rows = {name: rest.split(None, 1) for name, rest in (line.split(None, 1) for line in listed.splitlines())}
    assert rows["harbour"] == ["infrared-visible", "Harbour: ships by thermal camera and by daylight"]
    assert rows["listed"] == ["any", "Listed: pairs that a table names"]


def test_words_describe_a_layout(code_with_examples, tmp_path):
    for number, name in enumerate(["0010", "0002"]):
        for side in ("thermo", "daylight"):
            tiny.write(tmp_path / "Harbour" / "test" / side / f"{name}.png", tiny.make_image(number, 24, 30))
    found = run(code_with_examples, "-c", OPEN, tmp_path / "Harbour")
    assert found.split("\n")[0] == "HarbourDataset infrared-visible False ['0002', '0010'] {(3, 24, 30)} 0"


def test_a_table_describes_a_layout(code_with_examples, tmp_path):
    root = tmp_path / "Listed"
    for name in ("x/one.png", "y/eins.png", "z/un.png", "x/two.png"):
        tiny.write(root / name, tiny.make_image(1, 24, 30))
    (root / "pairs_test.csv").write_text("a,b,gt\nx/one.png,y/eins.png,z/un.png\nx/two.png,y/zwei.png,\n")
    refused = run(code_with_examples, "-c", OPEN, root, status=1)
    assert f"named in pairs_test.csv, but not there: {root / 'y/zwei.png'}" in refused
    found = run(code_with_examples, "-c", OPEN, root, "skip")
    assert "ListedDataset any True ['one'] {(3, 24, 30)} 1" in found
