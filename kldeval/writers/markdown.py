"""A page as GitHub-flavoured Markdown, to be pasted into a pull request or a README."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kldeval.writers.lines import one_line
from kldeval.writers.numbers import ARROWS, aligned, gate_line
from kldeval.writers.page import Gates, MissingMaps, Notes, Paragraphs, Signatures, Table, for_papers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.writers.page import Block, Cell, Head, Missing, Options, Page


def render(page: Page, options: Options) -> str:
    """Tables as tables, everything else as lists, the full signatures as code."""
    page = for_papers(page, options.columns)
    return "\n\n".join("\n".join(lines) for block in page.blocks for lines in _parts(block)) + "\n"


def _parts(block: Block) -> Iterator[list[str]]:
    """Groups of lines with an empty line between them."""
    if isinstance(block, Table):
        yield from _table_parts(block)
    elif isinstance(block, Signatures):
        if block.short:
            yield [f"signature {', '.join(map(code_span, block.short))}"]
        yield ["```text", *map(one_line, (*block.lines, *block.statistics)), "```"]
    else:
        title, lines = _list(block)
        if title:
            yield [f"**{escaped(title)}**"]
        yield lines


def _list(block: Paragraphs | MissingMaps | Gates | Notes) -> tuple[str, list[str]]:
    """The title and the lines of a list."""
    if isinstance(block, MissingMaps):
        return block.title, [f"- {_missing(row)}" for row in block.rows]
    if isinstance(block, Gates):
        return "gates", [f"- {escaped(gate_line(gate, model))}" for model, gate in block.rows]
    if isinstance(block, Notes):
        return "notes", [f"- {escaped(line)}" for line in block.lines]
    mark = "- " if block.title or block.mark else ""
    return block.title, [f"{mark}{escaped(line)}" for line in block.lines]


def _missing(row: Missing) -> str:
    model = f"{escaped(row.model)}: " if row.model else ""
    stage = f" ({row.stage})" if row.stage else ""
    return f"{model}{code_span(row.name)}{stage}: {escaped(row.reason)}"


def _table_parts(table: Table) -> Iterator[list[str]]:
    if table.title:
        yield [f"**{escaped(table.title)}**"]
    yield _lay_out(table)
    if table.legend:
        yield [escaped(table.legend)]


def _lay_out(table: Table) -> list[str]:
    """The lines of a table, padded so that its source can be read as well."""
    columns = [[_head(head), *_cells(table, place)] for place, head in enumerate(table.heads)]
    widths = [max(3, *map(len, column)) for column in columns]
    numeric = [head.kind == "number" for head in table.heads]
    pads = [str.rjust if number else str.ljust for number in numeric]
    rows = [
        _row([pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True)])
        for row in zip(*columns, strict=True)
    ]
    rulers = [
        f"{dashes}:" if number else f":{dashes}"
        for number, dashes in zip(numeric, ("-" * (width - 1) for width in widths), strict=True)
    ]
    return [rows[0], _row(rulers), *rows[1:]]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _head(head: Head | Cell) -> str:
    """A metric with its arrow and unit, as `kld ↓ (nats)`; any other head or name as it is."""
    parts = (head.text, ARROWS.get(head.better, ""), f"({head.unit})" if head.unit else "")
    return escaped(" ".join(part for part in parts if part))


def _cells(table: Table, place: int) -> list[str]:
    """The cells of a column."""
    column, kind = [row[place] for row in table.rows], table.heads[place].kind
    if kind == "number":
        return _numbers(column)
    if kind == "metric":
        return [_head(cell) for cell in column]
    if kind == "map":
        return [code_span(cell.text).replace("|", r"\|") for cell in column]
    if kind == "names":
        return [", ".join(map(code_span, cell.text.split(", "))) for cell in column]
    return [escaped(cell.text) for cell in column]


def _numbers(column: Sequence[Cell]) -> list[str]:
    """Numbers under each other, unless something belongs to them; the best in bold."""
    bare = not any(cell.raised or cell.interval for cell in column)
    texts = aligned([cell.text for cell in column]) if bare else [cell.text for cell in column]
    return [_number(cell, text) for cell, text in zip(column, texts, strict=True)]


def _number(cell: Cell, text: str) -> str:
    whole = escaped(text if cell.rank is None else f"{text} ({cell.rank})")
    number = f"**{whole.strip()}**" if cell.is_best else whole
    raised = f"<sup>{cell.raised}</sup>" if cell.raised else ""
    return f"{number}{raised} {escaped(cell.interval)}".rstrip() if raised or cell.interval else number


def escaped(text: str) -> str:
    r"""Text that no renderer takes for markup.

    >>> escaped("<b> a_b|c")
    '\\<b\\> a\\_b\\|c'
    """
    return re.sub(r"([\\`*_\[\]<>|&~#])", r"\\\1", one_line(text))


def code_span(text: str) -> str:
    """A code span, fenced by more backticks than the text has in a row (CommonMark 6.1)."""
    inside = one_line(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", inside)), default=0))
    pad = " " if inside.startswith("`") or inside.endswith("`") else ""
    return f"{fence}{pad}{inside}{pad}{fence}"
