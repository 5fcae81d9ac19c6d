"""A page as aligned text: numbers under each other by their points, the best in bold, nothing ever cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.outputs.drawing import GAP, NARROWEST, draw, folded, wrapped
from kldeval.outputs.notation import ABSENT, aligned, gate_line, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from kldeval.outputs.models.page import Cell, Listing, Page, Sheet
    from kldeval.outputs.options import Options

_RAISED = str.maketrans("abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")


def write(page: Page, options: Options) -> str:
    """The page as text; intervals stand below their numbers where the terminal is too narrow for one line."""
    return draw(_blocks(page, options), options)


def _blocks(page: Page, options: Options) -> Iterator[list[RenderableType]]:
    from rich.text import Text

    for sheet in page.sheets:
        yield _sheet(sheet, options)
    for listing in page.listings:
        yield _listing(listing, options)
    if page.gates:
        yield [Text(plain(gate_line(gate, model)), style=_alarm(gate.fired)) for model, gate in page.gates]
    if page.notes:
        yield [wrapped("note: ", note, options) for note in page.notes]
    short = [Text(plain(text), style="bold") for text in page.short]
    yield [*short, *(Text(plain(text), style="dim") for text in page.signatures)]


def _alarm(fired: bool) -> str:  # noqa: FBT001 - a style for each truth value
    return "bold red" if fired else "green"


def _sheet(sheet: Sheet, options: Options) -> list[RenderableType]:
    from rich.text import Text

    flat = _columns(sheet, stacked=False)
    heads = [_head(parts) for parts in sheet.head]
    width = sum(GAP + max(map(_width, (Text(head), *column))) for head, column in zip(heads, flat, strict=True)) - GAP
    columns = _columns(sheet, stacked=True) if options.width and width > options.width else flat
    table = _table(heads, columns, sheet.n_names, options)
    parts: list[RenderableType] = [Text(plain(sheet.title), style="bold")] if sheet.title else []
    return [*parts, table, *([wrapped("", sheet.legend, options)] if sheet.legend else [])]


def _table(heads: Sequence[str], columns: Sequence[Sequence[Text]], n_names: int, options: Options) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    room = _room(heads[n_names:], columns[n_names:], options)
    for place, head in enumerate(heads):
        table.add_column(head, justify="left" if place < n_names else "right", no_wrap=True)
    for row in zip(*columns, strict=True):
        names = (Text("\n".join(folded(name.plain, "/_. -", room)), style=name.style) for name in row[:n_names])
        table.add_row(*names, *row[n_names:])
    return table


def _room(heads: Sequence[str], columns: Sequence[Sequence[Text]], options: Options) -> int | None:
    """What the numbers leave of the width for the names."""
    if options.width is None:
        return None
    taken = (GAP + max(len(head), *map(_width, column)) for head, column in zip(heads, columns, strict=True))
    return max(NARROWEST, options.width - sum(taken))


def _width(text: Text) -> int:
    return max((line.cell_len for line in text.split("\n")), default=0)


def _head(parts: tuple[str, str, str]) -> str:
    return plain(" ".join(part for part in parts if part))


def _columns(sheet: Sheet, *, stacked: bool) -> list[list[Text]]:
    columns = list(zip(*sheet.rows, strict=True)) if sheet.rows else [() for _ in sheet.head]
    return [
        [_name(cell) for cell in column] if place < sheet.n_names else _numbers(column, stacked=stacked)
        for place, column in enumerate(columns)
    ]


def _name(cell: Cell) -> Text:
    from rich.text import Text

    return Text(plain(cell.text))


def _numbers(column: Sequence[Cell], *, stacked: bool) -> list[Text]:
    """The cells of a column of numbers: the number, what is raised, the interval behind it or below it."""
    from rich.text import Text

    raised = [cell.raised.replace(",", "" if _single(cell.raised) else ",").translate(_RAISED) for cell in column]
    widest = max(map(len, raised), default=0)
    interval_width = max((len(cell.interval) for cell in column), default=0)
    made = []
    for cell, number, letters in zip(column, aligned([cell.text for cell in column]), raised, strict=True):
        text = Text.assemble((number, _style(cell)), (letters.ljust(widest), "cyan"))
        if interval_width:
            text.append("\n" if stacked else " ").append(cell.interval.rjust(interval_width), "dim")
        made.append(text)
    return made


def _single(raised: str) -> bool:
    return all(len(letter) == 1 for letter in raised.split(","))


def _style(cell: Cell) -> str:
    if cell.text in ("inf", "-inf", "nan"):
        return "yellow"
    return "bold" if cell.is_best else "dim" if cell.text == ABSENT else "not bold"


def _listing(listing: Listing, options: Options) -> list[RenderableType]:
    """One line for each row; on a terminal the last text hangs below the others where it is long."""
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = [Text(listing.title, style="bold red")]
    if options.width is None:
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_header=False)
        for row in listing.rows:
            table.add_row(*(Text(plain(text)) for text in row))
        parts.append(table)
    else:
        for row in listing.rows:
            parts += _listed(row, options.width, options)
    return [*parts, Text(listing.rest, style="dim")] if listing.rest else parts


def _listed(row: Sequence[str], width: int, options: Options) -> list[RenderableType]:
    from rich.text import Text

    *names, last = map(plain, row)
    whole = Text("  ".join((*names, last)))
    return [whole] if whole.cell_len <= width else [Text("  ".join(names)), wrapped("  ", last, options)]
