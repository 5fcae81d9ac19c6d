"""What this process is to its libraries: how many threads they start, what memory stays, and whether it may end.

A worker may be ended by what it reads, because its work is done again elsewhere.
"""

from __future__ import annotations

import os
import sys

_expendable: list[bool] = []


def make_expendable() -> None:
    """Say that nothing is lost with this process but the item that it is at."""
    _expendable.append(True)


def is_expendable() -> bool:
    """Whether libraries that a damaged file might crash may be called here."""
    return bool(_expendable)


_threads: list[int] = [1]


def share_cores(cores: int, items: int) -> None:
    """Say how many cores there are for so many items at a time: what is left over helps with a large map."""
    _threads[0] = max(1, cores // max(1, items))


def threads_of_a_map() -> int:
    """How many threads may work on one map in this process: 1 unless it is one of ours, which has cores to spare."""
    return _threads[0]


ONE_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
"""What keeps numpy and OpenCV from starting threads: every core has one of ours, and theirs would fight it."""

NO_THREAD_OF_ARROW = ("JE_ARROW_MALLOC_CONF", "background_thread:false")
"""What keeps pyarrow, as it is imported, from starting a thread that frees memory: workers could not be forked then."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""The parameters of mallopt, https://man7.org/linux/man-pages/man3/mallopt.3.html."""

KEPT_BYTES, LARGEST_KEPT_BYTES = 1 << 27, 1 << 25
"""How much freed memory each thread keeps for its next arrays, and the largest array that is kept (glibc's limit)."""


def settle_process() -> None:
    """Make numpy and OpenCV, which are not imported yet, leave threads to us; and keep freed memory for the next array.

    A large array that is returned to the system comes back as pages of zeros, made one by one as they are touched:
    that costs more than taking the logarithm of its values.
    """
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    os.environ.setdefault(*NO_THREAD_OF_ARROW)
    if sys.platform == "linux":
        _keep_freed_memory()


def _keep_freed_memory() -> None:
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # other C libraries have their own ways
        mallopt(_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
