"""Models made as train.py and test.py make them: from flags, through the real option parsers, on the CPU."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import pytest
import torch

import data
import models
from models import networks
from models.base_model import BaseModel
from options.test_options import TestOptions
from options.train_options import TrainOptions
from tests.tiny import make_image, make_triplet, write

SMALL = ("--ngf", "8", "--ndf", "8", "--crop_size", "32", "--load_size", "32", "--accumulate", "1")
QUICK = {"blurcnn": ("--work_size", "native")}  # flags without which a method's tests would take minutes


@pytest.fixture(autouse=True)
def one_thread():
    """Keep torch to one thread: on pictures this small, threads wait for each other more than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_options(tmp_path) -> Callable[..., argparse.Namespace]:
    """Return a function: options of ``--model NAME`` and further flags; training by default."""

    def make(name: str, *flags: str, is_train: bool = True, seed: int = 0) -> argparse.Namespace:
        run = ["--name", "run", "--checkpoints_dir", str(tmp_path), "--dataroot", str(tmp_path), "--gpu_ids", "-1"]
        parser = TrainOptions() if is_train else TestOptions()
        if not is_train:
            (tmp_path / "run").mkdir(exist_ok=True)
            (tmp_path / "run" / "train_opt.json").write_text('{"format": 1, "name": "run", "options": {}}', "utf-8")
        opt = parser.parse([*run, "--model", name, *flags])
        opt.device = "cpu"
        return opt

    return make


@pytest.fixture
def make_model(make_options) -> Callable[..., BaseModel]:
    """Return a function: the model of ``--model NAME`` and further flags, small by default, with seeded weights."""

    def make(name: str, *flags: str, is_train: bool = True) -> BaseModel:
        small = SMALL if is_train else ("--ngf", "8")
        torch.manual_seed(0)
        return models.create_model(make_options(name, *small, *QUICK.get(name, ()), *flags, is_train=is_train))

    return make


@pytest.fixture
def make_batch() -> Callable[..., dict]:
    """Return a function: a batch of multi-focus pairs with their ground truth, as a loader would give it."""

    def make(count: int = 2, height: int = 32, width: int = 32) -> dict:
        triplets = [make_triplet(seed, height, width) for seed in range(count)]
        stacked = torch.from_numpy(np.array(triplets) / np.float32(255)).permute(1, 0, 4, 2, 3)
        images = dict(zip(("A", "B", "GT"), stacked, strict=True))
        gray = torch.zeros(count, dtype=torch.bool)
        names = [f"pair{seed}" for seed in range(count)]
        paths = {"A_path": names, "B_path": names, "GT_path": names}
        return {**images, "name": names, "A_gray": gray, "B_gray": gray, **paths}

    return make


@pytest.fixture
def make_training_batch(make_batch, tmp_path) -> Callable[[str], dict]:
    """Return a function: a batch that a method learns from, pairs or, for one that needs them, patches."""

    def make(name: str) -> dict:
        if name != "blurcnn":
            return make_batch()
        folder = tmp_path / "photographs"
        for seed in range(2):
            write(folder / f"{seed}.png", make_image(seed, 48, 64))
        flags = ["--patches_per_photo", "3", "--name", "patches", "--model", name]
        opt = TrainOptions().parse(["--dataroot", str(folder), "--checkpoints_dir", str(tmp_path), *flags])
        dataset = data.create_dataset(opt, augment=True)
        return torch.utils.data.default_collate([dataset[(1, index)] for index in range(2)])

    return make


@pytest.fixture(scope="session")
def draw_eresnet() -> Callable[[], torch.nn.Module]:
    """Return a function: an EResNet in float64 whose norms have something to do, some with a negative factor."""

    def draw() -> torch.nn.Module:
        torch.manual_seed(0)
        network = networks.build("eresnet").double()
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.dim() == 1 and tensor.is_floating_point():
                tensor.normal_()
        return network

    return draw
