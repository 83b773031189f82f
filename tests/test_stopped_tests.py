"""test.py and evaluate.py, killed half-way: --resume goes on, does nothing twice, and ends in the same bytes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import tiny
from commands import REPOSITORY, call, run, start, torchrun
from watching import wait_until

from util import results
from util.files import atomic_write
from util.journal import Journal

PAIRS = 16
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Return a folder with pairs of two sizes, a method's pictures of them, and the results of runs never killed."""
    root = tmp_path_factory.mktemp("stopped")
    tiny.make_pairs(root / "data" / "test", PAIRS, ((64, 80), (64, 80), (48, 64)))
    for number in range(PAIRS):
        shape = np.asarray(tiny.make_image(number, 64, 80) if number % 3 < 2 else tiny.make_image(number, 48, 64))
        tiny.write(root / "m" / f"pair-{number:02d}.png", shape)
    for script in ("test.py", "evaluate.py"):
        run(REPOSITORY / script, *words(script, root, root / "whole"))
    return root


def words(script: str, root: Path, target: Path, *more: str) -> list[str]:
    own = {
        "test.py": ["--model", "average", "--gpu_ids", "-1", "--num_threads", "0", "--batch_size", "2"],
        "evaluate.py": ["--fused", f"m={root / 'm'}"],
    }[script]
    scored = ["--metrics", "EN,MI,Qabf,VIF,VIFF,FMI_pixel"]  # takes long enough to be killed
    return ["--dataroot", str(root / "data"), *own, *scored, "--results_dir", str(target), *more]


def place(script: str, target: Path) -> Path:
    return target / ("average/test_latest" if script == "test.py" else "evaluation/data_test")


def finished(script: str, target: Path) -> dict[str, dict]:
    """Return the rows that a stopped run has left."""
    folder = place(script, target)
    return {
        name: row
        for path in folder.parent.glob(f".{folder.name}.partial-*")
        for name, row in Journal(path).read().items()
    }


def read(folder: Path) -> dict[str, bytes]:
    paths = [folder / "metrics.csv", *folder.glob("images/*"), *folder.glob("images/thumbs/*")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}


def kill_half_way(script: str, root: Path, target: Path, processes: int, whom: str) -> None:
    """Kill a process of a run, by the name of its rank, when five pairs are finished, and see the run ended."""
    launcher = TORCHRUN if processes > 1 else ()
    process = start(*launcher, REPOSITORY / script, *words(script, root, target, "--jobs", "1"))
    wait_until(lambda: len(finished(script, target)) >= 5, "five pairs are finished", 120)
    victim = process.pid
    if processes > 1:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        ranks = {
            child for child in children if f"\0RANK={whom}\0".encode() in Path(f"/proc/{child}/environ").read_bytes()
        }
        victim = int(ranks.pop())
    os.kill(victim, signal.SIGKILL)
    process.communicate(timeout=120)
    assert 5 <= len(finished(script, target)) < PAIRS, "it was killed half-way"


@pytest.mark.parametrize(
    ("script", "processes", "whom", "then"),
    [
        ("test.py", 1, "", 2),
        ("test.py", 2, "0", 1),
        ("evaluate.py", 2, "1", 1),
    ],
)
def test_a_killed_run_goes_on(world, tmp_path, script, processes, whom, then):
    kill_half_way(script, world, tmp_path, processes, whom)
    before = finished(script, tmp_path)
    (folder,) = place(script, tmp_path).parent.glob(".*.partial-*")
    times = {file: (folder / file).stat().st_mtime_ns for row in before.values() for file in row["files"].values()}
    with open(next(folder.glob(".progress/rows-*")), "a", encoding="utf-8") as journal:
        journal.write('{"name": "pair-15", "files": {"A": "im')  # a row that the kill left half-written
    launch = run if then == 1 else lambda *command: torchrun(then, *command)
    done = launch(REPOSITORY / script, *words(script, world, tmp_path, "--resume"))
    assert f"going on: {len(before)} pairs finished before" in done.stdout
    target = place(script, tmp_path)
    assert read(target) == read(place(script, world / "whole"))
    assert {file: (target / file).stat().st_mtime_ns for file in times} == times, "nothing was made a second time"
    assert [path.name for path in target.parent.iterdir()] == [target.name] and not (target / ".progress").exists()


@pytest.fixture
def stopped(world, tmp_path, monkeypatch, capsys):
    """Return a function that calls evaluate.py where a run with three finished pairs was stopped."""
    target = place("evaluate.py", tmp_path)
    whole = place("evaluate.py", world / "whole")
    rows = [f"pair-{number:02d}" for number in range(3)]

    def write_row(judge, index):
        name = f"pair-{index:02d}"
        if name not in rows:
            raise KeyboardInterrupt
        files = {label: f"images/{name}_{label}.png" for label in ("A", "B", "m")}
        for file in files.values():
            atomic_write(judge[0].folder / file, (whole / file).read_bytes())
        return {"name": name, "files": files, "scores": {"m": {}}, "reasons": {"m": {}}}

    def evaluate(*more: str) -> tuple[int, str]:
        command = words("evaluate.py", world, tmp_path, "--jobs", "1", *more)
        status, output, errors = call("evaluate.py", *command, monkeypatch=monkeypatch, capsys=capsys)
        return status, output + errors

    monkeypatch.setattr(results, "_WORTH_KEEPING", 0)
    with monkeypatch.context() as patched:
        patched.setattr("util.evaluation.judge_item", write_row)
        status, said = evaluate()
    assert status == 130 and "3 pairs finished and kept: the same command with --resume" in said
    evaluate.folder = target.parent
    return evaluate


def test_another_command_does_not_go_on_and_is_told_why(stopped, world, monkeypatch):
    (before,) = stopped.folder.iterdir()
    for more, difference in (
        (["--metrics", "EN"], "--metrics EN,MI,Qabf,VIF,VIFF,FMI_pixel (now EN)"),
        (["--max_dataset_size", "5"], "--max_dataset_size inf (now 5), other images"),
    ):
        status, said = stopped("--resume", *more)
        assert status == 2 and f"had other settings: {difference}" in said
    picture = world / "m" / "pair-12.png"
    facts = picture.stat()
    os.utime(picture)
    status, said = stopped("--resume")
    os.utime(picture, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert status == 2 and "had other settings: other fused images;" in said
    assert [path.name for path in stopped.folder.iterdir()] == [before.name], "nothing is lost by asking"
    monkeypatch.setattr(results, "_HOST", "another")
    status, said = stopped("--resume")
    assert status == 2 and "and may still be at work" in said
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    status, said = stopped("--resume")
    assert status == 2 and "and may still be at work" in said, "it was no job"
    os.utime(before / ".progress" / "rows-0.jsonl", (1, 1))
    os.utime(before / ".progress" / "settings.json", (1, 1))
    status, said = stopped("--resume")
    assert status == 0 and "going on: 3 pairs finished before" in said


def test_a_forgotten_flag_loses_nothing_until_the_run_is_finished(stopped, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("util.evaluation.judge_item", lambda judge, index: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            stopped()
    status, said = stopped()
    assert status == 0 and "was stopped with 3 pairs finished: --resume goes on with it" in said
    assert [path.name for path in stopped.folder.iterdir()] == ["data_test"]


def test_a_row_whose_picture_has_gone_is_made_again(stopped, world):
    next(stopped.folder.glob(".*/images/pair-01_m.png")).unlink()
    status, said = stopped("--resume")
    assert status == 0 and "going on: 2 pairs finished before" in said
    assert read(stopped.folder / "data_test").keys() == read(place("evaluate.py", world / "whole")).keys()


def test_a_run_stopped_while_its_pages_were_written_goes_on(world, tmp_path, monkeypatch, capsys):
    """Nothing is left to fuse then."""
    monkeypatch.setattr(results, "_WORTH_KEEPING", 0)
    command = words("test.py", world, tmp_path, "--jobs", "1")
    with monkeypatch.context() as patched:
        patched.setattr("util.report.write_gallery", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
        status, _, errors = call("test.py", *command, monkeypatch=monkeypatch, capsys=capsys)
    assert status == 143 and f"{PAIRS} pairs finished and kept" in errors
    status, output, errors = call("test.py", *command, "--resume", monkeypatch=monkeypatch, capsys=capsys)
    assert status == 0 and f"going on: {PAIRS} pairs finished before" in output, output + errors
    assert read(place("test.py", tmp_path)) == read(place("test.py", world / "whole"))


def test_nothing_to_go_on_with_is_told(world, tmp_path, monkeypatch, capsys):
    for script in ("test.py", "evaluate.py"):
        command = words(script, world, tmp_path, "--resume")
        status, _, errors = call(script, *command, monkeypatch=monkeypatch, capsys=capsys)
        assert status == 2 and "--resume finds nothing to go on with" in errors
        assert errors.count("\n") == 1


def test_journals_keep_numbers_to_the_last_bit(tmp_path):
    values = {"a": 0.1 + 0.2, "b": float("inf"), "c": -0.0, "d": 1e-320, "e": 5}
    journal = Journal(tmp_path)
    journal.begin({})
    with journal.open():
        journal.append({"name": "x", "files": {}, "scores": {"m": values}, "reasons": {}})
        journal.append({"name": "y", "files": {}, "scores": {"m": {"a": float("nan")}}, "reasons": {}})
    read_back = journal.read()
    assert repr(read_back["x"]["scores"]["m"]) == repr(values)
    assert json.dumps(read_back["y"]["scores"]) == '{"m": {"a": NaN}}'


def test_fewer_pairs_than_processes(tmp_path):
    tiny.make_pairs(tmp_path / "data" / "test", 2)
    options = ["--model", "average", "--gpu_ids", "-1", "--num_threads", "1", "--metrics", "EN"]
    command = [REPOSITORY / "test.py", "--dataroot", tmp_path / "data", *options]
    run(*command, "--results_dir", tmp_path / "one")
    torchrun(3, *command, "--results_dir", tmp_path / "three")
    assert read(place("test.py", tmp_path / "three")) == read(place("test.py", tmp_path / "one"))
