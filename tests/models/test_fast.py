"""``--fast``: every way of computing a method's networks gives the same picture."""

from __future__ import annotations

import pytest
import torch

import models
from models import fast
from models.networks import shortcuts, strips, winograd
from scripts.bench_inference import draw_weights
from util.inference import fuse_images

LEARNERS = [name for name in models.model_names() if models.find_model(name).learns()]


@pytest.fixture
def fuse(make_model, make_batch, monkeypatch):
    """Return a function: the fused pictures of a method with flags, and the model; weights and statistics are drawn."""
    monkeypatch.setattr(winograd, "_PIXELS", 1)
    monkeypatch.setattr(winograd, "_CHANNELS", 8)
    monkeypatch.setattr(strips, "STRIP_ELEMENTS", 20_000)
    batch = make_batch(2, 40, 56)

    def run(name: str, *flags: str):
        model = make_model(name, *flags, is_train=False)
        for network in model.networks.values():
            draw_weights(network)
        model.speed_up()
        return fuse_images(model, batch["A"], batch["B"]), model

    return run


@pytest.mark.parametrize("name", LEARNERS)
def test_exact_is_as_the_layers_are_written(name, fuse):
    plain, _ = fuse(name, "--fast", "off")
    quick, model = fuse(name)
    assert model.opt.fast == "exact"
    assert (quick - plain).abs().max() < 1e-4
    assert plain.std() > 0.01


@pytest.mark.parametrize("name", LEARNERS)
def test_half_precision_is_near(name, fuse, monkeypatch):
    """Emulated where the processor has none."""
    exact, _ = fuse(name)
    monkeypatch.setattr(fast, "has_bfloat16", lambda device: True)
    half, model = fuse(name, "--fast", "bf16")
    assert model.opt.fast == "bf16"
    difference = (half - exact).abs()
    assert difference.max() < 0.03 and difference.mean() < 0.005  # drawn weights are less tame than trained ones


def test_half_precision_is_not_emulated_for_users(fuse, monkeypatch, capsys):
    monkeypatch.setattr(fast, "has_bfloat16", lambda device: False)
    exact, _ = fuse("r2gan")
    instead, model = fuse("r2gan", "--fast", "bf16")
    assert model.opt.fast == "exact" and torch.equal(instead, exact)
    assert "--fast bf16: this processor has no quick bfloat16, so --fast exact is taken" in capsys.readouterr().err


def test_off_takes_no_shortcut(fuse, monkeypatch):
    asked = []
    monkeypatch.setattr(winograd, "prepare", lambda *arguments, **_: asked.append(1))
    fuse("r2gan", "--fast", "off", "--ngf", "8")
    assert not asked
    with torch.inference_mode(), shortcuts.forbidden():
        assert not shortcuts.open_for(torch.zeros(1))


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_norms_are_folded_where_they_are_fixed(norm, fuse):
    plain, _ = fuse("r2gan", "--fast", "off", "--norm", norm)
    quick, model = fuse("r2gan", "--norm", norm)
    kinds = {type(module).__name__ for module in model.net_G.modules()}
    assert any(kind.startswith("InstanceNorm") for kind in kinds) == (norm == "instance")
    assert "BatchNorm2d" not in kinds
    assert (quick - plain).abs().max() < 1e-4
