"""A progress bar on stderr: on a terminal, and only for runs that take a while."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


PATIENCE = 0.5
"""Seconds before a bar appears: a short run should not pay for importing it."""


@contextmanager
def progress_bar(options: dict[str, Any]) -> Iterator[Callable[[Any, int], None] | None]:
    """What to tell every outcome and the number of pairs; nothing where no bar is wanted."""
    wanted = options["progress"]
    if wanted is None:
        wanted = sys.stderr.isatty() and not options["quiet"]
    if not wanted:
        yield None
        return
    bar = _Bar()
    try:
        yield bar.advance
    finally:
        bar.stop()


class _Bar:
    def __init__(self) -> None:
        self._start = time.monotonic()
        self._done = 0
        self._shown: Any = None
        self._task: Any = None

    def advance(self, _outcome: Any, total: int) -> None:
        self._done += 1
        if self._shown is None and time.monotonic() - self._start > PATIENCE:
            self._show(total)
        if self._shown is not None:
            self._shown.update(self._task, completed=self._done)

    def stop(self) -> None:
        if self._shown is not None:
            self._shown.stop()

    def _show(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._shown = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._shown.add_task("maps", total=total)
        self._shown.start()


ONE_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
"""What keeps numpy and OpenCV from starting threads: every core has one of ours, and theirs would fight it."""

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
    if sys.platform == "linux":
        _keep_freed_memory()


def _keep_freed_memory() -> None:
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # other C libraries have their own ways
        mallopt(_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
