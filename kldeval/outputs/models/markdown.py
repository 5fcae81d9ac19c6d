"""A page as GitHub-flavoured Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.outputs.markdown import code_span, escaped, lay_out
from kldeval.outputs.notation import gate_line, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.outputs.models.page import Cell, Page, Sheet
    from kldeval.outputs.options import Options


def write(page: Page, options: Options) -> str:
    """The sheets, what is missing, the gates, the notes and the signatures."""
    del options
    return "\n\n".join("\n".join(block) for block in _blocks(page)) + "\n"


def _blocks(page: Page) -> Iterator[list[str]]:
    for sheet in page.sheets:
        if sheet.title:
            yield [f"**{escaped(sheet.title)}**"]
        yield _table(sheet)
        if sheet.legend:
            yield [escaped(sheet.legend)]
    for listing in page.listings:
        yield [f"**{escaped(listing.title)}**"]
        yield [f"- {' · '.join(map(escaped, row))}" for row in listing.rows] + (
            [f"- {listing.rest}"] * bool(listing.rest)
        )
    if page.gates:
        yield ["**gates**"]
        yield [f"- {escaped(gate_line(gate, model))}" for model, gate in page.gates]
    if page.notes:
        yield ["**notes**"]
        yield [f"- {escaped(note)}" for note in page.notes]
    if page.short:
        yield [f"signature {', '.join(map(code_span, page.short))}"]
    yield ["```text", *map(plain, page.signatures), "```"]


def _table(sheet: Sheet) -> list[str]:
    heads = [
        escaped(" ".join(part for part in (key, arrow, f"({unit})" if unit else "") if part))
        for key, arrow, unit in sheet.head
    ]
    columns = [[head, *(_cell(row[place]) for row in sheet.rows)] for place, head in enumerate(heads)]
    return lay_out(columns, sheet.n_names)


def _cell(cell: Cell) -> str:
    number = f"**{escaped(cell.text)}**" if cell.is_best else escaped(cell.text)
    raised = f"<sup>{cell.raised}</sup>" if cell.raised else ""
    return f"{number}{raised} {escaped(cell.interval)}".rstrip()
