"""A run that was stopped, in whatever way, goes on as if it never had been: the same losses to the last bit."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
import tiny
import torch
from commands import REPOSITORY, SMALL, losses, run, start

TRAIN = str(REPOSITORY / "train.py")
# Dropout, flips, shuffling, a moving average, accumulation that does not divide the epoch, a schedule that moves.
RUN = [*SMALL, "--n_epochs", "2", "--n_epochs_decay", "3", "--ema", "0.9", "--accumulate", "2", "--batch_size", "1",
       "--save_latest_freq", "3", "--save_epoch_freq", "2", "--update_html_freq", "7"]  # fmt: skip


@pytest.fixture(scope="module")
def strips(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    tiny.make_strips(folder / "train", 9)
    return folder


@pytest.fixture(scope="module")
def whole(strips, tmp_path_factory) -> Path:
    """Return the folder of a run that nobody stopped."""
    checkpoints = tmp_path_factory.mktemp("whole")
    run(TRAIN, "--dataroot", strips, "--name", "run", "--checkpoints_dir", checkpoints, *RUN)
    return checkpoints / "run"


def stop_when(process, log: Path, lines: int, number: int) -> None:
    """Send a signal once the run has logged so many lines."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and log.read_text().count("\n") >= lines:
            process.send_signal(number)
            break
        time.sleep(0.002)
    process.wait(60)


def assert_equal_runs(left: Path, right: Path) -> None:
    assert losses(left) == losses(right)
    for name in ("latest_net_G.pth", "latest_net_D.pth", "2_net_G.pth", "4_net_G.pth"):
        first, second = (torch.load(folder / name, weights_only=True) for folder in (left, right))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first), name
    first, second = (torch.load(folder / "latest_train_state.pth", weights_only=True) for folder in (left, right))
    assert first["progress"] == second["progress"]


@pytest.mark.parametrize("lines", [1, 8, 17])
def test_killed_run_goes_on_exactly(strips, whole, tmp_path, lines):
    folder = tmp_path / "run"
    process = start(TRAIN, "--dataroot", strips, "--name", "run", "--checkpoints_dir", tmp_path, *RUN)
    stop_when(process, folder / "loss_log.jsonl", lines, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, process.stderr.read()[-2000:]
    assert len(losses(folder)) < len(losses(whole))
    run(TRAIN, "--continue_train", "--name", "run", "--checkpoints_dir", tmp_path)
    assert_equal_runs(folder, whole)


def test_run_killed_again_and_again_arrives(strips, whole, tmp_path):
    """Kills at random moments, those of saving among them."""
    process = start(TRAIN, "--dataroot", strips, "--name", "run", "--checkpoints_dir", tmp_path, *RUN)
    generator = random.Random(5)
    for kill in range(3):
        stop_when(process, tmp_path / "run" / "loss_log.jsonl", 4 * kill + generator.randrange(3), signal.SIGKILL)
        process = start(
            TRAIN, "--continue_train", "--name", "run", "--checkpoints_dir", tmp_path, "--dataroot", strips, *RUN
        )
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors[-2000:]
    assert_equal_runs(tmp_path / "run", whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_run_saves_and_says_how_to_go_on(strips, whole, tmp_path, number):
    folder = tmp_path / "run"
    process = start(TRAIN, "--dataroot", strips, "--name", "run", "--checkpoints_dir", tmp_path, *RUN)
    stop_when(process, folder / "loss_log.jsonl", 5, number)
    output = process.stdout.read()
    assert process.returncode == 0, process.stderr.read()[-2000:]
    assert "--continue_train --name run" in output.splitlines()[-1]
    assert len(losses(folder)) < len(losses(whole))
    run(TRAIN, "--continue_train", "--name", "run", "--checkpoints_dir", tmp_path)
    assert_equal_runs(folder, whole)


def test_run_is_prolonged(strips, whole, tmp_path):
    arguments = ["--name", "run", "--checkpoints_dir", tmp_path]
    run(TRAIN, "--dataroot", strips, *arguments, *RUN, "--max_steps", "7")
    assert losses(tmp_path / "run")[-1]["step"] <= 7
    run(TRAIN, "--continue_train", *arguments, "--max_steps", "1000")
    assert_equal_runs(tmp_path / "run", whole)


def test_learning_rate_is_changed_on_resume(strips, tmp_path):
    arguments = ["--name", "run", "--checkpoints_dir", tmp_path]
    run(TRAIN, "--dataroot", strips, *arguments, *RUN, "--max_steps", "5")
    run(TRAIN, "--continue_train", *arguments, "--max_steps", "9", "--lr", "0.01")
    rates = {record["step"]: record["lr"] for record in losses(tmp_path / "run")}
    assert rates[1] == 0.0002 and rates[7] == 0.01


def test_finished_run_changes_nothing(whole):
    before = losses(whole)
    done = run(TRAIN, "--continue_train", "--name", "run", "--checkpoints_dir", whole.parent)
    assert losses(whole) == before
    assert "python test.py" in done.stdout.splitlines()[-1]


def test_second_run_does_not_overwrite_the_first(strips, whole):
    before = (whole / "latest_net_G.pth").read_bytes()
    done = run(TRAIN, "--dataroot", strips, "--name", "run", "--checkpoints_dir", whole.parent, *RUN, status=2)
    assert "--continue_train" in done.stderr and "--overwrite" in done.stderr
    assert (whole / "latest_net_G.pth").read_bytes() == before
