"""How a table fits a terminal: metrics become rows, intervals go, columns are split into blocks, in that order.

A pipe has no width, and there every table stays whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.writers.page import Cell, Head, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


GAP = 3
"""Blanks between columns."""

NARROWEST = 18
"""A column of names or words is not folded to less where there is another way."""


_SPLIT = "number", "matrix"
"""The kinds of columns that may stand in tables of their own."""


def fitted(table: Table, width: int | None, measure: Callable[[Table], int]) -> list[Table]:
    """The table as one that fits, or as several; `measure` says how wide a table is at least.

    As it is; with its metrics as rows; with its intervals below the numbers; without them; in blocks of columns. A
    table of words that is too wide is shown row by row.
    """
    if width is None or measure(table) <= width:
        return [table]
    if not any(head.kind in _SPLIT for head in table.heads):
        return list(_records(table))
    ways = [way for way in (table, transposed(table)) if way]
    stacked = [replace(way, is_stacked=True) for way in ways]
    bare = [without_intervals(way) for way in ways]
    for candidate in (*ways, *stacked, *bare):
        if measure(candidate) <= width:
            return [candidate]
    return list(_blocks(bare[0], width, measure))


def transposed(table: Table) -> Table | None:
    """A row for each metric and a column for each of the names; None where the table is not of such a kind.

    What says nothing of a metric, such as a count, is a row like the others.
    """
    names = [place for place, head in enumerate(table.heads) if head.kind != "number"]
    numbers = [place for place, head in enumerate(table.heads) if head.kind == "number"]
    is_leading = names == list(range(len(names)))
    of_names = all(table.heads[place].kind in ("map", "model", "text") for place in names)
    if not (names and is_leading and of_names and numbers and table.rows):
        return None
    labels = [" ".join(row[place].text for place in names if row[place].text) for row in table.rows]
    heads = (Head("", "metric"), *(Head(label) for label in labels))
    rows = tuple(
        (
            Cell(table.heads[place].text, better=table.heads[place].better, unit=table.heads[place].unit),
            *(row[place] for row in table.rows),
        )
        for place in numbers
    )
    return replace(table, heads=heads, rows=rows)


def without_intervals(table: Table) -> Table:
    """The table without what stands in brackets, which its legend says."""
    if not any(cell.interval for row in table.rows for cell in row):
        return table
    legend = f"{table.legend}; the intervals need a wider terminal" if table.legend else ""
    return replace(
        table, legend=legend, rows=tuple(tuple(replace(cell, interval="") for cell in row) for row in table.rows)
    )


def _blocks(table: Table, width: int, measure: Callable[[Table], int]) -> Iterator[Table]:
    """The columns of numbers in as many tables as are needed, each with the columns of names.

    A block has one column of numbers at least. The title stands over the first block, the legend under the last.
    """
    numbers = [place for place, head in enumerate(table.heads) if head.kind in _SPLIT]
    blocks: list[list[int]] = []
    for place in numbers:
        if blocks and measure(_columns(table, [*blocks[-1], place])) <= width:
            blocks[-1].append(place)
        else:
            blocks.append([place])
    if not blocks:
        blocks = [[]]
    for at, block in enumerate(blocks):
        is_first, is_last = at == 0, at == len(blocks) - 1
        part = _columns(table, block)
        yield replace(part, title=table.title if is_first else "", legend=table.legend if is_last else "")


def _records(table: Table) -> Iterator[Table]:
    """A table for each row: its first cell as the title, then a line for each other cell behind its head."""
    heads = Head("", "text"), Head("", "words")
    for at, (first, *others) in enumerate(table.rows):
        rows = tuple((Cell(head.text), cell) for head, cell in zip(table.heads[1:], others, strict=True) if cell.text)
        yield Table(heads, rows, title=first.text, legend=table.legend if at == len(table.rows) - 1 else "")


def _columns(table: Table, chosen: list[int]) -> Table:
    """The columns of names and the chosen ones, in the order of the table."""
    kept = [place for place, head in enumerate(table.heads) if head.kind not in _SPLIT or place in chosen]
    heads = tuple(table.heads[place] for place in kept)
    return replace(table, heads=heads, rows=tuple(tuple(row[place] for place in kept) for row in table.rows))
