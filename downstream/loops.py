"""Training a network on a method's pictures, and scoring one on them."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence

from data.fused_folders import FusedFolder
from downstream.labels import Labels, Scene
from downstream.scenes import Samples, make_loader
from downstream.summary import Summary
from downstream.tasks import Task
from util.errors import RunError, UserError
from util.lazy import torch
from util.logger import log

MOMENTUM, WEIGHT_DECAY = 0.9, 1e-4  # of torchvision's reference trainings
WARM_UP, WARM_UP_SHARE = 1000, 0.1  # updates over which the rate rises, but at most this part of all
POWER = 0.9  # by which the rate falls, (1 - progress) ** POWER (Chen et al., DeepLab, TPAMI 2018)


def train_network(
    network: torch.nn.Module, pictures: FusedFolder, scenes: Sequence[Scene], task: Task, opt: argparse.Namespace
) -> None:
    """Train by stochastic gradient descent; the rate rises linearly, then falls to nothing.

    Args:
        network: on any device; it is moved to ``opt.device`` and left in evaluation mode.
        opt: epochs, batch_size, lr, no_flip, seed, num_threads, device.

    Raises:
        RunError: the loss is no longer a finite number.
        UserError: a file has turned bad since it was checked.
    """
    network.to(opt.device).train()
    loader = make_loader(Samples(pictures.files, scenes, task, train=True, seed=opt.seed, flip=not opt.no_flip), opt)
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, opt.lr, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    updates, done, begun = opt.epochs * len(loader), 0, time.perf_counter()
    for epoch in range(1, opt.epochs + 1):
        loader.sampler.set_position(epoch)
        total = 0.0
        for batch in loader:
            for group in optimizer.param_groups:
                group["lr"] = opt.lr * rate_factor(done, updates)
            loss = task.loss(network, _checked(batch), opt.device)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
            total += loss.item()
        if not math.isfinite(total):
            raise RunError(f"{pictures.method}: the loss is not finite in epoch {epoch}; train with a smaller --lr")
        seconds = time.perf_counter() - begun
        log(f"{pictures.method}: epoch {epoch}/{opt.epochs}, loss {total / len(loader):.4f}, {seconds:.0f} s")
    network.eval()


def rate_factor(done: int, updates: int) -> float:
    """Return what the learning rate is multiplied by in update ``done`` (from 0) of ``updates``."""
    rise = min(WARM_UP, max(1, round(WARM_UP_SHARE * updates)))
    return min(1.0, (done + 1) / rise) * (1 - done / updates) ** POWER


def score_network(
    network: torch.nn.Module,
    pictures: FusedFolder,
    labels: Labels,
    classes: Sequence[str],
    task: Task,
    opt: argparse.Namespace,
) -> Summary:
    """Score a network that knows ``classes`` on a method's pictures of all scenes, for the classes of the labels.

    Raises:
        UserError: a file has turned bad since it was checked.
    """
    network.to(opt.device).eval()
    score = task.make_score(labels, classes)
    with torch.inference_mode():
        for batch in make_loader(Samples(pictures.files, labels.scenes, task, train=False), opt):
            for image, truth in _checked(batch):
                score.add(truth, task.predict(network, image.to(opt.device)))
    return score.summary()


def _checked(batch: list | UserError) -> list:
    if isinstance(batch, UserError):
        raise batch
    return batch
