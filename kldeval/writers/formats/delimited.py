"""Documents as rows of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.writers.formats import FORMATS, ROWS, Format

if TYPE_CHECKING:
    from kldeval.writers import Document
    from kldeval.writers.page import Options


@FORMATS.add("csv", Format(suffixes=(".csv",), heeds=ROWS))
def write_comma_separated(document: Document, options: Options) -> str:
    """Rows of values between commas."""
    from kldeval.writers.delimited import write_csv

    return write_csv(document, options)


@FORMATS.add("tsv", Format(suffixes=(".tsv",), heeds=ROWS))
def write_tab_separated(document: Document, options: Options) -> str:
    """Rows of values between tabs."""
    from kldeval.writers.delimited import write_tsv

    return write_tsv(document, options)
