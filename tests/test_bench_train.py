"""The benchmark of training: the transcribed steps are ours in another order, and every phase has its rows."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
import torch

from scripts import bench_train
from scripts.originals.training import refusion

SMALL = {"batch_size": 1, "crop_size": 16, "threads": 1}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_the_learned_loss_takes_the_same_step_in_both_orders_of_work():
    ours = bench_train.make_ours("refusion", "A", "plain", *SMALL.values())
    theirs = bench_train.make_model("refusion", "A", [], *SMALL.values())
    theirs.set_input(bench_train.draw_batch(theirs))
    original = refusion.make_update(theirs, "A")
    before = {name: weight.detach().clone() for name, weight in ours.model.net_P.named_parameters()}
    assert ours()["pairs"] == original()["pairs"] == 4
    rate = ours.model.opt.lr
    steps = [
        torch.cat([((weights[name] - value) / rate).flatten() for name, value in before.items()])
        for weights in (dict(ours.model.net_P.named_parameters()), original.training.proposal)
    ]
    assert steps[0].abs().max().item() == pytest.approx(1, abs=1e-2), "the step's largest part is the rate"
    torch.testing.assert_close(steps[0], steps[1], rtol=0, atol=1e-2)


def test_the_networks_take_the_same_step_in_both_orders_of_work():
    ours = bench_train.make_ours("refusion", "B", "plain", *SMALL.values())
    original = bench_train.make_original("refusion", "B", "original", *SMALL.values())
    for _ in range(2):
        losses, expected = ours()["losses"], original()["losses"]
    assert expected["rebuilding"] == pytest.approx(losses["R_int"] + losses["R_grad"], rel=1e-4)
    assert expected["fusion"] == pytest.approx(losses["F_int"] + losses["F_grad"] / 50, rel=1e-4)


def test_the_clock_tells_the_parts_of_an_update_and_leaves_torch_as_it_was():
    functions = torch.autograd.backward, torch.autograd.grad
    weight = torch.nn.Parameter(torch.ones(()))
    optimiser = torch.optim.SGD([weight], lr=1.0)

    class Slow(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.clone()

        @staticmethod
        def backward(context, gradient):
            time.sleep(0.05)
            return gradient

    clock = bench_train.Clock()
    with clock.watching():
        Slow.apply(weight).backward()
        torch.autograd.grad(Slow.apply(weight), weight)
        optimiser.step()
    assert clock.shares["backward"] >= 0.1 and 0 < clock.shares["optimiser"]
    assert (torch.autograd.backward, torch.autograd.grad) == functions
    shares = dict(clock.shares)
    optimiser.step()
    assert clock.shares == shares, "the hooks are gone"


def test_rows_of_each_phase(repository, tmp_path):
    command = ["--model", "refusion", "--batch_size", "1", "--crop_size", "16", "--repeat", "1", "--threads", "1",
               "--variants", "plain", "--json", str(tmp_path / "rows.json")]  # fmt: skip
    done = subprocess.run(
        [sys.executable, repository / "scripts/bench_train.py", *command], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [(row["phase"], row["variant"], row["pairs"]) for row in rows] == [
        ("A", "original", 4), ("A", "plain", 4), ("B", "original", 1), ("B", "plain", 1)
    ]
    for row in rows:
        assert row["seconds"] > 0 and row["backward"] > 0 and row["backward"] + row["optimiser"] < 1
        assert 100 < row["memory_before"] <= row["memory"] < 4000
        assert ("ratio" in row) == (row["variant"] == "plain")
    assert "refusion, plain: the peak of phase A is " in done.stdout and "Load at the end" in done.stdout


def test_a_method_without_phases_has_one_row_a_variant():
    assert bench_train.find_phases("r2gan") == [""] and bench_train.find_phases("refusion") == ["A", "B"]
    update = bench_train.make_ours("r2gan", "", "plain", 1, 16, 1)
    result = update()
    assert result["pairs"] == 1 and result["backward"] > 0 and result["optimiser"] > 0
