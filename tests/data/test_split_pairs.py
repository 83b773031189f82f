"""scripts/split_pairs.py: every pair is in one part, links lead to the files, and names and seed decide alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from commands import REPOSITORY

PAIRS = 7


@pytest.fixture
def pairs(tmp_path) -> Path:
    tiny.make_pairs(tmp_path / "Lytro" / "test", PAIRS)
    return tmp_path / "Lytro"


def split(dataroot: Path, out: Path, *words: str) -> subprocess.CompletedProcess:
    script = str(REPOSITORY / "scripts" / "split_pairs.py")
    command = [sys.executable, script, "--dataroot", str(dataroot), "--phase", "test", "--out", str(out), *words]
    return subprocess.run(command, capture_output=True, text=True)


def list_links(out: Path) -> dict[str, set[str]]:
    """Return the names in each folder of a split, after a look through the links."""
    found: dict[str, set[str]] = {}
    for path in out.rglob("*.png"):
        assert path.is_symlink() and path.read_bytes()
        found.setdefault(path.parent.relative_to(out).as_posix(), set()).add(path.name)
    return found


def test_every_pair_is_in_one_part(pairs, tmp_path):
    result = split(pairs, tmp_path / "split", "--held", "2")
    assert result.returncode == 0, result.stderr
    assert f"{PAIRS - 2} pairs in " in result.stdout and "2 held out in " in result.stdout
    found = list_links(tmp_path / "split")
    assert {name: len(files) for name, files in found.items()} == {"train/A": 5, "train/B": 5, "test/A": 2, "test/B": 2}
    assert found["train/A"] == found["train/B"] and found["test/A"] == found["test/B"]
    assert not found["train/A"] & found["test/A"]


def test_seed_and_names_decide_alone(pairs, tmp_path):
    for name, seed in (("one", "42"), ("two", "42"), ("three", "1")):
        assert split(pairs, tmp_path / name, "--held", "3", "--seed", seed).returncode == 0
    one, two, three = (list_links(tmp_path / name)["test/A"] for name in ("one", "two", "three"))
    assert one == two != three


def test_strips_stay_strips(tmp_path):
    tiny.make_strips(tmp_path / "PMF" / "test", 4)
    assert split(tmp_path / "PMF", tmp_path / "split", "--held", "1").returncode == 0
    assert {name: len(files) for name, files in list_links(tmp_path / "split").items()} == {"train": 3, "test": 1}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--held", "7"], "--held 7"),
        (["--held", "0"], "--held"),
        ([], "--held"),
        (["--held", "1", "--seed", "x"], "--seed"),
    ],
)
def test_what_cannot_be_split_is_refused(pairs, tmp_path, words, said):
    result = split(pairs, tmp_path / "split", *words)
    assert result.returncode == 2 and said in result.stderr and not (tmp_path / "split").exists()


def test_a_folder_that_is_there_is_left_alone(pairs, tmp_path):
    tiny.write(tmp_path / "split" / "mine.png", tiny.make_image(0))
    result = split(pairs, tmp_path / "split", "--held", "1")
    assert result.returncode == 2 and "is there already" in result.stderr
    assert [path.name for path in (tmp_path / "split").rglob("*")] == ["mine.png"]
