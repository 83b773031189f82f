"""How layers are computed: ``--amp`` in training, ``--fast`` in fusing."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping

from util.lazy import torch
from util.logger import warn

_DEVICES = {"cpu": "processor", "cuda": "GPU"}


def speed_up(networks: Mapping[str, torch.nn.Module], opt: argparse.Namespace) -> None:
    """Prepare networks, whose weights are there, for fusing as ``opt.fast`` says.

    Where the device would emulate bfloat16, ``bf16`` becomes ``exact`` and a line says so.
    """
    from models.networks.layers import fold_norms

    device = torch.device(opt.device)
    if opt.fast == "bf16" and not has_bfloat16(device):
        warn(f"--fast bf16: this {_DEVICES[device.type]} has no quick bfloat16, so --fast exact is taken")
        opt.fast = "exact"
    if opt.fast != "off":
        for network in networks.values():
            fold_norms(network)
            network.to(memory_format=torch.channels_last)


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 itself."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    from models.networks.precision import convolves_bfloat16

    return convolves_bfloat16()


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Return the context of ``--amp``: lower precision for what gains by it, nothing where it is ``off``."""
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def fusing(device: torch.device, fast: str) -> contextlib.AbstractContextManager:
    """Return the context of ``--fast``."""
    if fast != "off":
        return autocast(device, fast)
    from models.networks import shortcuts

    return shortcuts.forbidden()
