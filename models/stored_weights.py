"""Weights from files into networks; what does not fit is told by the option that makes it so."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from util import checkpoint
from util.errors import UserError
from util.lazy import torch


def read_weights(path: Path, device: torch.device) -> dict:
    """Return the tensors of one network, or of all of a published file, by their names.

    Raises:
        UserError: the file is missing or broken, or holds something else.
    """
    weights = checkpoint.load(path, str(device))
    if isinstance(weights, dict) and isinstance(weights.get("state_dict"), dict):
        weights = weights["state_dict"]  # a file that Lightning wrote, as some authors publish
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise UserError(f"{path} does not hold the weights of one network: give the file that training wrote")
    return weights


def fill_networks(opt: argparse.Namespace, networks: Mapping, states: Mapping, source: str) -> None:
    """Put ``states`` into networks of the same names; ``source`` names the file in a refusal.

    Raises:
        UserError: a network has no state, or one that does not fit it.
    """
    for name, network in networks.items():
        if name not in states:
            raise UserError(
                f"{source} holds no network {name}: it was written by another model than --model {opt.model}"
            )
        try:
            network.load_state_dict(states[name])
        except RuntimeError as error:
            reason = _explain_mismatch(opt, network, states[name], error)
            raise UserError(f"{source} does not fit --model {opt.model}: {reason}") from None


def _explain_mismatch(opt: argparse.Namespace, network, weights: Mapping, error: RuntimeError) -> str:
    """Name the option that differs from the training run, or else the first tensor that does."""
    flags = [name for name in opt.given if name in opt.stored and getattr(opt, name) != opt.stored[name]]
    if flags:
        return "; ".join(
            f"--{name} {getattr(opt, name)} was given, it was trained with {opt.stored[name]}" for name in flags
        )
    own = network.state_dict()
    for key in own:
        if key not in weights:
            return f"it has no tensor {key}"
        if own[key].shape != weights[key].shape:
            return f"{key} is {tuple(weights[key].shape)} there and {tuple(own[key].shape)} here"
    extra = next((key for key in weights if key not in own), None)
    return f"its tensor {extra} has no place here" if extra else str(error).splitlines()[0]
