"""Text that others wrote, on one line: names, messages and notes as every format and every message shows them."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that could move the cursor, reverse the text or end the line."""


def one_line(text: str) -> str:
    r"""`text` on one line, its control characters and undecodable bytes written as escapes.

    >>> print(one_line("a\x1b[31m/0001\n"))
    a\x1b[31m/0001\n
    """
    if text.isprintable():
        return text
    return "".join(repr(c)[1:-1] if unicodedata.category(c) in _UNPRINTABLE else c for c in text)


def annotation(kind: str, title: str, text: str) -> str:
    """A workflow command of GitHub, which shows the text beside a run (https://docs.github.com/actions/reference).

    >>> annotation("error", "a,b", "100 %")
    '::error title=a%2Cb::100 %25'
    """
    message = one_line(text).replace("%", "%25")
    name = one_line(title).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={name}::{message}"


def message_lines(text: str, kind: str = "") -> list[str]:
    r"""A message as lines that begin with the program's name; all but the first are indented behind it.

    So a line feed in a name cannot begin a message of its own.

    >>> message_lines("2 problems\nnote: forged", "error")
    ['kldeval: error: 2 problems', 'kldeval:   note: forged']
    """
    first, *rest = text.rstrip("\n").split("\n")
    start = f"kldeval: {kind}: " if kind else "kldeval: "
    return [f"{start}{one_line(first)}", *(f"kldeval:   {one_line(line).removeprefix('  ')}" for line in rest)]


def wrapped(text: str, room: int | None, indent: str = "", separators: str = " ") -> list[str]:
    """A text on lines that break behind a separator where there is no `room`, the later ones indented.

    What has no separator within the room is longer than it: nothing is cut.

    >>> wrapped("kld|pred:max|gt:max", 13, "  ", "|")
    ['kld|pred:max|', '  gt:max']
    >>> wrapped("one two", None)
    ['one two']
    """
    lines = [""]
    for piece in re.findall(f"[^{separators}]*[{separators}]+|[^{separators}]+", text):
        if room is not None and lines[-1].strip() and len((lines[-1] + piece).rstrip()) > room:
            lines.append(indent)
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def in_paragraphs(lines: Sequence[str], room: int | None) -> list[str]:
    """Lines of a text, wrapped anew where one has no `room`; an empty line ends a paragraph, as an item of a list does.

    >>> in_paragraphs(["one two", "three", "", "four"], 9)
    ['one two', 'three', '', 'four']
    """
    if room is None or all(len(line) <= room for line in lines):
        return list(lines)
    made: list[str] = []
    for paragraph in re.split(r"\n(?=\s*[*|-]\s|\n)|(?<=\n)\n", "\n".join(lines)):
        made += wrapped(" ".join(paragraph.split()), room)
    return made
