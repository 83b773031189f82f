"""Two real processes on the CPU do the work of one: the same gradients, the same scores, one log, one message."""

from __future__ import annotations

import csv
import os
import signal
import time
from pathlib import Path

import pytest
import tiny
import torch
from commands import REPOSITORY, SMALL, losses, run, start, torchrun

TRAIN, TEST = str(REPOSITORY / "train.py"), str(REPOSITORY / "test.py")
R2GAN = ["--ngf", "4", "--ndf", "4", "--n_blocks", "1", "--no_dropout", "--crop_size", "32", "--load_size", "32"]
GRADIENTS = str(REPOSITORY / "tests" / "workers" / "gradients.py")


@pytest.fixture(scope="module")
def strips(tmp_path_factory) -> Path:
    return tiny.make_strips(tmp_path_factory.mktemp("data") / "train", 9).parent


@pytest.fixture(scope="module")
def trained(strips, tmp_path_factory) -> Path:
    """Return the checkpoints of a run that two processes have trained."""
    checkpoints = tmp_path_factory.mktemp("checkpoints")
    torchrun(
        2,
        TRAIN,
        "--dataroot",
        strips,
        "--name",
        "two",
        "--checkpoints_dir",
        checkpoints,
        *SMALL,
        "--n_epochs",
        "2",
        "--n_epochs_decay",
        "0",
    )
    return checkpoints


# Without any norm the first step of Adam divides by gradients near zero: rounding in float32 then reaches G through D.
@pytest.mark.parametrize(("norm", "dtype"), [("instance", "float32"), ("none", "float64")])
def test_half_a_batch_each_gives_the_gradients_of_the_whole(tmp_path, norm, dtype):
    words = [dtype, *R2GAN, "--norm", norm]
    run(GRADIENTS, tmp_path / "one", *words)
    torchrun(2, GRADIENTS, tmp_path / "two", *words)
    one = torch.load(tmp_path / "one.0")
    for rank in (0, 1):
        two = torch.load(tmp_path / f"two.{rank}")
        assert one.keys() == two.keys() == {"G", "D"}
        for name in one:
            assert one[name].abs().max() > 1e-3  # there is something to compare
            difference = (one[name] - two[name]).norm() / one[name].norm()
            assert difference <= 1e-6, f"optimizer {name} on rank {rank}: {difference:.1e}"


def test_half_a_batch_each_gives_refusion_the_same_gradients(tmp_path):
    """F and R: those of the whole batch. P: the mean of what each process's own virtual step says, on both."""
    words = ["float32", "--model", "refusion", "--crop_size", "32", "--meta_accumulation", "1"]
    run(GRADIENTS, tmp_path / "one", *words)
    torchrun(2, GRADIENTS, tmp_path / "two", *words)
    one, first, second = (torch.load(tmp_path / name) for name in ("one.0", "two.0", "two.1"))
    for name in "FR":
        assert (one[name] - first[name]).norm() <= 1e-4 * one[name].norm(), name
        assert torch.equal(first[name], second[name])
    assert first["P"].abs().max() > 0 and torch.equal(first["P"], second["P"])


def test_ignet_takes_the_same_step_on_both_processes(tmp_path):
    """Batch statistics are each process's own, so its gradient is not that of the whole batch; the step is one."""
    torchrun(2, GRADIENTS, tmp_path / "two", "float32", "--model", "ignet", "--crop_size", "32")
    first, second = (torch.load(tmp_path / name)["G"] for name in ("two.0", "two.1"))
    assert first.abs().max() > 0 and torch.equal(first, second)


def test_rank_zero_alone_writes_the_log(trained, strips):
    records = losses(trained / "two")
    # 9 strips on 2 processes are 5 each (one comes twice): 2+2, 2+2 and 1+1 images an epoch.
    assert [record["total_iters"] for record in records] == [4, 8, 10, 14, 18, 20]
    assert [record["step"] for record in records] == [1, 2, 3, 4, 5, 6]


def test_two_processes_resume_exactly(trained, strips, tmp_path):
    arguments = ["--name", "two", "--checkpoints_dir", tmp_path]
    torchrun(
        2,
        TRAIN,
        "--dataroot",
        strips,
        *arguments,
        *SMALL,
        "--n_epochs",
        "2",
        "--n_epochs_decay",
        "0",
        "--max_steps",
        "2",
    )
    torchrun(2, TRAIN, "--continue_train", *arguments, "--max_steps", "100")
    assert losses(tmp_path / "two") == losses(trained / "two")


def test_every_pair_is_scored_once(trained, tmp_path):
    """Seven pairs of two sizes on two processes: the table equals that of one process to the last digit."""
    tiny.make_pairs(tmp_path / "data" / "test", 7, ((24, 30), (31, 45)))
    arguments = [
        TEST,
        "--dataroot",
        tmp_path / "data",
        "--name",
        "two",
        "--checkpoints_dir",
        trained,
        "--gpu_ids",
        "-1",
        "--batch_size",
        "2",
    ]
    run(*arguments, "--results_dir", tmp_path / "one")
    torchrun(2, *arguments, "--results_dir", tmp_path / "two")
    one, two = (
        list(csv.reader(open(tmp_path / folder / "two" / "test_latest" / "metrics.csv"))) for folder in ("one", "two")
    )
    assert len(one) == 1 + 7 + 3  # mean, standard deviation and median
    assert one == two
    pictures = sorted(path.name for path in (tmp_path / "two" / "two" / "test_latest" / "images").glob("*_fused.png"))
    assert len(pictures) == 7


def test_bad_input_is_told_once_and_ends_all(tmp_path):
    tiny.write(tmp_path / "data" / "train" / "A" / "one.png", tiny.make_image(0))
    done = run(
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node=2",
        TRAIN,
        "--dataroot",
        tmp_path / "data",
        "--name",
        "bad",
        "--checkpoints_dir",
        tmp_path,
        *SMALL,
        status=1,
    )  # torchrun's own status; our processes leave with 2
    assert done.stderr.count("train.py: error:") == 1
    assert "exitcode  : 2" in done.stderr
    assert not (tmp_path / "bad").exists()


def wait_until(reached, launcher) -> None:
    """Wait until ``reached()`` is true, while the launcher runs and for two minutes at most."""
    deadline = time.monotonic() + 120
    while not reached():
        assert launcher.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)


def children(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_when_a_rank_dies_the_run_ends(strips, tmp_path):
    launcher = start(
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node=2",
        TRAIN,
        "--dataroot",
        strips,
        "--name",
        "die",
        "--checkpoints_dir",
        tmp_path,
        *SMALL,
        "--n_epochs",
        "5000",
        "--save_latest_freq",
        "8",
    )
    wait_until((tmp_path / "die" / "latest_train_state.pth").exists, launcher)
    ranks = {
        Path(f"/proc/{child}/environ").read_bytes().split(b"LOCAL_RANK=")[1][:1]: child
        for child in children(launcher.pid)
        if b"LOCAL_RANK=" in Path(f"/proc/{child}/environ").read_bytes()
    }
    os.kill(ranks[b"1"], signal.SIGKILL)
    _, errors = launcher.communicate(timeout=90)
    assert launcher.returncode != 0
    assert "rank      : 1" in errors and "SIGKILL" in errors
    assert not any(Path(f"/proc/{child}").exists() for child in ranks.values())
    torch.load(tmp_path / "die" / "latest_train_state.pth", weights_only=True)  # whole, whatever the moment


def test_signal_to_the_launcher_saves_on_all_ranks(strips, trained, tmp_path):
    """torchrun hands SIGTERM to the whole group of each process, its loader workers included."""
    words = [
        "--dataroot",
        strips,
        "--name",
        "stop",
        "--checkpoints_dir",
        tmp_path,
        *SMALL,
        "--num_threads",
        "2",
        "--n_epochs",
        "5000",
    ]
    launcher = start("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", TRAIN, *words)
    log = tmp_path / "stop" / "loss_log.jsonl"
    wait_until(lambda: log.exists() and log.read_text().count("\n") >= 8, launcher)
    launcher.send_signal(signal.SIGTERM)
    output, errors = launcher.communicate(timeout=90)
    assert "everything is saved" in output, errors[-3000:]
    state = torch.load(tmp_path / "stop" / "latest_train_state.pth", weights_only=True)
    assert state["progress"]["step"] >= losses(tmp_path / "stop")[-1]["step"] > 0
