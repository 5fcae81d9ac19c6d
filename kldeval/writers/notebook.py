"""A page as a fragment of HTML for a notebook: compact, never more than a screen, without scripts and style sheets."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from itertools import chain
from typing import TYPE_CHECKING

from kldeval.writers.numbers import ARROWS, gate_line
from kldeval.writers.page import Gates, MissingMaps, Notes, Paragraphs, Signatures, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.writers.page import Block, Cell, Head, Page


MOST_ROWS, MOST_COLUMNS, MOST_LINES, LONGEST = 12, 12, 3, 200
"""So many rows and columns of a table, lines of a list, and characters of a line are shown."""

_SMALL = "font-size:85%;opacity:.8"


def fragment(page: Page) -> str:
    """The page as one element of HTML; what does not fit on a screen is counted, and signatures fold away.

    >>> from kldeval.writers.page import Cell, Head, Page, Table
    >>> fragment(Page((Table((Head("n"),), ((Cell("<1>"),),)),)))[-78:]
    '<td style="padding:1px 8px;text-align:right">&lt;1&gt;</td></tr></table></div>'
    """
    tables = [block for block in page.blocks if isinstance(block, Table)]
    # of several tables the first is what the page is about
    left_out = {id(table) for table in tables[2:]}
    parts = chain.from_iterable(_drawn(block) for block in page.blocks if id(block) not in left_out)
    return f"<div>{''.join(parts)}</div>"


def _drawn(block: Block) -> Iterator[str]:
    if isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Paragraphs):
        yield from _lines([*([block.title] if block.title else []), *block.lines])
    elif isinstance(block, MissingMaps):
        rows = [": ".join(filter(None, (row.model, row.name, row.reason))) for row in block.rows]
        yield from _lines([block.title, *rows])
    elif isinstance(block, Notes):
        yield from _lines([f"note: {line}" for line in block.lines])
    elif isinstance(block, Gates):
        yield from _lines([gate_line(gate, model) for model, gate in block.rows])
    elif isinstance(block, Signatures):
        yield from _signatures(block)


def _table(table: Table) -> Iterator[str]:
    shown = replace(table, heads=table.heads[:MOST_COLUMNS], rows=table.rows[:MOST_ROWS])
    yield '<table style="border-collapse:collapse">'
    if table.title:
        yield f'<caption style="text-align:left">{_text(table.title)}</caption>'
    yield f"<tr>{''.join(_head(head) for head in shown.heads)}</tr>"
    for row in shown.rows:
        cells = zip(row[:MOST_COLUMNS], shown.heads, strict=True)
        yield f"<tr>{''.join(_cell(cell, head) for cell, head in cells)}</tr>"
    yield "</table>"
    rows, columns = len(table.rows) - len(shown.rows), len(table.heads) - len(shown.heads)
    rest = [f"{n} more {what}" for n, what in ((rows, "rows"), (columns, "columns")) if n]
    if rest:
        yield from _lines([f"and {' and '.join(rest)}; print shows all"])


def _head(head: Head) -> str:
    arrow = ARROWS.get(head.better, "")
    unit = f" ({head.unit})" if head.unit else ""
    return f'<th style="{_side(head)}">{_text(f"{head.text}{unit} {arrow}".strip())}</th>'


def _cell(cell: Cell, head: Head) -> str:
    arrow = ARROWS.get(cell.better, "")
    unit = f" ({cell.unit})" if cell.unit else ""
    text = _text(" ".join(filter(None, (f"{cell.text}{unit}", arrow, cell.interval))))
    if cell.raised:
        text += f"<sup>{_text(cell.raised)}</sup>"
    return f'<td style="{_side(head)}">{f"<b>{text}</b>" if cell.is_best else text}</td>'


def _side(head: Head) -> str:
    return f"padding:1px 8px;text-align:{'right' if head.kind == 'number' else 'left'}"


def _lines(lines: list[str]) -> Iterator[str]:
    shown = [*lines[:MOST_LINES], *([f"and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else [])]
    yield from (f'<div style="{_SMALL}">{_text(line)}</div>' for line in shown if line)


def _signatures(block: Signatures) -> Iterator[str]:
    short = ", ".join(block.short[:MOST_LINES]) or "signatures"
    lines = "<br>".join(_text(line, whole=True) for line in (*block.lines, *block.statistics))
    yield f'<details style="{_SMALL}"><summary><code>{_text(short)}</code></summary><code>{lines}</code></details>'


def _text(text: str, *, whole: bool = False) -> str:
    return escape(text if whole or len(text) <= LONGEST else f"{text[:LONGEST]}…")
