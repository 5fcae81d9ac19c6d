"""Every error that kldeval raises on purpose.

A message says what is wrong, the offending value, and what would be right, in one line. Each class also is the
built-in error that a library user expects, so `except ValueError` works without knowing this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class KldevalError(Exception):
    """The base of all errors below: what the command line prints without a traceback."""


class UsageProblem(KldevalError, ValueError):
    """The request itself is wrong: an option, a name or a combination that can mean nothing."""


class UnknownName(UsageProblem, LookupError):
    """A name that is in no registry."""


class MissingDependency(KldevalError, ImportError):
    """A package, a system library or a device that the request needs and this machine lacks."""


class MapProblem(KldevalError, ValueError):
    """One map cannot be used; the other maps of a run are still scored."""

    stage = "check"


class NoPartner(MapProblem):
    """A map beside which something must stand, and does not."""

    stage = "pair"


class UnreadableMap(MapProblem):
    """A file that cannot be decoded into one real-valued map."""

    stage = "load"


class RefusedMap(MapProblem):
    """A map that was read, but does not fit the request; the message names the way out."""


EXAMPLES = 3
"""How many names stand for all of them."""


def printable(path: Path | str) -> str:
    r"""The path itself, or its escaped form where it holds line breaks, terminal codes or undecodable bytes.

    >>> print(printable("maps/Übung 1.png"), printable("a\nb.png"))
    maps/Übung 1.png 'a\nb.png'
    """
    text = str(path)
    return text if text.isprintable() else repr(text)


def examples(names: Iterable[str]) -> str:
    """The first few names, quoted, for "such as ...".

    >>> examples(["b", "a", "d", "c"])
    "'a', 'b', 'c'"
    """
    return ", ".join(map(repr, sorted(names)[:EXAMPLES]))
