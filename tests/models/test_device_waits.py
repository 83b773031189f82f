"""No update waits for the device: nothing is read from it, and what is sent to it goes without waiting.

A wait costs a GPU the work that could have been queued meanwhile. The device here is torch's "meta", which computes
shapes alone: it has nothing to read, so that whatever asks for a value fails, and copies to it are seen.
"""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import models
from util import lazy

LEARNING = [name for name in models.model_names() if models.find_model(name).learns()]
CASES = [(name,) for name in LEARNING] + [
    ("r2gan", "--gan_mode", "wgangp", "--norm", "instance"),
    ("fusion2void", "--warmup_updates", "9", "--lr_policy", "cosine_wave"),
    ("refusion", "--legacy_accumulate"),
]


class Watch(TorchDispatchMode):
    """Refuses operations between the processor and the device after which the processor has to wait."""

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        keywords = keywords or {}
        result = operation(*arguments, **keywords)
        tensors = [leaf for leaf in tree_leaves((arguments, result)) if isinstance(leaf, torch.Tensor)]
        devices = {tensor.device.type for tensor in tensors if tensor.ndim}
        # A tensor of Python's numbers on the device, or an index by a list, has been copied there before this.
        listed = operation is torch.ops.aten.lift_fresh.default and "meta" in devices
        queued = keywords.get("non_blocking") and result.device.type == "meta" if len(devices) > 1 else True
        assert queued and not listed, f"{operation} waits for the device"
        return result


@pytest.fixture
def on_the_device(monkeypatch):
    """Let torch take "meta" for a device on which precision can be chosen."""
    for place in (torch, lazy.torch):  # which keeps what it was asked for before
        monkeypatch.setattr(place, "autocast", lambda *_, **__: contextlib.nullcontext())
        monkeypatch.setattr(place, "is_autocast_enabled", lambda *_: False)


@pytest.fixture
def make_model(make_options, on_the_device):
    def make(name: str, *flags: str):
        small = ("--ngf", "8", "--ndf", "8", "--crop_size", "32", "--load_size", "32", "--accumulate", "1")
        opt = make_options(name, *small, "--ema", "0.9", "--clip_grad", "1", *flags)
        opt.device = "meta"
        model = models.create_model(opt)
        for optimizer in model.optimizers.values():
            for group in optimizer.param_groups:
                group["fused"] = False  # for which torch has no stand-in
        return model

    return make


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_an_update_does_not_wait(case, make_model, make_training_batch):
    model, batch = make_model(*case), make_training_batch(case[0])
    model.prelude = model.count_prelude(1)
    with Watch():
        moved = [model.train_on(batch) for _ in range(model.prelude + 2)]
    assert all(moved[-2:]) and model.batches_seen == len(moved)


def test_reading_the_losses_would_be_noticed(make_model, make_training_batch):
    model = make_model("r2gan")
    model.train_on(make_training_batch("r2gan"))
    for read in (model.get_current_losses, model.check_finite):
        with pytest.raises(RuntimeError, match="[Mm]eta"):
            read()


@pytest.mark.parametrize(
    "work",
    [
        lambda x: x[[1, 0]],
        lambda x: torch.tensor([1.0, 2.0], device=x.device),
        lambda x: x + torch.ones(3).to(x.device),
        lambda x: torch.empty_like(x).copy_(torch.ones(3)),
    ],
    ids=["index by a list", "numbers", "copy", "copy in place"],
)
def test_a_copy_that_waits_is_noticed(work):
    x = torch.zeros(3, device="meta")
    with Watch(), pytest.raises(AssertionError, match="waits"):
        work(x)


def test_a_copy_that_is_queued_is_allowed():
    with Watch():
        assert torch.ones(3).to("meta", non_blocking=True).device.type == "meta"
