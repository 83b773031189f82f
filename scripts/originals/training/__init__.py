"""Training steps in the order of work of the authors' code, as contestants for ``scripts/bench_train.py``.

``make_update(model, phase)`` takes our model, which has a batch, and returns a function that makes one update of copies
of its weights and returns {"pairs": ..., "losses": ...}. Optimisers are torch's own choice, as that code has them.
"""

from __future__ import annotations

import torch
from torch import nn

from scripts.originals import TrainingState


def copy_state(network: nn.Module) -> tuple[TrainingState, list]:
    """Return a copy of a network's state for training, and of it the parameters."""
    state = TrainingState(
        {
            name: tensor.detach().clone(memory_format=torch.contiguous_format)
            for name, tensor in network.state_dict().items()
        }
    )
    return state, [state[name].requires_grad_() for name, _ in network.named_parameters()]
