"""The folder of results: whole or not there, one run beside another, and nothing of others lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
from commands import REPOSITORY, call, environment, start, torchrun
from watching import wait_until

from util import results
from util.errors import RunError, UserError
from util.results import ResultsFolder


def collect(folder: ResultsFolder, content: str) -> None:
    """Write results of which every file says the same."""
    for number in range(20):
        (folder.path / "images" / f"{number}.png").write_text(content)
    (folder.path / "metrics.csv").write_text(content)
    (folder.path / "run.json").write_text(json.dumps({"format": 1, "kind": "test results"}))


def fill(target: Path, content: str) -> None:
    with ResultsFolder(target) as folder:
        collect(folder, content)
        folder.put_in_place()


def assert_whole(target: Path, content: str | None = None) -> None:
    said = {path.read_text() for path in (target / "images").iterdir()} | {(target / "metrics.csv").read_text()}
    assert len(said) == 1 and len(list((target / "images").iterdir())) == 20
    assert content is None or said == {content}


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "results" / "run [1]" / "test_latest"


def test_results_are_replaced_as_a_whole(target):
    fill(target, "first")
    with pytest.raises(ValueError), ResultsFolder(target) as folder:
        collect(folder, "second")
        raise ValueError
    assert_whole(target, "first")
    fill(target, "third")
    assert_whole(target, "third")
    assert os.listdir(target.parent) == ["test_latest"]


def test_two_runs_at_once_do_not_meet(target):
    """Several processes finish again and again in one folder; what stays is whole, and nothing of others is lost."""
    fill(target, "first")
    (target / "notes.txt").write_text("mine")
    code = (
        "import sys, pathlib; sys.path[:0] = sys.argv[2:4]\n"
        "from test_results import fill\n"
        "for number in range(40): fill(pathlib.Path(sys.argv[1]), sys.argv[4] + str(number))\n"
    )
    words = [sys.executable, "-c", code, target, REPOSITORY, REPOSITORY / "tests" / "util"]
    more = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    path = f"{REPOSITORY}:{REPOSITORY / 'tests'}"
    runs = [subprocess.Popen([*map(str, words), name], env=environment(PYTHONPATH=path), **more) for name in "abc"]
    for run in runs:
        _, errors = run.communicate(timeout=120)
        assert run.returncode == 0, errors
    assert_whole(target)
    assert (target / "notes.txt").read_text() == "mine"
    assert os.listdir(target.parent) == ["test_latest"]


def test_the_files_of_a_living_run_are_left_and_those_of_a_dead_one_are_not(target):
    target.parent.mkdir(parents=True)
    start = f".test_latest.partial-{results._HOST}"
    alive, dead = (target.with_name(f"{start}-{process}") for process in (os.getppid(), dead_process()))
    elsewhere = target.with_name(".test_latest.partial-another.host-1")
    for folder in (alive, dead, elsewhere):
        (folder / "images").mkdir(parents=True)
    fill(target, "new")
    assert alive.exists() and elsewhere.exists() and not dead.exists()


def test_results_come_back_after_a_kill_between_the_two_renames(target):
    fill(target, "old")
    (target / "notes.txt").write_text("mine")
    target.rename(target.with_name(f".test_latest.old-{results._HOST}-{dead_process()}"))
    with pytest.raises(ValueError), ResultsFolder(target):
        raise ValueError
    assert_whole(target, "old")
    assert (target / "notes.txt").read_text() == "mine"
    assert os.listdir(target.parent) == ["test_latest"]


def test_what_others_put_into_the_folder_stays(target, capsys):
    fill(target, "old")
    (target / "notes.txt").write_text("mine")
    (target / "drafts").mkdir()
    (target / "drafts" / "1.txt").write_text("mine too")
    fill(target, "new")
    fill(target, "newer")
    assert_whole(target, "newer")
    assert (target / "notes.txt").read_text() == "mine" and (target / "drafts" / "1.txt").read_text() == "mine too"
    assert "drafts, notes.txt" in capsys.readouterr().out


@pytest.mark.parametrize(
    "files",
    [{"index.html": "my home"}, {"run.json": "{}"}, {"run.json": "[1]"}, {"run.json": "mine", "a": ""}, {"a": "b"}],
)
def test_a_folder_of_somebody_else_is_refused(target, files):
    target.mkdir(parents=True)
    for name, content in files.items():
        (target / name).write_text(content)
    with pytest.raises(UserError, match=f"{min(files)}.*--results_dir"), ResultsFolder(target):
        pass
    assert {path.name: path.read_text() for path in target.iterdir()} == files
    assert os.listdir(target.parent) == ["test_latest"]


def test_an_empty_folder_and_a_link_are_filled(target, tmp_path):
    target.mkdir(parents=True)
    fill(target, "first")
    (tmp_path / "big").mkdir()
    target.with_name("link").symlink_to(tmp_path / "big")
    fill(target.with_name("link"), "second")
    fill(target.with_name("link"), "third")
    assert_whole(target, "first")
    assert target.with_name("link").is_symlink()
    assert_whole(tmp_path / "big", "third")


@pytest.mark.parametrize("place", ["file/run/test_latest", "file", "/proc/nowhere/run/test_latest"])
def test_a_place_that_cannot_be_written_is_told_before_work(tmp_path, place):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="results cannot be written to .*--results_dir") as raised:
        with ResultsFolder(tmp_path / place):
            pytest.fail("work was begun")
    assert raised.value.exit_status == 2
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_rename_that_fails_keeps_what_was_there(target, monkeypatch, failing):
    """The first finds the folder taken, the second sets it aside, the third puts the new one in its place."""
    fill(target, "old")
    (target / "notes.txt").write_text("mine")
    calls = []
    rename = Path.rename

    def fail_once(self, other):
        calls.append(self)
        if len(calls) == failing:
            raise PermissionError(13, "Permission denied")
        return rename(self, other)

    with pytest.raises(RunError, match="Permission denied"), ResultsFolder(target) as folder:
        collect(folder, "new")
        monkeypatch.setattr(Path, "rename", fail_once)
        folder.put_in_place()
    assert_whole(target, "old")
    assert (target / "notes.txt").read_text() == "mine"
    assert os.listdir(target.parent) == ["test_latest"]


@pytest.fixture
def words(tmp_path) -> list[str]:
    """Return an evaluation that takes long enough to be interrupted."""
    for number in range(60):
        a, b, _ = tiny.make_triplet(number, 200, 240)
        for folder, image in (("data/test/ir", a), ("data/test/vis", b), ("fused", a)):
            tiny.write(tmp_path / folder / f"{number:02d}.png", image)
    return ["--dataroot", str(tmp_path / "data"), "--fused", f"m={tmp_path / 'fused'}", "--metrics", "all",
            "--results_dir", str(tmp_path / "results")]  # fmt: skip


def has_begun(folder: Path) -> bool:
    return any(folder.glob(".data_test.partial-*/images/*.png"))


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_evaluation_leaves_the_earlier_results(words, tmp_path, jobs, number, status):
    folder = tmp_path / "results" / "evaluation"
    fill(folder / "data_test", "old")
    process = start(REPOSITORY / "evaluate.py", *words, "--jobs", jobs, start_new_session=True)
    wait_until(lambda: has_begun(folder), "pictures are written")
    began = time.monotonic()
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - began < 30  # of minutes that it would take: a test machine may be busy
    assert process.returncode == status, errors
    assert [line for line in errors.splitlines() if "error" in line] == errors.splitlines()[-1:]
    assert "Traceback" not in errors
    time.sleep(0.5)  # a process that was left behind would write
    assert os.listdir(folder) == ["data_test"]
    assert_whole(folder / "data_test", "old")


def test_what_a_killed_evaluation_has_left_is_cleared_by_the_next(words, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "results" / "evaluation"
    process = start(REPOSITORY / "evaluate.py", *words, "--jobs", "2")
    wait_until(lambda: has_begun(folder), "pictures are written")
    process.kill()
    process.communicate()
    time.sleep(1)
    for path in (tmp_path / "data" / "test").glob("*/[1-5]*.png"):
        path.unlink()
    words = [*words[:4], "--metrics", "EN", *words[6:]]
    status, _, errors = call("evaluate.py", *words, monkeypatch=monkeypatch, capsys=capsys)
    assert status == 0, errors
    assert os.listdir(folder) == ["data_test"]


def test_a_group_of_processes_is_told_once_and_does_not_hang(words, tmp_path):
    (tmp_path / "results").write_text("a file")
    began = time.monotonic()
    words = [*words[:4], "--metrics", "EN", *words[6:]]
    process = start("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2",
                    REPOSITORY / "evaluate.py", *words)  # fmt: skip
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert errors.count("evaluate.py: error: results cannot be written") == 1, errors
    (tmp_path / "results").unlink()
    torchrun(2, REPOSITORY / "evaluate.py", *words)
    assert os.listdir(tmp_path / "results" / "evaluation") == ["data_test"]
    assert time.monotonic() - began < 120
