"""What commands share that answer a question with a page of their own: formats, files, and how they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.cli.groups import FilePath, OptionGroup, option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kldeval.writers.charts import Chart
    from kldeval.writers.page import Page


class AnswerOptions(OptionGroup):
    """How an answer is written."""

    format_: str = option(
        "--format", default="table", metavar="NAME", help="table, json, markdown or html [default: table]."
    )
    output: tuple[Path, ...] = option(
        "-o",
        "--output",
        multiple=True,
        type=FilePath(),
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
    from kldeval.grammar import unknown
    from kldeval.writers.answer_files import FORMATS, answer_format

    known = ["table", *dict.fromkeys(FORMATS.values())]
    if options.format_ not in known:
        raise unknown("format", options.format_, known)
    for path in options.output:
        answer_format(path)
    check_outputs(options.output)


def deliver_answer(
    page: Page, json: str, facts: Mapping[str, object], options: AnswerOptions, charts: Sequence[Chart] = ()
) -> None:
    """Write an answer to the files that were named, and to standard output; HTML has its charts as well."""
    from kldeval.cli.messages import drawn, show
    from kldeval.writers.answer_files import answer_format, answer_text
    from kldeval.writers.files import write_atomically

    for path in options.output:
        write_atomically(path, answer_text(answer_format(path), page, json, facts, charts))
    is_table = options.format_ == "table"
    show(drawn(page) if is_table else answer_text(options.format_, page, json, facts, charts))
