"""Saved documents that are read one after another, whose rows go to a temporary file where they are many together."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from kldeval.reports.collected import are_held
from kldeval.reports.documents import Leaderboard, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kldeval.records import Failure, Score
    from kldeval.reports.spool import Appended, SpooledRows

Document = TypeVar("Document")


def loaded_parts(paths: Iterable[str], load: Callable[[str], Document]) -> dict[str, Document]:
    """The documents at some paths by these: of more rows than are kept in memory those of one at a time are held."""
    parts: dict[str, Document] = {}
    file: Appended | None = None
    n_rows = 0
    for path in paths:
        parts[path] = load(path)
        n_rows += _count(parts[path])
        if are_held(n_rows):
            continue
        if file is None:
            from kldeval.reports.spool import Appended

            file = Appended()
            parts = {earlier: _on_disk(part, file) for earlier, part in parts.items()}
        else:
            parts[path] = _on_disk(parts[path], file)
    return parts


def _count(document: object) -> int:
    if isinstance(document, Leaderboard):
        return sum(map(_count, document.reports.values()))
    return len(document.scores) + len(document.failures) if isinstance(document, Report) else 0


def _on_disk(document: Document, file: Appended) -> Document:
    """A document whose rows are read again whenever they are asked for."""
    if isinstance(document, Leaderboard):
        return replace(document, reports={model: _on_disk(one, file) for model, one in document.reports.items()})
    if not isinstance(document, Report):
        return document
    from kldeval.reports.spool import SpooledRows, SpooledScores

    failures: SpooledRows[Failure] = SpooledRows(file)
    scores = SpooledScores(file)
    _write(scores, document.scores)
    _write(failures, document.failures)
    return replace(document, scores=scores, failures=failures)


def _write(rows: SpooledRows[Score] | SpooledRows[Failure], outcomes: Iterable[Score] | Iterable[Failure]) -> None:
    from kldeval.reports.spool import AT_ONCE

    coming = iter(outcomes)
    while some := list(islice(coming, AT_ONCE)):
        rows.extend(some)  # type: ignore[arg-type]  # of the kind of the rows
