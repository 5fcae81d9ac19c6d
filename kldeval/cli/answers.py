"""What commands share that answer a question with a page of their own: formats, files, and how they are written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kldeval.cli.groups import OptionGroup, option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.writers.page import Page


FORMATS = {".json": "json", ".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html"}
"""The formats of answers beside the table, by the suffix of a file."""


class AnswerOptions(OptionGroup):
    """How an answer is written."""

    format_: str = option(
        "--format", default="table", metavar="NAME", help="table, json, markdown or html [default: table]."
    )
    output: tuple[Path, ...] = option(
        "-o",
        "--output",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Also write FILE, in the format of its suffix; may be repeated.",
    )
    quiet: bool = option("-q", "--quiet", is_flag=True, help="No notes and no progress on stderr, errors only.")
    progress: bool | None = option(
        "--progress/--no-progress", default=None, help="A progress bar on stderr [default: on a terminal]."
    )


def check_answer(options: AnswerOptions) -> None:
    """Refuse formats that an answer does not have, before anything is computed.

    Raises:
        UsageProblem: naming the format, or the file.
    """
    from kldeval.cli.reporting import check_outputs
    from kldeval.errors import UsageProblem
    from kldeval.grammar import unknown

    known = ["table", *dict.fromkeys(FORMATS.values())]
    if options.format_ not in known:
        raise unknown("format", options.format_, known)
    for path in options.output:
        if path.suffix.lower() not in FORMATS:
            found = f"the suffix {path.suffix}" if path.suffix else "no suffix"
            msg = f"cannot write {path}: {found} stands for no format of an answer; known: {', '.join(FORMATS)}"
            raise UsageProblem(msg)
    check_outputs(options.output)


def deliver_answer(page: Page, json: str, facts: Mapping[str, object], options: AnswerOptions) -> None:
    """Write an answer to the files that were named, and to standard output."""
    from kldeval.cli.messages import show
    from kldeval.writers.files import write_atomically

    for path in options.output:
        write_atomically(path, _contents(FORMATS[path.suffix.lower()], page, json, facts))
    show(_contents(options.format_, page, json, facts))


def _contents(name: str, page: Page, json: str, facts: Mapping[str, object]) -> str:
    from kldeval.cli.messages import drawn
    from kldeval.writers.page import Options

    if name == "json":
        return json
    if name == "markdown":
        from kldeval.writers.markdown import render

        return render(page, Options())
    if name == "html":
        from kldeval.writers.html import write_page

        return write_page(page, facts)
    return drawn(page)
