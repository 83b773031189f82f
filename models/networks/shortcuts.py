"""Whether networks may go the quick ways that only fusing on a processor can: ``--fast off`` forbids them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import torch
from torch import Tensor

_forbidden = ContextVar("forbidden", default=False)


def open_for(x: Tensor) -> bool:
    """Whether what follows ``x`` may be computed in strips and by minimal filtering.

    In training a strip's gradient would be as large as the map; a GPU wants large pieces; and compiled, the strips
    would be unrolled for minutes.
    """
    return not (
        are_forbidden() or torch.is_grad_enabled() or x.device.type != "cpu" or torch.compiler.is_compiling()
    )


def are_forbidden() -> bool:
    return _forbidden.get()


@contextlib.contextmanager
def forbidden() -> Iterator[None]:
    """Return a context in which every layer is computed as it is written."""
    token = _forbidden.set(True)
    try:
        yield
    finally:
        _forbidden.reset(token)
