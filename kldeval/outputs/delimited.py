"""The maps as CSV and TSV, at full precision.

The header is the same whether or not anything failed: name, one column per metric, n_uncovered, uncovered_mass,
failure. A scored map has an empty `failure`; a map that could not be scored has `stage: message` there and nothing in
its number cells, so that a reader who averages a column can tell that the average is partial. Infinite and undefined
scores are written inf, -inf and nan, and are no failures. Scored maps come first, each part in the report's order.
Grouped maps have their group behind the name; the rows of a leaderboard begin with the model, and those of a
comparison are pairs of models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.outputs.rows import table_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.outputs.options import Options
    from kldeval.outputs.rows import Value
    from kldeval.results.models import ComparisonReport, Leaderboard
    from kldeval.results.report import Report

    Document = Report | Leaderboard | ComparisonReport

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet evaluate a cell (https://owasp.org/www-community/attacks/CSV_Injection)."""


def write_csv(made: Document, options: Options) -> str:
    """Cells separated by commas, quoted where needed (RFC 4180), lines ended by a line feed."""
    del options
    return _delimited(made, ",")


def write_tsv(made: Document, options: Options) -> str:
    """Cells separated by tabs, quoted where needed, lines ended by a line feed."""
    del options
    return _delimited(made, "\t")


def _delimited(made: Document, delimiter: str) -> str:
    return "".join(delimiter.join(_quoted(cell, delimiter) for cell in row) + "\n" for row in _cells(made))


def _quoted(cell: str, delimiter: str) -> str:
    """The cell as RFC 4180 wants it; the csv module of older Pythons forgets the carriage return."""
    special = any(character in cell for character in (delimiter, '"', "\r", "\n"))
    return '"' + cell.replace('"', '""') + '"' if special else cell


def _cells(made: Document) -> Iterator[list[str]]:
    columns, rows = table_of(made)
    yield [_safe(column) for column in columns]
    for row in rows:
        yield [_cell(row.get(column)) for column in columns]


def _cell(value: Value) -> str:
    """A text, or a number in the shortest digits that read back as the same number."""
    if isinstance(value, str):
        return _safe(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else repr(value)


def _safe(cell: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe stands before a suspicious first character."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
