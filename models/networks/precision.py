"""Low precision where the processor has it, and not where it would be emulated."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


def convolves_bfloat16() -> bool:
    """Whether PyTorch has fast convolutions in bfloat16 on this processor; AVX2 alone, for one, is not enough."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


@contextlib.contextmanager
def keep_precision(x: torch.Tensor, wanted: bool = True) -> Iterator[torch.Tensor]:
    """Suspend autocast, and give ``x`` in float32: for small last layers, whose rounding would be most of the error."""
    if not wanted:
        yield x
        return
    with torch.autocast(x.device.type, enabled=False):
        yield x.to(torch.promote_types(x.dtype, torch.float32))


def native_autocast(device: torch.device) -> contextlib.AbstractContextManager:
    """Return a context that suspends autocast to bfloat16 on a processor without fast convolutions in it.

    Emulated they are slower than those in float32, which are more exact: on AVX2 a 1x1 convolution 50 times and a
    depth-wise one 150 times. What comes out is float32 then.
    """
    if device.type == "cpu" and torch.is_autocast_enabled("cpu") and not convolves_bfloat16():
        if torch.get_autocast_dtype("cpu") == torch.bfloat16:
            return torch.autocast("cpu", enabled=False)
    return contextlib.nullcontext()
