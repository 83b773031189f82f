"""Let threads that wait for one another sleep instead of turning in circles.

The threads of OpenMP, on which torch computes on a processor, wait actively between two layers by default. Where the
cores are shared (loaders and scoring processes beside the network, other users) that takes the time of those that are
waited for: with two threads on two busy cores a pair took 1.5 to 3 s, and 0.7 s with sleeping threads.
"""

from __future__ import annotations

import os

_CHOSEN = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
SPINS = "1000"  # microseconds at most, then a thread sleeps


def sleep_while_waiting() -> bool:
    """Set it, for this process and those it starts; call it before torch is loaded.

    Nothing is done where the user has chosen by one of OpenMP's own variables.

    Returns:
        whether it was set.
    """
    if any(name in os.environ for name in _CHOSEN):
        return False
    os.environ["GOMP_SPINCOUNT"] = SPINS
    return True
