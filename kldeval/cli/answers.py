"""What commands share that answer a question with a page of their own: formats, files, and how they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.cli.groups import FilePath, OptionGroup, option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kldeval.writers.charts import Chart
    from kldeval.writers.page import Page


def answers_help() -> str:
    """What the help of `--format` says of an answer."""
    from kldeval.cli.reporting import formats_help
    from kldeval.writers.answer_files import answer_formats

    return formats_help(answer_formats())


class AnswerOptions(OptionGroup):
    """How an answer is written."""

    format_: str = option("--format", default="table", metavar="NAME", help_of=answers_help)
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
    from kldeval.writers.answer_files import answer_format

    check_answer_format(options.format_)
    for path in options.output:
        answer_format(path)
    check_outputs(options.output)


def deliver_answer(
    page: Page, json: str, facts: Mapping[str, object], options: AnswerOptions, charts: Sequence[Chart] = ()
) -> None:
    """Write an answer to the files that were named, and to standard output; HTML has its charts as well."""
    from kldeval.writers.answer_files import answer_format, answer_text
    from kldeval.writers.files import write_atomically

    for path in options.output:
        write_atomically(path, answer_text(answer_format(path), page, json, facts, charts))
    show_answer(options.format_, page, json, facts, charts)


def check_answer_format(name: str) -> None:
    """Refuse a format that an answer does not have.

    Raises:
        UnknownName: it has none of this name.
    """
    from kldeval.grammar import unknown
    from kldeval.writers.answer_files import answer_formats

    known = answer_formats()
    if name not in known:
        raise unknown("format", name, known)


def show_answer(name: str, page: Page, json: str, facts: Mapping[str, object], charts: Sequence[Chart] = ()) -> None:
    """Write an answer to standard output, the table as wide as the terminal."""
    from kldeval.cli.messages import drawn, show
    from kldeval.writers.answer_files import answer_text

    show(drawn(page) if name == "table" else answer_text(name, page, json, facts, charts))
