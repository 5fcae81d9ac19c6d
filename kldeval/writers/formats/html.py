"""A document as one page of HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.writers.formats import FORMATS, Format

if TYPE_CHECKING:
    from kldeval.writers import Document
    from kldeval.writers.page import Options


@FORMATS.add("html", Format(suffixes=(".html", ".htm"), package="jinja2"))
def write_html(document: Document, options: Options) -> str:
    """One self-contained file with charts and pictures."""
    from kldeval.writers.html import write

    return write(document, options)
