"""How far a run has come, on standard error or in a notebook."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Told = Callable[[Any, int], None]


@contextmanager
def shown_progress(progress: bool | Told | None, *, is_open_ended: bool = False) -> Iterator[Told | None]:  # noqa: FBT001 - the value of a keyword
    """What to tell every outcome and the number of pairs: a bar where `progress` is true, or the function it is.

    Where the number of pairs is not known (`is_open_ended`), they are counted.
    """
    if not progress:
        yield None
        return
    if callable(progress):
        yield progress
        return
    from kldeval.writers.progress import ProgressBar

    bar = ProgressBar(is_open_ended=is_open_ended)
    try:
        yield bar.advance
    finally:
        bar.stop()
