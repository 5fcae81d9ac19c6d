"""An answer of its own page in the formats that answers have: JSON, Markdown and HTML beside the table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.writers.page import Options

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from kldeval.writers.charts import Chart
    from kldeval.writers.page import Page

FORMATS = {".json": "json", ".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html"}
"""The formats of answers beside the table, by the suffix of a file."""


def answer_format(path: str | os.PathLike[str]) -> str:
    """The format that the suffix of a file stands for.

    Raises:
        UsageProblem: none of an answer.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        found = f"the suffix {suffix}" if suffix else "no suffix"
        msg = f"cannot write {path}: {found} stands for no format of an answer; known: {', '.join(FORMATS)}"
        raise UsageProblem(msg)
    return FORMATS[suffix]


def answer_text(name: str, page: Page, json: str, facts: Mapping[str, object], charts: Sequence[Chart] = ()) -> str:
    """An answer in a format of `FORMATS`; HTML has its charts as well.

    Raises:
        MissingDependency: the format needs a package that is not installed.
    """
    if name == "json":
        return json
    if name == "markdown":
        from kldeval.writers.markdown import render

        return render(page, Options())
    from kldeval.writers.html import write_page

    return write_page(page, facts, charts)


def save_answer(
    path: str | os.PathLike[str], page: Page, json: str, facts: Mapping[str, object], charts: Sequence[Chart] = ()
) -> None:
    """Write an answer to a file, in the format of its suffix.

    Raises:
        UsageProblem: no format has this suffix, or the file cannot be written.
        MissingDependency: the format needs a package that is not installed.
    """
    from kldeval.writers.files import check_target, write_atomically

    name = answer_format(path)
    check_target(Path(path))
    write_atomically(Path(path), answer_text(name, page, json, facts, charts))
