"""Documents as Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.writers.formats import FORMATS, ROWS, Format

if TYPE_CHECKING:
    from kldeval.writers import Document
    from kldeval.writers.page import Options


@FORMATS.add("parquet", Format(suffixes=(".parquet",), is_binary=True, of_audits=False, package="pyarrow", heeds=ROWS))
def write_parquet(document: Document, options: Options) -> bytes:
    """Rows of typed columns."""
    from kldeval.writers.parquet import write

    return write(document, options)
