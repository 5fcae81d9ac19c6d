"""Documents of more rows than are kept in memory, written row by row in the formats that are rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.reports.documents import Leaderboard, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.writers import Document


def _is_long(made: object) -> bool:
    """Whether a document is a report whose rows are not kept."""
    return isinstance(made, Report) and not (isinstance(made.scores, tuple) and isinstance(made.failures, tuple))


def pieces(name: str, made: Document) -> Iterator[str] | Iterator[bytes] | None:
    """The contents of a file in a format, piece by piece; None where the document or the format is written at once."""
    if not any(map(_is_long, made.reports.values() if isinstance(made, Leaderboard) else (made,))):
        return None
    assert isinstance(made, Report | Leaderboard)  # noqa: S101 - for the type checker
    if name in ("csv", "tsv"):
        from kldeval.writers import delimited

        return delimited.lines(made, "," if name == "csv" else "\t")
    if name == "jsonl":
        from kldeval.writers import json

        return json.lines(made)
    if name == "json":
        from kldeval.writers import json

        return json.pieces(made)
    if name == "parquet":
        from kldeval.writers import parquet

        return parquet.pieces(made)
    return None
