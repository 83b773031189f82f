"""Keep freed memory in the process: a network's layers then write into pages that are already there.

A layer's output on a picture of 640x480 has 20 to 160 MB. glibc maps every block above 32 MiB (no threshold can be
higher) and gives it back when it is freed, so that each layer has all its pages brought again. Measured there on two
cores, as the processor's time of a fusion and its peak memory: ReFusion in the order of its authors' code 16 s and
1.5 GB, with this 7 s and 1.8 GB; R2GAN 14 s and 1.0 GB, with this 10 s and 1.0 GB. ``MALLOC_TOP_PAD_`` adds nothing to
it; huge pages (``THP_MEM_ALLOC_ENABLE``) save less than half of the faults' time.
"""

from __future__ import annotations

import ctypes
import os

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # <malloc.h>
_PRIMITIVES = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"


def keep_freed_memory() -> bool:
    """Let glibc serve large blocks from its heap and never give the heap back; call it before torch is loaded.

    Nothing is done where the C library is another (macOS, musl, Windows), or where the user has chosen: by a variable
    ``MALLOC_...``, by ``GLIBC_TUNABLES``, or by an allocator in ``LD_PRELOAD``. A process that is forked inherits it.

    Returns:
        whether it was set.
    """
    # The compiled layers of every size that was ever met lie between the freed blocks and keep them from being joined:
    # 120 sizes took 2.6 GB with all of the usual 1024, and 1.5 GB so. A training step of IGNet has 139.
    os.environ.setdefault(_PRIMITIVES, "256")
    if not _is_glibc() or _user_has_chosen():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # No block has a mapping of its own, the heap's end stays where it has been, and there is one heap for all threads
    # (with several, R2GAN's peak was 1.1 to 1.3 GB).
    return all([mallopt(_M_MMAP_MAX, 0), mallopt(_M_TRIM_THRESHOLD, -1), mallopt(_M_ARENA_MAX, 1)])


def _is_glibc() -> bool:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION").startswith("glibc")
    except (AttributeError, ValueError, OSError):  # no confstr on Windows, no such name elsewhere
        return False


def _user_has_chosen() -> bool:
    return (
        any(name.startswith("MALLOC_") for name in os.environ)
        or "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "")
        or "alloc" in os.environ.get("LD_PRELOAD", "")
    )
