"""The benchmark of training: the transcribed steps are ours in another order, and every phase has its rows."""

from __future__ import annotations

import importlib
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from scripts import bench_train
from scripts.contestants import training
from scripts.contestants.training import Case
from util import distributed

SIZES = {"r2gan": 16, "fusion2void": 24, "refusion": 16, "ignet": 64, "blurcnn": 32}
FLAGS = {"r2gan": ("--no_dropout",), "blurcnn": ("--patches_per_photo", "3"), "ignet": ("--legacy_interleave",)}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_case(tmp_path, monkeypatch):
    """Return a function: a small case of a method; ``--num_threads 0``, as workers take long to start."""

    def make(name: str, phase: str = "", variant: str = "plain") -> Case:
        flags = Case.flags
        monkeypatch.setattr(Case, "flags", lambda case: [*flags(case), *FLAGS.get(case.name, ())])
        return Case(name, phase, variant, str(tmp_path), 2, SIZES[name], threads=1, workers=0)

    return make


def make_both(case: Case):
    """Return our update and the original's, on the same weights and batch."""
    ours, theirs = training.make_model(case), training.make_model(case)
    batch = training.draw_batch(ours)
    theirs.set_input(batch)
    transcribed = importlib.import_module(f"scripts.originals.training.{case.name}")
    original = transcribed.make_update(theirs, case.phase)
    return training.make_update(ours, itertools.repeat(batch)), original


def test_the_learned_loss_takes_the_same_step_in_both_orders_of_work(make_case):
    ours, original = make_both(make_case("refusion", "A"))
    before = {name: weight.detach().clone() for name, weight in ours.model.net_P.named_parameters()}
    assert ours()["pairs"] == original()["pairs"] == 8
    rate = ours.model.opt.lr
    steps = [
        torch.cat([((weights[name] - value) / rate).flatten() for name, value in before.items()])
        for weights in (dict(ours.model.net_P.named_parameters()), original.training.proposal)
    ]
    assert steps[0].abs().max().item() == pytest.approx(1, abs=1e-2), "the step's largest part is the rate"
    torch.testing.assert_close(steps[0], steps[1], rtol=0, atol=1e-2)


def test_the_networks_take_the_same_step_in_both_orders_of_work(make_case):
    ours, original = make_both(make_case("refusion", "B"))
    for _ in range(2):
        losses, expected = ours()["losses"], original()["losses"]
    assert expected["rebuilding"] == pytest.approx(losses["R_int"] + losses["R_grad"], rel=1e-4)
    assert expected["fusion"] == pytest.approx(losses["F_int"] + losses["F_grad"] / 50, rel=1e-4)


@pytest.mark.parametrize("name", ["r2gan", "ignet", "blurcnn", "fusion2void"])
def test_the_original_has_our_losses_after_its_own_step(name, make_case, monkeypatch):
    """The second update sees the weights that the first one has made."""
    if name == "r2gan":  # dropout draws other numbers in another order: there it is left out on both sides
        monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, *_: x)
    ours, original = make_both(make_case(name))
    for _ in range(2):
        torch.manual_seed(3)
        losses = ours()
        torch.manual_seed(3)
        expected = original()
    assert losses["pairs"] == expected["pairs"]
    for key, value in expected["losses"].items():
        assert value == pytest.approx(losses["losses"][key], rel=1e-3), key


def test_the_clock_tells_the_parts_of_an_update_and_leaves_torch_as_it_was():
    functions = torch.autograd.backward, torch.autograd.grad, distributed.all_reduce_gradients
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

    clock = training.Clock(torch.device("cpu"))
    with clock.watching():
        with clock.timing("data"):
            time.sleep(0.02)
        Slow.apply(weight).backward()
        torch.autograd.grad(Slow.apply(weight), weight)
        distributed.all_reduce_gradients([weight])
        optimiser.step()
    parts, seconds = clock.read()
    assert parts["data"] >= 0.02 and parts["backward"] >= 0.1 and parts["optimiser"] > 0 and parts["communication"] > 0
    assert sum(parts.values()) <= seconds
    assert (torch.autograd.backward, torch.autograd.grad, distributed.all_reduce_gradients) == functions
    optimiser.step()
    assert not any(clock.read()[0].values()), "the hooks are gone, and a reading starts anew"


def test_operations_are_those_of_the_layers(make_case):
    """A product of 8x8 matrices has 2 * 8 ** 3; our network more than its forward pass, and about three times that."""
    update = training.make_update(
        model := training.make_model(make_case("fusion2void")),
        itertools.repeat(training.draw_batch(model)),
    )
    pixels, weights = 2 * 24 * 24, sum(weight.numel() for weight in model.net_F.parameters() if weight.ndim == 4)
    weights += sum(weight.numel() for weight in model.net_R.parameters() if weight.ndim == 4)
    operations = update()["operations"] / model.opt.accumulate
    assert 2.8 < operations / (2 * pixels * weights) <= 3


def test_rows_of_each_phase(repository, tmp_path):
    command = ["--model", "refusion", "--batch_size", "1", "--crop_size", "16", "--repeat", "1", "--threads", "1",
               "--variants", "plain", "--no_scaling", "--num_threads", "0",
               "--json", str(tmp_path / "rows.json")]  # fmt: skip
    done = subprocess.run(
        [sys.executable, repository / "scripts/bench_train.py", *command], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())["refusion"]["rows"]
    assert [(row["phase"], row["variant"], row["pairs"]) for row in rows] == [
        ("A", "original", 4),
        ("A", "plain", 4),
        ("B", "original", 1),
        ("B", "plain", 1),
    ]
    for row in rows:
        assert row["seconds"] > 0 and row["backward"] > 0 and sum(row[part] for part in training.PARTS) < 1
        assert 100 < row["memory_before"] <= row["memory"] < 4000
        assert ("ratio" in row) == (row["variant"] == "plain")
    assert "refusion, plain: the peak of phase A is " in done.stdout and "at the end" in done.stdout


def test_two_processes_learn_from_a_batch_each(make_case):
    case = make_case("r2gan")._replace(batch_size=1, processes=2, workers=1)
    training.write_pictures(Path(case.folder), case.name, case.crop_size)
    with bench_train.Group(case) as group:
        row = group.summarise([group.run() for _ in range(2)])
    assert row["pairs"] == 2 and row["processes"] == 2 and row["data"] > 0
    assert row["communication"] > 0.001 and row["of_product"] > 0


def test_a_method_without_phases_has_one_row_a_variant():
    assert bench_train.find_phases("r2gan") == [""] and bench_train.find_phases("refusion") == ["A", "B"]
