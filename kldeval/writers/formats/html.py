"""A document as one page of HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.writers.formats import FORMATS, FULL, Format

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.writers import Document
    from kldeval.writers.charts import Chart
    from kldeval.writers.page import Options, Page


def draw_page(page: Page, facts: Mapping[str, object], charts: Sequence[Chart]) -> str:
    """One self-contained file of a page and its charts."""
    from kldeval.writers.html import write_page

    return write_page(page, facts, charts)


@FORMATS.add(
    "html",
    Format(
        suffixes=(".html", ".htm"),
        package="jinja2",
        draws_page=draw_page,
        heeds=FULL | {"precision", "html_maps", "stimuli"},
    ),
)
def write_html(document: Document, options: Options) -> str:
    """One self-contained file with charts and pictures."""
    from kldeval.writers.html import write

    return write(document, options)
