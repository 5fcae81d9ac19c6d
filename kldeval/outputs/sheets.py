"""Sheets and paragraphs as text for people: what every page that is no report is made of.

rich draws them; it is imported in the functions that draw, because `kldeval --help` should not wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kldeval.outputs.drawing import GAP, draw
from kldeval.outputs.notation import aligned, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import RenderableType
    from rich.table import Table

    from kldeval.outputs.options import Options


NARROWEST = 18
"""The last column, or a paragraph, is never folded to less: a narrower terminal wraps the lines itself."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows under a head. Numbers stand under each other by their points; the last column of words wraps.

    `numbers` are the places of the columns that hold numbers; `emphasised` are the cells (row, column) in bold.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    emphasised: frozenset[tuple[int, int]] = frozenset()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Paragraphs:
    """Sentences under a title, each behind its mark."""

    lines: tuple[str, ...]
    title: str = ""
    mark: str = ""
    dim: bool = field(default=False)


Part = Sheet | Paragraphs


def as_text(parts: Iterable[Part], options: Options, *, apart: bool = True) -> str:
    """The parts, with an empty line between them if `apart`. Words wrap at `options.width`; nothing is ever cut."""
    blocks = (list(_sheet(part, options) if isinstance(part, Sheet) else _paragraphs(part, options)) for part in parts)
    return draw(blocks, options, apart=apart)


def _sheet(sheet: Sheet, options: Options) -> Iterator[RenderableType]:
    from rich.text import Text

    if sheet.title:
        yield _wrapped("", sheet.title, "bold", options)
    columns = [[plain(row[place]) for row in sheet.rows] for place in range(len(sheet.head))]
    columns = [aligned(cells) if place in sheet.numbers else cells for place, cells in enumerate(columns)]
    table = _empty_table(sheet, columns, options)
    for place, row in enumerate(zip(*columns, strict=True)):
        table.add_row(*(Text(cell, style=_style(sheet, place, column, cell)) for column, cell in enumerate(row)))
    yield table


def _empty_table(sheet: Sheet, columns: Sequence[Sequence[str]], options: Options) -> Table:
    from rich.table import Table

    last = len(sheet.head) - 1
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim", show_header=any(sheet.head))
    room = None
    if options.width is not None:
        heads = list(zip(sheet.head, columns, strict=True))[:last]
        taken = sum(GAP + max(map(len, (*head.split("\n"), *cells))) for head, cells in heads)
        room = max(NARROWEST, options.width - taken)
    for place, head in enumerate(sheet.head):
        if place == last and place not in sheet.numbers:
            table.add_column(plain(head), overflow="fold", max_width=room)
        else:
            table.add_column(head, justify="right" if place in sheet.numbers else "left", no_wrap=True)
    return table


def _style(sheet: Sheet, row: int, column: int, cell: str) -> str:
    weight = "bold" if (row, column) in sheet.emphasised else "not bold"
    return f"{weight} yellow" if cell.strip().split(" ")[0] in ("inf", "-inf", "nan") else weight


def _paragraphs(part: Paragraphs, options: Options) -> Iterator[RenderableType]:
    if part.title:
        yield _wrapped("", part.title, "bold", options)
    for line in part.lines:
        yield _wrapped(part.mark, line, "dim" if part.dim else "", options)


def _wrapped(mark: str, text: str, style: str, options: Options) -> Table:
    """A paragraph that hangs behind its mark."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=0, show_header=False)
    if mark:
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=options.width and max(NARROWEST, options.width - len(mark)))
    words = Text(plain(text), style=style)
    table.add_row(*([Text(mark, style="dim"), words] if mark else [words]))
    return table
