"""What every method owes the framework, for every name in the registry and for the template."""

from __future__ import annotations

import copy
import math

import pytest
import torch

import models
from util.inference import fuse_images

ALL = [*models.model_names(), "template"]
LEARNING = [name for name in ALL if models.find_model(name).learns()]


@pytest.fixture(params=ALL)
def name(request) -> str:
    return request.param


@pytest.fixture(params=LEARNING)
def learner(request) -> str:
    return request.param


def test_the_template_is_a_pattern_and_not_a_method():
    assert "template" not in models.model_names() and "base" not in models.model_names()


def test_it_says_what_it_is(name):
    model = models.find_model(name)
    assert model.title and "\n" not in model.title
    assert model.color_mode in ("rgb", "luma") and model.channels in (1, 3)


def test_it_trains(learner, make_model, make_training_batch):
    model, batch = make_model(learner), make_training_batch(learner)
    trained = model.networks[model.inference_networks[0]]
    before = {key: value.clone() for key, value in trained.state_dict().items()}
    model.prelude = model.count_prelude(1)
    moved = [model.train_on(batch) for _ in range(model.prelude + 2)]
    assert all(moved[model.prelude :]) and (not model.prelude or moved[model.prelude - 1])
    losses, visuals = model.get_current_losses(), model.get_current_visuals()
    assert set(losses) == {*model.loss_names, *model.logged_names}
    assert all(math.isfinite(value) for value in losses.values())
    assert len(visuals) >= 3 and set(visuals) <= set(model.visual_names)
    size = batch["A"].shape[-2:]
    assert all(image.shape[-2:] == size and 0 <= image.min() and image.max() <= 1 for image in visuals.values())
    assert any(not torch.equal(before[key], value) for key, value in trained.state_dict().items())


def test_it_goes_on_from_its_state_as_if_never_stopped(learner, make_model, make_training_batch):
    batch, losses = make_training_batch(learner), []
    whole, stopped = make_model(learner), make_model(learner)
    whole.prelude = stopped.prelude = whole.count_prelude(1)
    while not whole.train_on(batch):
        pass
    stopped.load_state_dict(copy.deepcopy(whole.state_dict()), "a state of this test")
    stopped.start_epoch(1, whole.batches_seen)
    for model in (whole, stopped):
        torch.manual_seed(5)
        model.train_on(batch)
        losses.append(model.get_current_losses())
    assert losses[0] == losses[1]
    for first, second in zip(whole.networks.values(), stopped.networks.values(), strict=True):
        for key, value in first.state_dict().items():
            assert torch.equal(value, second.state_dict()[key]), key


def test_its_files_give_the_same_fusion(learner, make_model, make_batch, make_training_batch):
    trained, batch = make_model(learner), make_batch()
    trained.train_on(make_training_batch(learner))
    trained.save_networks("latest")
    loaded = make_model(learner, is_train=False)
    loaded.load_networks("latest")
    expected = fuse_images(trained, batch["A"], batch["B"])
    assert torch.equal(fuse_images(loaded, batch["A"], batch["B"]), expected)


@pytest.mark.parametrize("height, width", [(1, 1), (5, 7), (33, 18), (2, 40)])
def test_it_fuses_any_size(name, height, width, make_model, make_batch):
    model, batch = make_model(name, is_train=False), make_batch(height=height, width=width)
    fused = fuse_images(model, batch["A"], batch["B"])
    assert fused.shape == (2, 3, height, width) and fused.dtype == torch.float32
    assert torch.isfinite(fused).all() and fused.min() >= 0 and fused.max() <= 1
    assert torch.equal(fused, fuse_images(model, batch["A"], batch["B"])), "two calls differ: fuse() keeps a state"


def test_gray_sources_give_a_gray_result(name, make_model, make_batch):
    model, batch = make_model(name, is_train=False), make_batch()
    a, b = (batch[key].mean(1, keepdim=True).expand(-1, 3, -1, -1) for key in "AB")
    fused = fuse_images(model, a, b)
    assert torch.equal(fused[:, 0], fused[:, 1]) and torch.equal(fused[:, 1], fused[:, 2])


def test_a_batch_is_fused_as_its_pairs_are(name, make_model, make_batch):
    model, batch = make_model(name, is_train=False), make_batch(3)
    together = fuse_images(model, batch["A"], batch["B"])
    for index in range(3):
        alone = fuse_images(model, batch["A"][index : index + 1], batch["B"][index : index + 1])
        torch.testing.assert_close(together[index : index + 1], alone, rtol=0, atol=1e-5)
