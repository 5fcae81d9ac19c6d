"""How far a run has come, on standard error: a bar on a terminal and in a notebook that can draw one, else a line."""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

PATIENCE = 0.5
"""Seconds before anything is drawn: a short run should not pay for importing a bar."""

BETWEEN_DRAWINGS = 0.1
"""Seconds between two drawings."""


class ProgressBar:
    """Counts outcomes, and draws their number, how many come in a second, and the time that is left.

    No thread draws: worker processes may be forked where this process has a single thread. Where the number of pairs is
    not known (`is_open_ended`), they are only counted.
    """

    def __init__(self, label: str = "pairs", *, is_open_ended: bool = False) -> None:
        self._label = label
        self._is_open_ended = is_open_ended
        self._start = time.monotonic()
        self._done = 0
        self._drawn = 0.0
        self._shown: _Line | _Bar | None = None

    def advance(self, _outcome: object, total: int) -> None:
        """Count an outcome of `total`."""
        self._done += 1
        now = time.monotonic()
        if self._shown is None and now - self._start > PATIENCE:
            self._shown = _shown(self._label, None if self._is_open_ended else total)
        if self._shown is not None and now - self._drawn > BETWEEN_DRAWINGS:
            self._drawn = now
            self._shown.draw(self._done, f"{self._done / (now - self._start):.3g} pairs/s")

    def stop(self) -> None:
        """Take away what was drawn."""
        if self._shown is not None:
            self._shown.stop()


def _shown(label: str, total: int | None) -> _Line | _Bar:
    from rich.console import Console

    from kldeval.writers.lines import one_line

    console = Console(stderr=True)
    if console.is_jupyter and find_spec("ipywidgets") is None:  # with which rich draws there
        return _Line(one_line(label), total)
    return _Bar(console, one_line(label), total)


class _Bar:
    """A bar of rich's."""

    def __init__(self, console: Console, label: str, total: int | None) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        texts = (TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[rate]}", "left"))
        name, rate, left = texts
        columns: tuple[Any, ...] = (name, BarColumn(), MofNCompleteColumn(), rate)
        columns = columns if total is None else (*columns, TimeRemainingColumn(), left)
        self._progress = Progress(*columns, console=console, transient=True, auto_refresh=False)
        self._task = self._progress.add_task(label, total=total, rate="")
        self._progress.start()

    def draw(self, done: int, rate: str) -> None:
        """Draw how many are done."""
        self._progress.update(self._task, completed=done, refresh=True, rate=rate)

    def stop(self) -> None:
        """Take the bar away."""
        self._progress.stop()


class _Line:
    """A line that is written over itself, as a notebook shows it."""

    def __init__(self, label: str, total: int | None) -> None:
        self._label = label
        self._of = "" if total is None else f"/{total}"
        self._width = 0

    def draw(self, done: int, rate: str) -> None:
        """Write how many are done."""
        self._write(f"{self._label} {done}{self._of}, {rate}")

    def stop(self) -> None:
        """Leave an empty line."""
        self._write("")
        self._write("")

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\r{text:{self._width}}")
        sys.stderr.flush()
        self._width = len(text)
