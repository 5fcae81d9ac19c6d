"""A document as text or bytes: one row per format, each with a function from document and options to its contents.

Documents are reports, leaderboards, comparisons and audits. A format is added in one row of FORMATS and one file. The
file is imported when it is written in: who looks at a table should not wait for JSON and LaTeX.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from kldeval.dataclass import dataclass
from kldeval.errors import MissingDependency, UsageProblem
from kldeval.grammar import unknown
from kldeval.reports.documents import Report
from kldeval.writers.page import Options

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from kldeval.reports.audit_documents import Audit
    from kldeval.reports.documents import ComparisonReport, Leaderboard
    from kldeval.writers.page import Page

    Document = Report | Leaderboard | ComparisonReport
    Writer = Callable[[Document | Audit, Options], str]
    BinaryWriter = Callable[[Document | Audit, Options], bytes]

__all__ = [
    "AUDIT_FORMATS",
    "BINARY",
    "FORMATS",
    "SUFFIXES",
    "WRITERS",
    "Options",
    "check_installed",
    "page_of",
    "writer_for",
    "writer_named",
]


@dataclass(frozen=True, slots=True)
class Format:
    """A format: the name that a user types, the suffixes of its files, its module, and the function in it.

    The function `render` takes a page, any other the document itself. `is_binary`: only a file can hold it.
    `of_audits`: an audit can be written in it. `package`: it needs one, which the extra of its name installs.
    """

    name: str
    suffixes: tuple[str, ...]
    module: str
    function: str = "render"
    is_binary: bool = False
    of_audits: bool = True
    package: str = ""

    def write(self, document: Document | Audit, options: Options) -> Any:
        """The document in this format."""
        function = getattr(import_module(f"kldeval.writers.{self.module}"), self.function)
        return function(page_of(document, options) if self.function == "render" else document, options)


FORMATS = (
    Format("table", (".txt",), "text"),
    Format("json", (".json",), "json", "write"),
    Format("jsonl", (".jsonl", ".ndjson"), "json", "write_lines", of_audits=False),
    Format("csv", (".csv",), "delimited", "write_csv"),
    Format("tsv", (".tsv",), "delimited", "write_tsv"),
    Format("markdown", (".md", ".markdown"), "markdown"),
    Format("latex", (".tex",), "latex"),
    Format("html", (".html", ".htm"), "html", "write", package="jinja2"),
    Format("scores", (), "json", "write_scores", of_audits=False),
    Format("parquet", (".parquet",), "parquet", "write", is_binary=True, of_audits=False, package="pyarrow"),
)
"""Every format."""

WRITERS: Mapping[str, Writer] = {one.name: one.write for one in FORMATS if not one.is_binary}
"""The formats of text by the name that a user types."""

BINARY: Mapping[str, BinaryWriter] = {one.name: one.write for one in FORMATS if one.is_binary}
"""The formats that only a file can hold."""

SUFFIXES: Mapping[str, str] = {suffix: one.name for one in FORMATS for suffix in one.suffixes}
"""The format that a file's suffix, in any case, asks for."""

AUDIT_FORMATS = tuple(one.name for one in FORMATS if one.of_audits)
"""The formats that an audit can be written in."""


def page_of(document: Document | Audit, options: Options) -> Page:
    """What people see of a document.

    Raises:
        UsageProblem: the worst maps are asked for, and no metric has a better direction.
    """
    if isinstance(document, Report):
        from kldeval.writers.report_page import report_page

        return report_page(document, options)
    from kldeval.reports.documents import ComparisonReport, Leaderboard
    from kldeval.writers.models_page import comparison_page, leaderboard_page

    if isinstance(document, Leaderboard):
        return leaderboard_page(document, options)
    if isinstance(document, ComparisonReport):
        return comparison_page(document, options)
    from kldeval.writers.audit_page import audit_page

    return audit_page(document, options)


def check_installed(write: Writer | BinaryWriter) -> None:
    """Refuse a writer whose package is missing; worth asking before anything is scored.

    Raises:
        MissingDependency: naming what to install.
    """
    for one in FORMATS:
        if one.write == write and one.package and _is_missing(one.package):
            msg = f"{one.name} files need {one.package}, which is not installed: pip install 'kldeval[{one.name}]'"
            raise MissingDependency(msg)


def _is_missing(package: str) -> bool:
    try:
        return find_spec(package) is None
    except (ImportError, ValueError):
        return True


def writer_named(name: str, *, of_audits: bool = False) -> Writer:
    """The writer of a format that standard output can show.

    Raises:
        UsageProblem: no format has this name, or only a file can hold it.
    """
    known = {known: write for known, write in WRITERS.items() if not of_audits or known in AUDIT_FORMATS}
    if name in BINARY and (not of_audits or name in AUDIT_FORMATS):
        msg = f"--format {name} is no text: write it into a file, as in --output FILE.{name}"
        raise UsageProblem(msg)
    if name not in known:
        raise unknown("format", name, known)
    return known[name]


def writer_for(path: str | os.PathLike[str], *, of_audits: bool = False) -> Writer | BinaryWriter:
    """The writer of the format that the suffix of `path` asks for.

    >>> writer_for("results/mit.tex") is WRITERS["latex"]
    True

    Raises:
        UsageProblem: no format has this suffix.
    """
    known = {suffix: name for suffix, name in SUFFIXES.items() if not of_audits or name in AUDIT_FORMATS}
    suffix = PurePath(path).suffix.lower()
    if suffix not in known:
        found = f"the suffix {suffix}" if suffix else "no suffix"
        format_ = "no format of an audit" if of_audits else "no format"
        msg = f"cannot write {PurePath(path)}: {found} stands for {format_}; known: {', '.join(known)}"
        raise UsageProblem(msg)
    name = known[suffix]
    return BINARY[name] if name in BINARY else WRITERS[name]
