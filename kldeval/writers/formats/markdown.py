"""A document as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.writers.formats import FORMATS, TABLES, Format

if TYPE_CHECKING:
    from kldeval.writers.page import Options, Page


@FORMATS.add("markdown", Format(suffixes=(".md", ".markdown"), takes_page=True, heeds=TABLES | {"columns"}))
def write_markdown(page: Page, options: Options) -> str:
    """A page as GitHub shows it."""
    from kldeval.writers.markdown import render

    return render(page, options)
