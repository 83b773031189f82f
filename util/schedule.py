"""The learning rate of each epoch, or of each update."""

from __future__ import annotations

import argparse
import math

from util.lazy import torch

PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.2, 5  # as pytorch-CycleGAN-and-pix2pix has them


def rate_factor(opt: argparse.Namespace, epoch: int, updates: int = 0) -> float:
    """Return what the first learning rate is multiplied by in ``epoch`` (from 1); plateau has no plan and gives 1.

    linear: 1 for ``n_epochs``, then 1 - (epoch - n_epochs) / (n_epochs_decay + 1), so that the last epoch still moves;
    step: a tenth every ``lr_decay_iters``; cosine: half a cosine from 1 towards ``lr_min`` over all epochs;
    cosine_wave: from 1 to ``lr_min`` in ``lr_half_wave`` updates, back to 1 in as many, and so on; exponential:
    ``lr_gamma`` times that of the epoch before.
    """
    if opt.lr_policy == "linear":
        return 1.0 - max(0, epoch - opt.n_epochs) / (opt.n_epochs_decay + 1)
    if opt.lr_policy == "step":
        return 0.1 ** ((epoch - 1) // opt.lr_decay_iters)
    if opt.lr_policy == "cosine":
        return _follow_cosine(opt, (epoch - 1) / max(1, opt.n_epochs + opt.n_epochs_decay))
    if opt.lr_policy == "cosine_wave":
        return _follow_cosine(opt, updates / opt.lr_half_wave)
    if opt.lr_policy == "exponential":
        return opt.lr_gamma ** (epoch - 1)
    return 1.0


class Schedule:
    """Sets the learning rate of every optimiser at the start of an epoch, or after each update (cosine_wave)."""

    def __init__(self, opt: argparse.Namespace, optimizers: dict[str, torch.optim.Optimizer]):
        self.opt = opt
        self.optimizers = optimizers
        # What --lr asks for now: a resumed run may ask for another rate than its saved state has.
        self.rates = {name: [group["lr"] for group in optimizer.param_groups] for name, optimizer in optimizers.items()}
        self.epoch, self.updates = 1, 0
        self.plateaus = {}
        if opt.lr_policy == "plateau":
            make = torch.optim.lr_scheduler.ReduceLROnPlateau
            self.plateaus = {
                name: make(optimizer, "min", PLATEAU_FACTOR, PLATEAU_PATIENCE) for name, optimizer in optimizers.items()
            }

    def start_epoch(self, epoch: int) -> None:
        """Set the rates of ``epoch``."""
        self.epoch = epoch
        self._set_rates()

    def end_update(self) -> None:
        """Count an update of the parameters; with cosine_wave the next one has another rate."""
        self.updates += 1
        if self.opt.lr_policy == "cosine_wave":
            self._set_rates()

    def rate(self) -> float:
        """Return the current learning rate of the first optimiser."""
        return next(iter(self.optimizers.values())).param_groups[0]["lr"]

    @property
    def follows_scores(self) -> bool:
        """Whether ``end_epoch`` wants to know how well the epoch went (``--lr_policy plateau``)."""
        return bool(self.plateaus)

    def end_epoch(self, value: float) -> None:
        """Tell plateau what the epoch reached: a number that is better when lower."""
        for plateau in self.plateaus.values():
            plateau.step(value)

    def describe(self) -> str:
        """Return the plan in a line, for the start of a run."""
        opt = self.opt
        if self.plateaus:
            return (
                f"learning rate {opt.lr:g}, x {PLATEAU_FACTOR} after {PLATEAU_PATIENCE} epochs without a better score"
            )
        last = opt.n_epochs + opt.n_epochs_decay
        marks = {
            "linear": [1, opt.n_epochs, opt.n_epochs + opt.n_epochs_decay // 2, last],
            "step": range(1, last + 1, opt.lr_decay_iters),
            "cosine": [1, last // 4, last // 2, 3 * last // 4, last],
            "exponential": [1, 2, 3, last // 2, last],
        }
        if opt.lr_policy == "cosine_wave":
            return f"learning rate between {opt.lr:g} and {opt.lr_min:g}, half a wave in {opt.lr_half_wave} updates"
        epochs = sorted({epoch for epoch in marks[opt.lr_policy] if 1 <= epoch <= last})
        shown = epochs if len(epochs) <= 6 else [*epochs[:5], epochs[-1]]
        return f"learning rate ({opt.lr_policy}): " + ", ".join(
            f"{opt.lr * rate_factor(opt, epoch):.3g} at epoch {epoch}" for epoch in shown
        )

    def state_dict(self) -> dict:
        return {"updates": self.updates, **{name: plateau.state_dict() for name, plateau in self.plateaus.items()}}

    def load_state_dict(self, state: dict) -> None:
        self.updates = state.get("updates", 0)  # not there before there was a plan by updates
        for name, plateau in self.plateaus.items():
            if name in state:
                plateau.load_state_dict(state[name])

    def _set_rates(self) -> None:
        if self.plateaus:
            return
        factor = rate_factor(self.opt, self.epoch, self.updates)
        for name, optimizer in self.optimizers.items():
            for group, rate in zip(optimizer.param_groups, self.rates[name], strict=True):
                group["lr"] = rate * factor


def _follow_cosine(opt: argparse.Namespace, way: float) -> float:
    """Return the factor after ``way`` half waves of a cosine between 1 and ``lr_min``."""
    least = opt.lr_min / opt.lr
    return least + (1 - least) * 0.5 * (1 + math.cos(math.pi * way))
