"""What the options of a training run do, seen in its files; each run is a real one, small, in this process."""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path

import pytest
import tiny
import torch
from commands import SMALL, call, losses

SHORT = [*SMALL, "--n_epochs", "1", "--n_epochs_decay", "0", "--no_html"]


@pytest.fixture(scope="module")
def strips(tmp_path_factory) -> Path:
    return tiny.make_strips(tmp_path_factory.mktemp("data") / "train", 6).parent


@pytest.fixture
def train(strips, tmp_path, monkeypatch, capsys):
    """Return a function that trains with more options and gives the run's folder; ``status`` is what is expected."""

    def run(*options: str, name: str = "run", status: int = 0) -> Path:
        found, output, errors = call(
            "train.py",
            "--dataroot",
            str(strips),
            "--name",
            name,
            "--checkpoints_dir",
            str(tmp_path),
            *SHORT,
            *options,
            monkeypatch=monkeypatch,
            capsys=capsys,
        )
        assert found == status, output + errors
        run.output, run.errors = output, errors
        return tmp_path / name

    return run


def weights(folder: Path, name: str = "latest_net_G.pth") -> dict:
    return torch.load(folder / name, weights_only=True)


def test_one_seed_gives_one_run_and_another_another(train):
    first, second, third = train(name="first"), train(name="second"), train("--seed", "1", name="third")
    assert losses(first) == losses(second) != losses(third)


def test_loaders_change_nothing(train):
    assert losses(train(name="none")) == losses(train("--num_threads", "2", name="two"))


def test_log_has_full_precision_and_times(train):
    folder = train()
    record = json.loads((folder / "loss_log.jsonl").read_text().splitlines()[0])
    assert set(record["losses"]) == {"G_GAN", "G_L1", "G_rec_A", "G_rec_B", "D_real", "D_fake"}
    assert record["lr"] == 0.0002 and record["time"] > 0
    assert record["data_time"] + record["compute_time"] == pytest.approx(record["time"])
    assert len(repr(record["losses"]["G_L1"])) > 8  # not rounded to three digits
    text = (folder / "loss_log.txt").read_text()
    assert f"(epoch: 1, iters: {record['iter']}, time: " in text and "G_GAN: " in text


def test_learning_rate_follows_the_plan(train):
    folder = train("--n_epochs", "2", "--n_epochs_decay", "3", "--lr", "0.01")
    rates = {record["epoch"]: record["lr"] for record in losses(folder)}
    assert rates == pytest.approx({1: 0.01, 2: 0.01, 3: 0.0075, 4: 0.005, 5: 0.0025})
    assert "learning rate (linear): 0.01 at epoch 1" in train.output


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (["--lr_policy", "step", "--lr_decay_iters", "2"], [1, 1, 0.1, 0.1]),
        (["--lr_policy", "cosine"], [0.5 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(4)]),
        (["--lr_policy", "exponential", "--lr_gamma", "0.5"], [1, 0.5, 0.25, 0.125]),
    ],
)
def test_other_policies(train, policy, expected):
    folder = train("--n_epochs", "4", "--lr", "0.01", *policy)
    rates = {record["epoch"]: record["lr"] for record in losses(folder)}
    assert list(rates.values()) == pytest.approx([0.01 * factor for factor in expected])


def test_plateau_drops_the_rate_when_the_score_stands_still(train, strips):
    # No learning at all (tiny rate): the score cannot become better, and patience ends.
    folder = train(
        "--n_epochs", "9", "--lr", "1e-12", "--lr_policy", "plateau", "--val_dataroot", str(strips / "train")
    )
    rates = [record["lr"] for record in losses(folder)]
    assert rates[0] == 1e-12 and rates[-1] == pytest.approx(2e-13)


def test_accumulated_gradients_are_those_of_the_large_batch(train):
    """Without batch statistics, dropout and an adversary's own moves, two batches of 1 make the update of one of 2."""
    same = [
        "--norm",
        "instance",
        "--no_dropout",
        "--no_flip",
        "--serial_batches",
        "--max_steps",
        "1",
        "--gan_mode",
        "lsgan",
        "--lr",
        "1e-3",
    ]
    whole = weights(train(*same, "--batch_size", "2", name="whole"))
    parts = weights(train(*same, "--batch_size", "1", "--accumulate", "2", name="parts"))
    single = weights(train(*same, "--batch_size", "1", name="single"))

    # Adam's first step is about lr for every weight with a gradient: compare where it went.
    def distance(other):
        moved = [(whole[key] - other[key]).abs().flatten() for key in whole if key.endswith("weight")]
        return torch.cat(moved).mean().item()

    assert distance(parts) < 0.2 * distance(single)


def test_moving_average_is_what_is_saved(train):
    folder = train("--ema", "0.9")
    state = torch.load(folder / "latest_train_state.pth", weights_only=True)["state"]
    saved, trained, average = weights(folder), state["networks"]["G"], state["averages"]["G"]
    assert all(torch.equal(saved[key], average[key]) for key in saved)
    assert any(not torch.equal(saved[key], trained[key]) for key in saved)


@pytest.mark.parametrize(
    "option",
    [
        ["--clip_grad", "0.001"],
        ["--amp", "bf16"],
        ["--channels_last"],
        ["--netD", "basic"],
        ["--netD", "n_layers", "--n_layers_D", "2"],
        ["--gan_mode", "lsgan"],
        ["--gan_mode", "wgangp"],
        ["--norm", "instance"],
        ["--norm", "none"],
        ["--untied_decoders"],
        ["--color", "luma"],
        ["--rotate", "quarter", "--flip_vertical"],
    ],
    ids=" ".join,
)
def test_option_changes_the_run(train, option):
    # Dropout falls elsewhere in another memory order.
    same = ["--no_dropout"] if option == ["--channels_last"] else []
    plain, other = train(*same, name="plain"), train(*option, *same, name="other")
    first, second = losses(plain), losses(other)
    assert all(math.isfinite(value) for record in second for value in record["losses"].values())
    # The memory order may change rounding only (Adam's first steps enlarge it); all else changes what is learned.
    if option == ["--channels_last"]:
        assert second[0]["losses"] == pytest.approx(first[0]["losses"], rel=1e-5)
    else:
        assert first != second


def test_validation_keeps_the_best_networks(train, strips):
    folder = train("--n_epochs", "3", "--lr", "0.01", "--val_dataroot", str(strips / "train"))
    records = [json.loads(line) for line in (folder / "val_log.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2, 3]
    scores = [record["scores"]["PSNR_GT"] for record in records]
    progress = torch.load(folder / "latest_train_state.pth", weights_only=True)["progress"]
    assert progress["best_score"] == max(scores) and progress["best_epoch"] == 1 + scores.index(max(scores))
    assert (folder / "best_net_G.pth").is_file()


def test_snapshots_are_kept(train):
    folder = train("--n_epochs", "4", "--save_epoch_freq", "2")
    kept = sorted(path.name for path in folder.glob("*_net_G.pth"))
    assert kept == ["2_net_G.pth", "4_net_G.pth", "latest_net_G.pth"]


def test_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(train):
    folder = train(
        "--n_epochs",
        "200",
        "--norm",
        "none",
        "--lr",
        "1e18",
        "--max_steps",
        "50",
        "--print_freq",
        "1",
        "--save_latest_freq",
        "2",
        status=1,
    )
    assert "not finite" in train.errors and "epoch 1" in train.errors
    assert len(train.errors.strip().splitlines()) == 1
    for path in folder.glob("latest_*.pth"):
        content = torch.load(path, weights_only=True)
        tensors = content.values() if "format" not in content else content["state"]["networks"]["G"].values()
        assert all(torch.isfinite(tensor).all() for tensor in tensors)


def test_full_disk_ends_in_a_sentence_and_keeps_the_last_state(train, strips, tmp_path):
    """A file system of a few hundred kilobytes, on which the second run finds no room."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(small)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        folder = train("--checkpoints_dir", str(small), "--max_steps", "1") and small / "run"
        state = (folder / "latest_train_state.pth").read_bytes()
        room = os.statvfs(small)
        (small / "ballast").write_bytes(bytes(max(0, room.f_bavail * room.f_bsize - 20_000)))
        train("--checkpoints_dir", str(small), "--continue_train", "--max_steps", "3", status=1)
        assert "the disk is full" in train.errors and "--continue_train" in train.errors
        assert len(train.errors.strip().splitlines()) == 1
        assert (folder / "latest_train_state.pth").read_bytes() == state
        assert not list(folder.glob(".*tmp*"))
        (small / "ballast").unlink()
        train("--checkpoints_dir", str(small), "--continue_train", "--max_steps", "3")
        assert losses(folder)[-1]["step"] == 3
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_skipped_pairs_are_counted_at_the_end(train, strips, tmp_path):
    data = tmp_path / "data"
    tiny.make_strips(data / "train", 3)
    (data / "train" / "broken.png").write_bytes(b"")
    train("--dataroot", str(data), "--skip_bad")
    assert "left out 1" in train.output and "broken.png" in train.output


def test_compiled_network_keeps_its_names(train):
    folder = train("--compile", "--max_steps", "1")
    assert weights(folder).keys() == weights(train("--max_steps", "1", name="plain")).keys()


def test_progress_tells_data_time_from_compute_time(train):
    train()
    line = next(line for line in train.output.splitlines() if line.startswith("(epoch: 1"))
    for words in ("images/s", "data ", "compute ", "GiB", "ETA "):
        assert words in line


def test_asking_for_a_missing_gpu_says_which_exist(train):
    if torch.cuda.is_available():
        train("--gpu_ids", "99", status=2)
        assert "has only 0" in train.errors
    else:
        train("--gpu_ids", "0,1", "--max_steps", "1")
        assert "no CUDA device" in train.errors
