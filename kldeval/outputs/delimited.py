"""The maps as CSV and TSV, at full precision.

The header is the same whether or not anything failed: name, one column per metric, n_uncovered, uncovered_mass,
failure. A scored map has an empty `failure`; a map that could not be scored has `stage: message` there and nothing in
its number cells, so that a reader who averages a column can tell that the average is partial. Infinite and undefined
scores are written inf, -inf and nan, and are no failures. Scored maps come first, each part in the report's order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.outputs.options import Options
    from kldeval.results.report import Report

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet evaluate a cell (https://owasp.org/www-community/attacks/CSV_Injection)."""


def write_csv(report: Report, options: Options) -> str:
    """Cells separated by commas, quoted where needed (RFC 4180), lines ended by a line feed."""
    del options
    return _delimited(report, ",")


def write_tsv(report: Report, options: Options) -> str:
    """Cells separated by tabs, quoted where needed, lines ended by a line feed."""
    del options
    return _delimited(report, "\t")


def _delimited(report: Report, delimiter: str) -> str:
    return "".join(delimiter.join(_quoted(cell, delimiter) for cell in row) + "\n" for row in _rows(report))


def _quoted(cell: str, delimiter: str) -> str:
    """The cell as RFC 4180 wants it; the csv module of older Pythons forgets the carriage return."""
    special = any(character in cell for character in (delimiter, '"', "\r", "\n"))
    return '"' + cell.replace('"', '""') + '"' if special else cell


def _rows(report: Report) -> Iterator[list[str]]:
    keys = list(report.summaries)
    yield [_safe(cell) for cell in ("name", *keys, "n_uncovered", "uncovered_mass", "failure")]
    for score in report.scores:
        numbers = [_number(score.values[key]) for key in keys]
        yield [_safe(score.name), *numbers, str(score.n_uncovered), _number(score.uncovered_mass), ""]
    for failure in report.failures:
        yield [_safe(failure.name), *[""] * (len(keys) + 2), _safe(f"{failure.stage}: {failure.message}")]


def _number(value: float) -> str:
    """The shortest digits that read back as the same number."""
    return repr(float(value))


def _safe(cell: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe stands before a suspicious first character."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
