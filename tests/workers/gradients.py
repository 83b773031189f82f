"""Writes the gradients of one update of each network: run alone, or by torchrun with a share of the batch on each.

python gradients.py OUT.pt DTYPE --model NAME ...     (every process writes OUT.pt.RANK)
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import torch

import models
from options.train_options import TrainOptions
from util import distributed
from util.launch import run_script


def main() -> None:
    out, dtype, *words = sys.argv[1:]
    torch.set_default_dtype(getattr(torch, dtype))
    # Weights are drawn before the group is joined and differ on purpose: joining must make them equal.
    opt = TrainOptions().parse(["--dataroot", ".", "--gpu_ids", "-1", *words])
    distributed.launched()
    distributed.start(opt)
    torch.manual_seed(distributed.rank())
    model = models.create_model(opt)
    gradients = record_gradients(model)
    model.train_on(share(make_batch()))
    model.prelude = model.count_prelude(1)
    model.start_epoch(1)
    for _ in range(model.prelude):  # networks that learn in a phase of their own
        model.train_on(share(make_batch()))
    torch.save(gradients, f"{out}.{distributed.rank()}")
    distributed.finish()


def record_gradients(model) -> dict:
    """Let each optimiser keep the gradients that it is about to use."""
    gradients = {}
    for name, optimizer in model.optimizers.items():

        def keep(optimizer, _arguments, _keywords, name=name):
            gradients[name] = torch.cat(
                [parameter.grad.reshape(-1) for group in optimizer.param_groups for parameter in group["params"]]
            )

        optimizer.register_step_pre_hook(keep)
    return gradients


def make_batch(size: int = 4) -> dict:
    images = torch.rand(3, size, 3, 32, 32, generator=torch.Generator().manual_seed(9))
    return {"A": images[0], "B": images[1], "GT": images[2], "name": [str(number) for number in range(size)]}


def share(batch: dict) -> dict:
    rank, world = distributed.rank(), distributed.world_size()
    return {key: value[rank::world] for key, value in batch.items()}


if __name__ == "__main__":
    run_script(main)
