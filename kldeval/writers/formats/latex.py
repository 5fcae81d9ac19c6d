"""A document as LaTeX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.writers.formats import FORMATS, TABLES, Format

if TYPE_CHECKING:
    from kldeval.writers.page import Options, Page


@FORMATS.add("latex", Format(suffixes=(".tex",), takes_page=True, heeds=TABLES | {"columns", "siunitx"}))
def write_latex(page: Page, options: Options) -> str:
    """A page as tables with booktabs."""
    from kldeval.writers.latex import render

    return render(page, options)
