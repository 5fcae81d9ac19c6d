"""What this process is to its libraries: how many threads they start, what memory stays, and whether it may end.

A worker may be ended by what it reads, because its work is done again elsewhere.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Share = TypeVar("Share")
Found = TypeVar("Found")

_expendable: list[bool] = []


def make_expendable() -> None:
    """Say that nothing is lost with this process but the item that it is at."""
    _expendable.append(True)


def is_expendable() -> bool:
    """Whether libraries that a damaged file might crash may be called here."""
    return bool(_expendable)


THREADS = Path("/proc/self/task")
"""Where Linux lists the threads of this process, those of C libraries included."""


MAPPED_FILES = Path("/proc/self/maps")
"""Where Linux lists the files that are in the memory of this process, libraries among them."""


def is_single_threaded() -> bool:
    """Whether no other thread could hold a lock that a forked process would wait for in vain.

    Those of OpenBLAS are ended first, which OpenBLAS does itself whenever its process is forked: it starts them again
    when it needs them. What else has threads is seen by those that are left.
    """
    if not THREADS.is_dir():
        return False
    if _n_threads() > 1 and threading.active_count() == 1 and _end_threads_of_blas():
        for _ in range(LOOKS):  # a thread that was waited for is listed a little longer
            if _n_threads() == 1:
                return True
            time.sleep(0.001)
    return _n_threads() == 1


LOOKS = 5
"""How often it is looked whether threads that have ended are gone."""


def _n_threads() -> int:
    return len(tuple(THREADS.iterdir()))


def _end_threads_of_blas() -> bool:
    """Make every OpenBLAS of this process end its threads; whether there is one that can."""
    import ctypes

    names = {line.split(maxsplit=5)[-1] for line in MAPPED_FILES.read_text().splitlines() if "openblas" in line}
    has_ended = False
    for name in names:
        with suppress(OSError, AttributeError):  # a file that is no library in use, or has other ways
            ctypes.CDLL(name, os.RTLD_NOLOAD | os.RTLD_LAZY).blas_thread_shutdown_()
            has_ended = True
    return has_ended


_cores: list[int] = [1]


def share_cores(cores: int, items: int) -> None:
    """Say how many cores there are for so many items at a time: what is left over helps with a large map."""
    _cores[0] = max(1, cores // max(1, items))


def cores_of_a_map() -> int:
    """How many cores may work on one map: 1 but within a run that has cores to spare."""
    return _cores[0]


ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that end a program."""


@contextmanager
def signals_wait() -> Iterator[None]:
    """Let signals that end a program wait while it forks or starts a process and notes that it has.

    A forked Python forgets what reaches it before it runs: it would go on, and whoever ended it would wait for ever.
    One that is started would print that it was interrupted among its imports. The new process is born with these
    signals waiting, and lets them come once it is ready (`let_signals_come`, `leave_interrupts`).
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_signals_come() -> None:
    """Be ended, from now on, by what `signals_wait` kept waiting for this process."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def leave_interrupts() -> None:
    """Leave Ctrl-C and the interrupt of a notebook, which reach this process, too, to the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        let_signals_come()


def end_with(parent: int) -> None:
    """End this process when its parent ends, however that ends."""
    import ctypes

    ctypes.CDLL(None).prctl(_DEATH_OF_PARENT, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it has ended already
        os._exit(1)


_DEATH_OF_PARENT = 1
"""PR_SET_PDEATHSIG, https://man7.org/linux/man-pages/man2/pr_set_pdeathsig.2const.html."""


def in_forks(work: Callable[[Share], Found], shares: Sequence[Share]) -> list[Found]:
    """The work on each share: on the first here, on every other one in a fork of this process at the same time.

    The process must have a single thread. What a fork found is pickled; where one ends without, its share is done here.
    """
    import pickle  # here, because a request that is refused needs none

    forks: list[tuple[int, int]] = []
    try:
        forks.extend(_forked(work, share) for share in shares[1:])
        found = [work(shares[0])]
        for share in shares[1:]:
            data, status = _result_of(*forks.pop(0))
            found.append(work(share) if status else pickle.loads(data))  # noqa: S301 - of our own fork
    finally:
        for child, pipe in forks:  # nobody waits for these any more
            os.kill(child, signal.SIGKILL)
            _result_of(child, pipe)
    return found


def _result_of(child: int, pipe: int) -> tuple[bytes, int]:
    """What a fork wrote until it ended, and how it ended."""
    with open(pipe, "rb") as file:
        data = file.read()
    return data, os.waitpid(child, 0)[1]


def _forked(work: Callable[[Share], Found], share: Share) -> tuple[int, int]:
    """A fork that does some work, and the pipe that it writes the result to."""
    reading, writing = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    status = 1
    try:
        import pickle

        end_with(parent)
        share_cores(1, 1)
        with open(writing, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(pickle.dumps(work(share)))
        status = 0
    finally:
        os._exit(status)  # whatever it is: nothing that the program has begun is to be ended twice


ONE_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
"""What keeps numpy and OpenCV from starting threads: every core has one of ours, and theirs would fight it."""

NO_THREAD_OF_ARROW = ("JE_ARROW_MALLOC_CONF", "background_thread:false")
"""What keeps pyarrow, as it is imported, from starting a thread that frees memory: workers could not be forked then."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""The parameters of mallopt, https://man7.org/linux/man-pages/man3/mallopt.3.html."""

KEPT_BYTES, LARGEST_KEPT_BYTES = 1 << 27, 1 << 25
"""How much freed memory each thread keeps for its next arrays, and the largest array that is kept (glibc's limit)."""


def settle_process(*, keeps_memory: bool = True) -> None:
    """Make numpy and OpenCV, which are not imported yet, leave threads to us; and keep freed memory for the next array.

    A large array that is returned to the system comes back as pages of zeros, made one by one as they are touched:
    that costs more than taking the logarithm of its values. What has an executor keep memory (`expect_large_arrays`)
    need not import `ctypes` for that.
    """
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    os.environ.setdefault(*NO_THREAD_OF_ARROW)
    if keeps_memory and sys.platform == "linux":
        keep_freed_memory()


@cache
def expect_large_arrays() -> None:
    """Let glibc see, in a process that is not ours, that large arrays come and go: it keeps what is freed from then on.

    It returns to the system what is larger than anything that was freed before (the dynamic threshold of mallopt(3)).
    Where the program has set that itself, it stays. Nobody touches the array, so it takes no memory.
    """
    import numpy as np

    with suppress(MemoryError):  # of a process that may have less, which goes on as it is
        np.empty(LARGEST_KEPT_BYTES - (1 << 20), np.uint8)


def keep_freed_memory() -> None:
    """Keep freed memory for the next array, in a process of ours."""
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # other C libraries have their own ways
        mallopt(_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
