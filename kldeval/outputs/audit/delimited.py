"""The audit as CSV and TSV, at full precision: a row per convention (and per epsilon of the curve) and model.

The header is always convention, model, mean, ratio, rank, n, n_nonfinite, n_refused, signature. Numbers that do not
exist leave their cell empty; infinite and undefined ones are inf and nan.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.outputs.options import Options
    from kldeval.results.audit import Audit, Curve

HEAD = ("convention", "model", "mean", "ratio", "rank", "n", "n_nonfinite", "n_refused", "signature")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet evaluate a cell (https://owasp.org/www-community/attacks/CSV_Injection)."""


def write_csv(audit: Audit, options: Options) -> str:
    """Cells separated by commas, quoted where needed (RFC 4180), lines ended by a line feed."""
    del options
    return _delimited(audit, ",")


def write_tsv(audit: Audit, options: Options) -> str:
    """Cells separated by tabs, quoted where needed, lines ended by a line feed."""
    del options
    return _delimited(audit, "\t")


def _delimited(audit: Audit, delimiter: str) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="\n").writerows(_rows(audit))
    return buffer.getvalue()


def _rows(audit: Audit) -> Iterator[tuple[object, ...]]:
    yield HEAD
    for name, row in audit.standings.items():
        for model, one in row.items():
            numbers = (_number(one.mean), _number(one.ratio), one.rank, one.n, one.n_nonfinite, one.n_refused)
            yield name, _safe(model), *numbers, audit.conventions[name].signature
    if audit.curve:
        yield from _curve_rows(audit.curve)


def _curve_rows(curve: Curve) -> Iterator[tuple[object, ...]]:
    for model, values in curve.kld.items():
        for epsilon, value in zip(curve.epsilons, values, strict=True):
            yield f"eps={epsilon:g}", _safe(model), _number(value), None, None, curve.n, None, None, None


def _number(value: float | None) -> str | None:
    """The shortest digits that read back as the same number."""
    return None if value is None else repr(float(value))


def _safe(cell: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe stands before a suspicious first character."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
