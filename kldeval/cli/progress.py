"""A progress bar on stderr: on a terminal, and only for runs that take a while."""

from __future__ import annotations

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
