"""Text and tables without colours and of any width, as files and pipes get them: what rich draws there, in its words.

Goal: a table in a pipe, which needs neither styles nor wrapping, without the 45 modules of rich (12 ms).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

_NARROW = re.compile("[ -~\N{NO-BREAK SPACE}-\u02ff\N{EN DASH}\N{EM DASH}\N{HORIZONTAL ELLIPSIS}\u2190-\u2193]*")
"""Characters of one column each, which most texts have alone."""


def cell_width(text: str) -> int:
    """The columns that one line of text takes."""
    if _NARROW.fullmatch(text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


class PlainText:
    """`rich.text.Text` without its styles."""

    __slots__ = ("plain",)

    def __init__(self, plain: str = "", style: str = "") -> None:  # noqa: ARG002 - as rich takes it
        self.plain = plain

    @classmethod
    def assemble(cls, *parts: str | tuple[str, str]) -> Self:
        """The parts behind each other, of which some have a style."""
        return cls("".join(part if isinstance(part, str) else part[0] for part in parts))

    @property
    def cell_len(self) -> int:
        """The columns that it takes."""
        return cell_width(self.plain)

    def append(self, text: str, style: str = "") -> Self:  # noqa: ARG002
        """Itself with a text behind it."""
        self.plain += text
        return self

    def split(self, separator: str) -> list[Self]:
        """What stands between the separators."""
        return [type(self)(part) for part in self.plain.split(separator)]

    def join(self, texts: Iterable[PlainText]) -> PlainText:
        """The texts with itself between them."""
        return PlainText(self.plain.join(text.plain for text in texts))

    def lines(self) -> list[str]:
        """What is printed."""
        return self.plain.split("\n")


class PlainTable:
    """`rich.table.Table` without a box, styles and a bound of its width."""

    def __init__(
        self,
        *,
        box: None,  # noqa: ARG002 - as rich takes it
        pad_edge: bool,  # noqa: ARG002
        padding: int | tuple[int, int, int, int],
        show_header: bool = True,
        header_style: str = "",  # noqa: ARG002
    ) -> None:
        self.show_header = show_header
        self._gap = " " * (padding if isinstance(padding, int) else padding[1])
        self._heads: list[list[str]] = []
        self._is_right: list[bool] = []
        self._rows: list[list[list[str]]] = []

    def add_column(self, header: PlainText | None = None, *, justify: str = "left", **_: Any) -> None:
        """A column, whose numbers may stand at the right."""
        self._heads.append((header or PlainText()).lines())
        self._is_right.append(justify == "right")

    def add_row(self, *cells: PlainText) -> None:
        """A row of a cell for each column; columns that were not added have no heads."""
        for _ in cells[len(self._heads) :]:
            self.add_column()
        self._rows.append([cell.lines() for cell in cells])

    def lines(self) -> list[str]:
        """What is printed: heads stand at the foot of their row, cells at the top."""
        rows = list(self._rows)
        if self.show_header:
            height = max(map(len, self._heads), default=0)
            rows.insert(0, [[*[""] * (height - len(head)), *head] for head in self._heads])
        columns = zip(*rows, strict=True)
        widths = [max(cell_width(line) for cell in column for line in cell) for column in columns]
        return [line for row in rows for line in self._lines(row, widths)]

    def _lines(self, row: list[list[str]], widths: list[int]) -> Iterable[str]:
        for at in range(max(map(len, row), default=0)):
            pieces = []
            for cell, width, is_right in zip(row, widths, self._is_right, strict=True):
                text = cell[at] if at < len(cell) else ""
                text = text.rstrip() if is_right else text
                room = " " * (width - cell_width(text))
                pieces.append(room + text if is_right else text + room)
            yield self._gap.join(pieces)


class PlainConsole:
    """`rich.console.Console` that writes lines as they are."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def print(self, part: PlainText | PlainTable | None = None, **_: Any) -> None:
        """Write a text or a table, or an empty line."""
        self._file.writelines(f"{line}\n" for line in (part or PlainText()).lines())
