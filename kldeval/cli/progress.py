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

BETWEEN_DRAWINGS = 0.1
"""Seconds between two drawings of the bar."""


@contextmanager
def progress_bar(options: dict[str, Any]) -> Iterator[Callable[[Any, int], None] | None]:
    """What to tell every outcome and the number of pairs; nothing where no bar is wanted."""
    wanted = options["progress"]
    if wanted is None:
        wanted = not options["quiet"] and _is_drawable()
    if not wanted:
        yield None
        return
    bar = _Bar()
    try:
        yield bar.advance
    finally:
        bar.stop()


def _is_drawable() -> bool:
    """Whether standard error is a terminal whose user minds no control codes, with which a bar is drawn."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown")
    return sys.stderr.isatty() and not plain


class _Bar:
    def __init__(self) -> None:
        self._start = time.monotonic()
        self._done = 0
        self._drawn = 0.0
        self._shown: Any = None
        self._task: Any = None

    def advance(self, _outcome: Any, total: int) -> None:
        self._done += 1
        if self._shown is None and time.monotonic() - self._start > PATIENCE:
            self._show(total)
        if self._shown is not None and time.monotonic() - self._drawn > BETWEEN_DRAWINGS:
            self._drawn = time.monotonic()
            self._shown.update(self._task, completed=self._done, refresh=True)

    def stop(self) -> None:
        if self._shown is not None:
            self._shown.stop()

    def _show(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        # without a thread that draws: worker processes may be forked where this one has a single thread
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._shown = Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
        self._task = self._shown.add_task("maps", total=total)
        self._shown.start()
