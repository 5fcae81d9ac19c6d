"""A document as text: one small file per format, each with a function from document and options to text.

Documents are reports, leaderboards and comparisons. A format is added here: its file in WRITERS (in BINARY if it is no
text), its file suffixes in SUFFIXES. The file is imported when it is written in: who looks at a table should not wait
for JSON and LaTeX.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from kldeval.errors import UsageProblem
from kldeval.names import unknown
from kldeval.outputs.options import Options
from kldeval.results.report import Report

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from kldeval.results.models import ComparisonReport, Leaderboard

    Document = Report | Leaderboard | ComparisonReport
    Writer = Callable[[Document, Options], str]
    BinaryWriter = Callable[[Document, Options], bytes]

__all__ = ["BINARY", "SUFFIXES", "WRITERS", "Options", "writer_for", "writer_named"]


def _writer(module: str, function: str = "write") -> Callable[[Document, Options], Any]:
    def write(made: Document, options: Options) -> Any:
        return getattr(import_module(f"kldeval.outputs.{module}"), function)(made, options)

    return write


def _for_people(module: str) -> Writer:
    """One writer of two: a report has a table of its own, documents of several models share a page."""

    def write(made: Document, options: Options) -> str:
        if isinstance(made, Report):
            text: str = _writer(module)(made, options)
            return text
        from kldeval.outputs.models import page_of

        page: str = import_module(f"kldeval.outputs.models.{module}").write(page_of(made, options), options)
        return page

    return write


WRITERS: Mapping[str, Writer] = {
    "table": _for_people("table"),
    "json": _writer("strict_json"),
    "jsonl": _writer("json_lines"),
    "csv": _writer("delimited", "write_csv"),
    "tsv": _writer("delimited", "write_tsv"),
    "markdown": _for_people("markdown"),
    "latex": _for_people("latex"),
    "scores": _writer("scores"),
}
"""The formats by the name that a user types."""

BINARY: Mapping[str, BinaryWriter] = {"parquet": _writer("parquet")}
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
    name = SUFFIXES[suffix]
    return BINARY[name] if name in BINARY else WRITERS[name]
