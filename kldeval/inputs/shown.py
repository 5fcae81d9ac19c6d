"""Paths and names as a message shows them: one line, printable, whatever the file system allows in a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

EXAMPLES = 3
"""How many names stand for all of them."""


def shown(path: Path | str) -> str:
    r"""The path itself, or its escaped form where it holds line breaks, terminal codes or undecodable bytes.

    >>> print(shown("maps/Übung 1.png"), shown("a\nb.png"))
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
