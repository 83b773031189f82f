"""A method whose epochs have two phases (ReFusion) through train.py: stopped in either, and on two processes."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from commands import REPOSITORY, losses, run, torchrun

TRAIN = str(REPOSITORY / "train.py")
# Nine pairs from two folders: an epoch is 4 batches of the first phase and 5 of the second.
RUN = ["--model", "refusion", "--crop_size", "16", "--meta_accumulation", "1", "--meta_steps", "2", "--print_freq", "1",
       "--display_id", "0", "--num_threads", "0", "--gpu_ids", "-1", "--n_epochs", "2", "--no_html"]  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> list:
    folder = tmp_path_factory.mktemp("data")
    tiny.make_pairs(folder / "one" / "train", 5)
    tiny.make_pairs(folder / "two" / "train", 4)
    return ["--dataroot", folder / "one", "--more_dataroots", folder / "two"]


@pytest.fixture(scope="module")
def whole(sources, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    done = run(TRAIN, *sources, "--name", "run", "--checkpoints_dir", folder, *RUN)
    assert "9 pairs" in done.stdout and "Warning" not in done.stderr
    return folder / "run"


def weights(folder: Path, name: str) -> dict:
    return torch.load(folder / f"latest_net_{name}.pth", weights_only=True)


def test_an_epoch_has_both_phases(whole):
    records = losses(whole)
    # In each epoch two updates of P, of four pairs each, then five of F and R.
    assert [record["step"] for record in records] == [1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 8, 9, 9, 10, 11, 12, 13, 14]
    assert set(records[0]["losses"]) == {"F_int", "F_grad", "R_int", "R_grad", "W_mean", "W_std", "V_mean", "V_std"}
    assert all((whole / f"latest_net_{name}.pth").is_file() for name in "FPR")


@pytest.mark.parametrize("steps", [1, 8])
def test_a_run_stopped_in_either_phase_goes_on_exactly(sources, whole, tmp_path, steps):
    arguments = ["--name", "run", "--checkpoints_dir", tmp_path]
    run(TRAIN, *sources, *arguments, *RUN, "--max_steps", steps)
    run(TRAIN, "--continue_train", *arguments, "--max_steps", "100")
    assert losses(tmp_path / "run") == losses(whole)
    for name in "FPR":
        first, second = weights(whole, name), weights(tmp_path / "run", name)
        assert all(torch.equal(first[key], second[key]) for key in first), name


def test_two_processes_take_the_same_steps(sources, tmp_path):
    """Each has its share of both phases, and they stop and log together."""
    arguments = [*sources, "--checkpoints_dir", tmp_path, *RUN, "--serial_batches", "--no_flip"]
    torchrun(2, TRAIN, *arguments, "--name", "two", "--n_epochs", "1")
    records = losses(tmp_path / "two")
    # Each process gets five pairs, one of them twice: an epoch is one update of P and three of F and R.
    assert [record["step"] for record in records] == [1, 1, 2, 3, 4]
    assert records[-1]["total_iters"] == 18
