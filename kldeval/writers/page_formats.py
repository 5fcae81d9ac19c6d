"""The formats of every page, whatever it is a page of: those whose writers draw pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.writers.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.writers.charts import Chart
    from kldeval.writers.page import Options, Page


def page_formats() -> dict[str, tuple[str, ...]]:
    """The suffixes of each format, the one of terminals first.

    >>> page_formats()
    {'table': ('.txt',), 'html': ('.html', '.htm'), 'latex': ('.tex',), 'markdown': ('.md', '.markdown')}
    """
    every = {name: FORMATS[name].info for name in ("table", *FORMATS)}
    return {name: info.suffixes for name, info in every.items() if info.takes_page or info.draws_page}


def page_text(
    name: str, page: Page, options: Options, facts: Mapping[str, object], charts: Sequence[Chart] = ()
) -> str:
    """The page in a format of pages; `facts` say where it comes from.

    Raises:
        MissingDependency: the format needs a package that is not installed.
    """
    entry = FORMATS[name]
    if entry.info.draws_page is not None:
        return entry.info.draws_page(page, facts, charts)
    text: str = entry.function(page, options)
    return text
