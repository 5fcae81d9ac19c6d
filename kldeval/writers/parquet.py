"""The maps as Parquet: the columns of the CSV with their types; the signatures are in the metadata of the file."""

from __future__ import annotations

import importlib
import io
import json
from typing import TYPE_CHECKING, Any

from kldeval.errors import MissingDependency
from kldeval.writers.delimited import table_of

if TYPE_CHECKING:
    from kldeval.reports.documents import ComparisonReport, Leaderboard, Report
    from kldeval.writers.delimited import Value
    from kldeval.writers.page import Options


_TEXTS = frozenset({"model", "name", "group", "failure", "metric", "first", "second", "unit", "winner"})
_COUNTS = frozenset({"n", "n_uncovered"})


def write(made: Report | Leaderboard | ComparisonReport, options: Options) -> bytes:
    """The bytes of a Parquet file; a map that could not be scored has nulls for its numbers.

    Raises:
        MissingDependency: pyarrow is not installed.
    """
    del options
    table = arrow_table(made)
    buffer = io.BytesIO()
    _package("pyarrow.parquet").write_table(table, buffer)
    return buffer.getvalue()


def arrow_table(made: Report | Leaderboard | ComparisonReport) -> Any:
    """The maps as a table of pyarrow, with the signatures in its metadata.

    Raises:
        MissingDependency: pyarrow is not installed.
    """
    arrow = _package("pyarrow")
    columns, rows = table_of(made)
    table = arrow.table(
        {column: _array(arrow, column, [_valid(row.get(column)) for row in rows]) for column in columns}
    )
    metadata = {"kldeval.settings.signature": json.dumps(_signatures(made))}
    return table.replace_schema_metadata(metadata)


def _array(arrow: Any, column: str, values: list[Value]) -> Any:
    kind = arrow.string() if column in _TEXTS else arrow.int64() if column in _COUNTS else arrow.float64()
    return arrow.array(values, type=arrow.bool_() if column == "significant" else kind)


def _valid(value: Value) -> Value:
    """The value; of a text the bytes that are not UTF-8 as escapes, for Parquet has no others."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _signatures(made: Report | Leaderboard | ComparisonReport) -> dict[str, Any]:
    reports = getattr(made, "reports", None)
    if reports is None:
        return dict(made.signatures)  # type: ignore[union-attr]
    return {model: dict(report.signatures) for model, report in reports.items()}


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        msg = "Parquet files need pyarrow, which is not installed: pip install 'kldeval[parquet]'"
        raise MissingDependency(msg) from error
