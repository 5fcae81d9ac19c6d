"""A document on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.writers.formats import FORMATS, TABLES, Format

if TYPE_CHECKING:
    from kldeval.writers.page import Options, Page


@FORMATS.add("table", Format(suffixes=(".txt",), takes_page=True, heeds=TABLES))
def write_table(page: Page, options: Options) -> str:
    """The tables and notes of a page, as wide as the terminal."""
    from kldeval.writers.text import render

    return render(page, options)
