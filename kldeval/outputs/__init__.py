"""A report as text: one small file per format, each with a function from report and options to text.

A format is added here: its file in WRITERS, its file suffixes in SUFFIXES. The file is imported when it is written in:
who looks at a table should not wait for JSON and LaTeX.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.outputs.options import Options

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from kldeval.results.report import Report

    Writer = Callable[[Report, Options], str]

__all__ = ["SUFFIXES", "WRITERS", "Options", "writer_for"]


def _writer(module: str, function: str = "write") -> Writer:
    def write(report: Report, options: Options) -> str:
        text: str = getattr(import_module(f"kldeval.outputs.{module}"), function)(report, options)
        return text

    return write


WRITERS: Mapping[str, Writer] = {
    "table": _writer("table"),
    "json": _writer("strict_json"),
    "jsonl": _writer("json_lines"),
    "csv": _writer("delimited", "write_csv"),
    "tsv": _writer("delimited", "write_tsv"),
    "markdown": _writer("markdown"),
    "latex": _writer("latex"),
}
"""The formats by the name that a user types."""

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
}
"""The format that a file's suffix, in any case, asks for."""


def writer_for(path: str | os.PathLike[str]) -> Writer:
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
    return WRITERS[SUFFIXES[suffix]]
