"""A document as text or bytes: one module of `kldeval.writers.formats` per format, one builder of pages per document.

Documents are reports, leaderboards, comparisons and audits.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Generic, TypeVar

from kldeval.dataclass import dataclass
from kldeval.errors import UsageProblem, printable
from kldeval.grammar import unknown
from kldeval.packages import check_package
from kldeval.reports.documents import Report
from kldeval.writers.formats import FORMATS
from kldeval.writers.page import Options

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from kldeval.reports.audit_documents import Audit
    from kldeval.reports.documents import ComparisonReport, Leaderboard
    from kldeval.writers.page import Page

    Document = Report | Leaderboard | ComparisonReport

__all__ = [
    "BINARY",
    "FORMATS",
    "WRITERS",
    "BinaryWriter",
    "Options",
    "Writer",
    "check_installed",
    "page_of",
    "suffixes",
    "writer_for",
    "writer_named",
]

Contents = TypeVar("Contents", str, bytes)


@dataclass(frozen=True, slots=True)
class FormatWriter(Generic[Contents]):
    """A function from a document and how it looks to the contents of a file."""

    name: str

    def __call__(self, document: Document | Audit, options: Options) -> Contents:
        """The document in this format."""
        entry = FORMATS[self.name]
        contents: Contents = entry.function(page_of(document, options) if entry.info.takes_page else document, options)
        return contents


Writer = FormatWriter[str]
BinaryWriter = FormatWriter[bytes]


class Writers(Mapping[str, FormatWriter[Contents]]):
    """The writers of text, or of bytes, by the name that a user types."""

    def __init__(self, *, is_binary: bool) -> None:
        self._is_binary = is_binary

    def __getitem__(self, name: str) -> FormatWriter[Contents]:
        entry = FORMATS.get(name)
        if entry is None or entry.info.is_binary != self._is_binary:
            raise KeyError(name)
        return FormatWriter(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in FORMATS if FORMATS[name].info.is_binary == self._is_binary)

    def __len__(self) -> int:
        return sum(1 for _ in self)


WRITERS: Writers[str] = Writers(is_binary=False)
"""The formats of text."""

BINARY: Writers[bytes] = Writers(is_binary=True)
"""The formats that only a file can hold."""


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
    package = FORMATS[write.name].info.package
    if package:
        check_package(package, f"{write.name} files need {package}", f"pip install 'kldeval[{write.name}]'")


def suffixes(*, of_audits: bool = False) -> dict[str, str]:
    """The format that a file's suffix asks for, by the suffix in small letters."""
    every = ((name, FORMATS[name].info) for name in FORMATS)
    return {suffix: name for name, info in every if info.of_audits or not of_audits for suffix in info.suffixes}


def writer_named(name: str, *, of_audits: bool = False) -> Writer:
    """The writer of a format that standard output can show.

    Raises:
        UsageProblem: no format has this name, or only a file can hold it.
    """
    entry = FORMATS.get(name)
    if entry is None or (of_audits and not entry.info.of_audits):
        raise unknown("format", name, [known for known in WRITERS if not of_audits or FORMATS[known].info.of_audits])
    if entry.info.is_binary:
        msg = f"--format {name} is no text: write it into a file, as in --output FILE.{name}"
        raise UsageProblem(msg)
    return WRITERS[name]


def writer_for(path: str | os.PathLike[str], *, of_audits: bool = False) -> Writer | BinaryWriter:
    """The writer of the format that the suffix of `path` asks for.

    >>> writer_for("results/mit.tex").name
    'latex'

    Raises:
        UsageProblem: no format has this suffix.
    """
    known = suffixes(of_audits=of_audits)
    suffix = PurePath(path).suffix.lower()
    if suffix not in known:
        if suffix:
            why = f"the suffix {suffix} stands for no format{' of an audit' * of_audits}"
        else:
            why = f"no suffix says its format; name it {printable(f'{path}.json')} or the like"
        msg = f"cannot write {printable(path)}: {why}; known: {', '.join(sorted(known))}"
        raise UsageProblem(msg)
    name = known[suffix]
    return BINARY[name] if FORMATS[name].info.is_binary else WRITERS[name]
