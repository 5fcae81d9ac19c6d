"""What the C library does with the memory of arrays that are no longer needed."""

from __future__ import annotations

import sys

KEPT_BYTES = 1 << 25
"""Arrays up to this size are made of memory that the process keeps; glibc allows no more."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""The parameters of mallopt(3), https://man7.org/linux/man-pages/man3/mallopt.3.html."""


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed memory for the next arrays; whether it will.

    By default glibc hands an array of 128 KB or more back to the system when it is freed, and the next one costs page
    faults again: in a run over many maps that takes longer than the logarithms. Other libraries are left alone.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES) and mallopt(_M_TRIM_THRESHOLD, 2 * KEPT_BYTES))
