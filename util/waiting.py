"""Let threads that wait for one another sleep soon, instead of turning in circles for long.

The threads of OpenMP, on which torch computes on a processor, wait actively between two layers by default. Where the
cores are shared (loaders and scoring processes beside the network, other users) that takes the time of those that are
waited for: with two threads on two busy cores a small pair took ReFusion 2.05 s, and 0.76 s with these. On idle cores
they are as quick as the default; a twentieth of them, too, would cost IGNet a third there, since waking takes its time.
"""

from __future__ import annotations

import os

_CHOSEN = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
SPINS = "20000"  # turns of some nanoseconds each; libgomp's default is 300,000


def sleep_while_waiting() -> bool:
    """Set how long threads turn, for this process and those it starts; call it before torch is loaded.

    Nothing is done where the user has chosen by one of OpenMP's own variables.

    Returns:
        whether it was set.
    """
    if any(name in os.environ for name in _CHOSEN):
        return False
    os.environ["GOMP_SPINCOUNT"] = SPINS
    return True
