"""The formats of documents: every module of this folder registers what it writes, and is all that a format needs.

A module is imported when its format is asked for. What it draws with, it imports when something is written: who looks
at a table should not wait for JSON and LaTeX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.dataclass import dataclass
from kldeval.grammar import Info, Registry

if TYPE_CHECKING:
    from collections.abc import Callable


ROWS = frozenset({"per_map", "worst"})
"""What formats heed that have a row per map."""

FULL = ROWS | {"intervals", "std", "signatures"}
"""What formats heed that hold all that is known."""

TABLES = FULL | {"precision"}
"""What formats heed that are tables for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format(Info):
    """What is known of a format beside the function that writes it, of a document and `writers.page.Options`.

    Args:
        suffixes: of the names of its files, in small letters.
        takes_page: the function takes a `writers.page.Page`, what people see of any document, instead of the document.
        draws_page: where the function draws more of a document than its page, the one that draws any page by itself:
            (page, facts on where it comes from, charts).
        is_binary: only a file can hold it.
        of_audits: an audit can be written in it.
        package: it needs one, which the extra of its name installs.
        heeds: the options of how documents look that do something in it, or whose wish it grants in any case.
    """

    suffixes: tuple[str, ...] = ()
    takes_page: bool = False
    draws_page: Callable[[Any, Any, Any], str] | None = None
    is_binary: bool = False
    of_audits: bool = True
    package: str = ""
    heeds: frozenset[str] = frozenset()


FORMATS: Registry[Callable[[Any, Any], Any], Format] = Registry("format", Format, package=__name__)
"""Every format by the name that a user types; its function makes text, or bytes where it is binary."""
