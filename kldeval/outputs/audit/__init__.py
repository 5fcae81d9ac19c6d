"""An audit as text: one small file per format, each with a function from audit and options to text."""

from __future__ import annotations

from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.names import unknown

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from kldeval.outputs.options import Options
    from kldeval.results.audit import Audit

    Writer = Callable[[Audit, Options], str]

FORMATS: Mapping[str, tuple[str, str]] = {
    "table": ("table", "write"),
    "json": ("document", "write"),
    "csv": ("delimited", "write_csv"),
    "tsv": ("delimited", "write_tsv"),
    "markdown": ("markdown", "write"),
    "latex": ("latex", "write"),
}
"""Where the writer of each format is, by the name that a user types."""

SUFFIXES: Mapping[str, str] = {
    ".txt": "table",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".md": "markdown",
    ".markdown": "markdown",
    ".tex": "latex",
}
"""The format that a file's suffix, in any case, asks for."""


def writer_named(name: str) -> Writer:
    """The writer of a format.

    Raises:
        UnknownName: there is no such format.
    """
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)
    module, function = FORMATS[name]
    writer: Writer = getattr(import_module(f"kldeval.outputs.audit.{module}"), function)
    return writer


def writer_for(path: str | os.PathLike[str]) -> Writer:
    """The writer of the format that the suffix of `path` asks for.

    Raises:
        UsageProblem: no format has this suffix.
    """
    suffix = PurePath(path).suffix.lower()
    if suffix not in SUFFIXES:
        found = f"the suffix {suffix}" if suffix else "no suffix"
        msg = f"cannot write {PurePath(path)}: {found} stands for no format of an audit; known: {', '.join(SUFFIXES)}"
        raise UsageProblem(msg)
    return writer_named(SUFFIXES[suffix])
