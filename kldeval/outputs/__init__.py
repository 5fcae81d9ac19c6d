"""A document as text: one small file per format, each with a function from document and options to text.

Documents are reports, leaderboards and comparisons. A format is added here: its function in WRITERS (in BINARY if it is
no text), its file suffixes in SUFFIXES.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.names import unknown
from kldeval.outputs import (
    compared,
    delimited,
    json_lines,
    latex,
    leaderboard,
    markdown,
    page_latex,
    page_markdown,
    page_table,
    parquet,
    scores,
    strict_json,
    table,
)
from kldeval.outputs.options import Options
from kldeval.results.models import ComparisonReport, Leaderboard

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from kldeval.outputs.pages import Page
    from kldeval.results.report import Report

    Document = Report | Leaderboard | ComparisonReport
    Writer = Callable[[Document, Options], str]
    BinaryWriter = Callable[[Document, Options], bytes]

__all__ = ["BINARY", "SUFFIXES", "WRITERS", "Options", "writer_for", "writer_named"]


def _for_people(of_report: Callable[[Report, Options], str], of_page: Callable[[Page, Options], str]) -> Writer:
    """One writer of two: a report has a table of its own, documents of several models are pages."""

    def write(made: Document, options: Options) -> str:
        if isinstance(made, Leaderboard):
            return of_page(leaderboard.page_of(made, options), options)
        if isinstance(made, ComparisonReport):
            return of_page(compared.page_of(made, options), options)
        return of_report(made, options)

    return write


WRITERS: Mapping[str, Writer] = {
    "table": _for_people(table.write, page_table.write),
    "json": strict_json.write,
    "jsonl": json_lines.write,
    "csv": delimited.write_csv,
    "tsv": delimited.write_tsv,
    "markdown": _for_people(markdown.write, page_markdown.write),
    "latex": _for_people(latex.write, page_latex.write),
    "scores": scores.write,
}
"""The formats by the name that a user types."""

BINARY: Mapping[str, BinaryWriter] = {"parquet": parquet.write}
"""The formats that only a file can hold."""

SUFFIXES: Mapping[str, str] = {
    ".txt": "table",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".md": "markdown",
    ".markdown": "markdown",
    ".tex": "latex",
    ".parquet": "parquet",
}
"""The format that a file's suffix, in any case, asks for."""


def writer_named(name: str) -> Writer:
    """The writer of a format that standard output can show.

    Raises:
        UsageProblem: no format has this name, or only a file can hold it.
    """
    if name in BINARY:
        msg = f"--format {name} is no text: write it into a file, as in --output FILE.{name}"
        raise UsageProblem(msg)
    if name not in WRITERS:
        raise unknown("format", name, WRITERS)
    return WRITERS[name]


def writer_for(path: str | os.PathLike[str]) -> Writer | BinaryWriter:
    """The writer of the format that the suffix of `path` asks for.

    >>> writer_for("results/mit.tex") is WRITERS["latex"]
    True

    Raises:
        UsageProblem: no format has this suffix.
    """
    suffix = PurePath(path).suffix.lower()
    if suffix not in SUFFIXES:
        found = f"the suffix {suffix}" if suffix else "no suffix"
        msg = f"cannot write {PurePath(path)}: {found} stands for no format; known: {', '.join(SUFFIXES)}"
        raise UsageProblem(msg)
    return {**WRITERS, **BINARY}[SUFFIXES[suffix]]
