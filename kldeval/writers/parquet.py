"""The maps as Parquet: the columns of the CSV with their types; the signatures are in the metadata of the file."""

from __future__ import annotations

import io
import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.packages import load_package
from kldeval.writers.delimited import table_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.reports.documents import ComparisonReport, Leaderboard, Report
    from kldeval.writers.delimited import Row, Value
    from kldeval.writers.page import Options


SIGNATURES = "kldeval.settings.signature"
"""The metadata that hold the signatures, as JSON."""

_TEXTS = frozenset({"model", "name", "group", "failure", "metric", "first", "second", "unit", "winner", "details"})
_COUNTS = frozenset({"n", "n_uncovered"})


def write(made: Report | Leaderboard | ComparisonReport, options: Options) -> bytes:
    """The bytes of a Parquet file; a map that could not be scored has nulls for its numbers.

    Raises:
        MissingDependency: pyarrow is not installed.
    """
    del options
    found = arrow_table(made)
    buffer = io.BytesIO()
    package("pyarrow.parquet").write_table(found, buffer)
    return buffer.getvalue()


def arrow_table(made: Report | Leaderboard | ComparisonReport) -> Any:
    """The maps as a table of pyarrow, with the signatures in its metadata.

    Raises:
        MissingDependency: pyarrow is not installed.
    """
    columns, rows = table_of(made)
    return _table(columns, list(rows), made)


def _table(columns: Sequence[str], rows: Sequence[Row], made: Report | Leaderboard | ComparisonReport) -> Any:
    metadata = {SIGNATURES: json.dumps(_signatures(made))}
    return table(columns, rows).replace_schema_metadata(metadata)


def table(columns: Sequence[str], rows: Sequence[Row]) -> Any:
    """Rows as a table of pyarrow.

    Raises:
        MissingDependency: pyarrow is not installed.
    """
    arrow = package("pyarrow")
    return arrow.table({column: _array(arrow, column, [_valid(row.get(column)) for row in rows]) for column in columns})


ROWS_OF_GROUP = 1 << 16
"""Rows that a file of many is written in together."""


def pieces(made: Report | Leaderboard) -> Iterator[bytes]:
    """The bytes of a Parquet file of many rows, group by group."""
    parquet = package("pyarrow.parquet")
    columns, rows = table_of(made)
    coming = iter(rows)
    sink = _Sink()
    writer = parquet.ParquetWriter(sink, _table(columns, (), made).schema)
    while some := list(islice(coming, ROWS_OF_GROUP)):
        writer.write_table(_table(columns, some, made))
        yield sink.taken()
    writer.close()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """A file whose bytes are taken out as they come."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._place = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._place += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._place

    def taken(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _array(arrow: Any, column: str, values: list[Value]) -> Any:
    """The values of a column as an array of pyarrow, made of buffers: from a list it would import pandas, 50 MB."""
    is_there = np.fromiter((value is not None for value in values), bool, len(values))
    buffers: list[Any] = [None if is_there.all() else np.packbits(is_there, bitorder="little")]
    if column in _TEXTS:
        texts = [str(value).encode() if value is not None else b"" for value in values]
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        kind, buffers = arrow.large_string(), [*buffers, ends, b"".join(texts)]
    elif column == "significant":
        truths = np.fromiter(map(bool, values), bool, len(values))
        kind, buffers = arrow.bool_(), [*buffers, np.packbits(truths, bitorder="little")]
    else:
        kind, dtype = (arrow.int64(), np.int64) if column in _COUNTS else (arrow.float64(), np.float64)
        buffers.append(np.asarray([0 if value is None else value for value in values], dtype))
    made = arrow.Array.from_buffers(
        kind, len(values), [None if one is None else arrow.py_buffer(one) for one in buffers]
    )
    return made.cast(arrow.string()) if column in _TEXTS else made


def _valid(value: Value) -> Value:
    """The value; of a text the bytes that are not UTF-8 as escapes, for Parquet has no others."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _signatures(made: Report | Leaderboard | ComparisonReport) -> dict[str, Any]:
    reports = getattr(made, "reports", None)
    if reports is None:
        return dict(made.signatures)  # type: ignore[union-attr]
    return {model: dict(report.signatures) for model, report in reports.items()}


def package(name: str) -> Any:
    """A package of pyarrow.

    Raises:
        MissingDependency: it is not installed.
    """
    return load_package(name, "Parquet files need pyarrow", "pip install 'kldeval[parquet]'")
