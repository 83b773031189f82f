"""torch, loaded when it is first used, so that ``--help`` and every refusal answer at once.

``from util.lazy import torch`` stands for ``import torch`` in the modules on the way to the option parser: options,
``models/*_model.py``, ``data/``, ``metrics/`` and ``util/``. They touch torch inside functions only. The modules in
``models/networks/`` import torch as usual: they are themselves imported when a network is built.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING


class LazyModule:
    """Stands for a module and imports it at the first attribute access.

    (``importlib.util.LazyLoader`` would hide this, but torch does not survive being loaded by it.)
    """

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str):
        value = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, value)  # the next access costs nothing
        return value


if TYPE_CHECKING:
    import torch
else:
    torch = LazyModule("torch")
