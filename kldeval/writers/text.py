"""A page as text for a terminal or a pipe: numbers under each other by their points, and nothing ever cut.

rich draws it; it is imported in the functions that draw, because `kldeval --help` should not wait for it.
"""

from __future__ import annotations

import io
import os
import re
from typing import TYPE_CHECKING

from kldeval.writers.lines import one_line
from kldeval.writers.numbers import ABSENT, ARROWS, aligned, gate_line
from kldeval.writers.page import Gates, Listing, Notes, Paragraphs, Signatures, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    import rich.table
    from rich.console import Console, RenderableType
    from rich.text import Text

    from kldeval.reports.documents import GateOutcome
    from kldeval.writers.page import Block, Cell, Head, Missing, Options, Page


GAP = 3
"""Blanks between columns."""

NARROWEST = 18
"""A column of names or words is never folded to less; a narrower terminal wraps the lines itself."""

_ENDLESS = 1_000_000

_RAISED = str.maketrans("abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")


def render(page: Page, options: Options) -> str:
    """The page as text. Names and sentences wrap at `options.width`; nothing is ever cut."""
    buffer = io.StringIO()
    console = _console(buffer, options)
    for number, block in enumerate(page.blocks):
        parts = list(_draw(block, options))
        if number and parts and not page.is_dense:
            console.print()
        for part in parts:
            console.print(part, soft_wrap=True)
    return "".join(line.rstrip() + "\n" for line in buffer.getvalue().splitlines())


def _console(buffer: io.StringIO, options: Options) -> Console:
    """A console that obeys the options alone: the environment was asked before, and rich would cut at its width."""
    from rich.console import Console

    return Console(
        file=buffer,
        width=_ENDLESS,
        force_terminal=options.color,
        color_system="standard" if options.color else None,
        force_jupyter=False,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        _environ={},
    )


def _draw(block: Block, options: Options) -> Iterator[RenderableType]:
    """What a block is drawn of."""
    if isinstance(block, Table):
        yield from _table(block, options)
    elif isinstance(block, Paragraphs):
        yield from _paragraphs(block, options)
    elif isinstance(block, Listing):
        yield from _listing(block, options)
    elif isinstance(block, Gates):
        yield from (_gate(model, gate) for model, gate in block.rows)
    elif isinstance(block, Notes):
        yield from (_wrapped("note: ", note, "", options) for note in block.lines)
    elif block.on_terminal:
        yield from _signatures(block)


def _paragraphs(block: Paragraphs, options: Options) -> Iterator[RenderableType]:
    if block.title:
        yield _wrapped("", block.title, "bold", options)
    for line in block.lines:
        yield _wrapped(block.mark, line, "dim" if block.dim else "", options)


def _wrapped(start: str, text: str, style: str, options: Options) -> rich.table.Table:
    """A paragraph that hangs behind its start, which may be empty."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=0, show_header=False)
    if start:
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=options.width and max(NARROWEST, options.width - len(start)))
    words = Text(one_line(text), style=style)
    table.add_row(*([Text(start, style="dim"), words] if start else [words]))
    return table


def _gate(model: str, gate: GateOutcome) -> Text:
    """What a gate found, alarming where it fired."""
    from rich.text import Text

    return Text(one_line(gate_line(gate, model)), style="bold red" if gate.fired else "green")


def _signatures(block: Signatures) -> Iterator[Text]:
    """The short forms, then each signature on a line of its own, so that it can be copied as it is."""
    from rich.text import Text

    yield from (Text(one_line(text), style="bold") for text in block.short)
    yield from (Text(one_line(text), style="dim") for text in block.lines)


# lists of what is missing


def _listing(listing: Listing, options: Options) -> Iterator[RenderableType]:
    """One line for each row; on a terminal the reason hangs below the name where it is long."""
    from rich.text import Text

    shown = listing.rows[: listing.limit]
    yield Text(listing.title, style="bold red")
    if options.width is None:
        yield _listed_in_columns(shown)
    else:
        for row in shown:
            yield from _listed(row, options)
    if len(shown) < len(listing.rows):
        yield Text(f"and {len(listing.rows) - len(shown)} more; the JSON report lists all of them", style="dim")


def _listed_in_columns(rows: Sequence[Missing]) -> rich.table.Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_header=False)
    cells = [[(row.model, ""), (row.name, ""), (row.stage, "dim"), (row.reason, "")] for row in rows]
    used = [place for place in range(4) if any(row[place][0] for row in cells)]
    for row in cells:
        table.add_row(*(Text(one_line(row[place][0]), style=row[place][1]) for place in used))
    return table


def _listed(row: Missing, options: Options) -> Iterator[RenderableType]:
    from rich.text import Text

    names = [Text(one_line(row.model))] if row.model else []
    names += [Text(one_line(row.name)), *([Text(row.stage, style="dim")] if row.stage else [])]
    whole = Text("  ").join([*names, Text(one_line(row.reason))])
    if options.width is None or whole.cell_len <= options.width:
        yield whole
        return
    yield Text("  ").join(names)
    yield _wrapped("  ", row.reason, "", options)


# tables


def _table(table: Table, options: Options) -> Iterator[RenderableType]:
    from rich.text import Text

    if table.title:
        yield _wrapped("", table.title, "bold", options)
    heads = [Text("\n".join(_head_lines(head, options))) for head in table.heads]
    columns = _columns(table, options, stacked=False)
    if options.width and _total(heads, columns) > options.width:
        columns = _columns(table, options, stacked=True)
    yield _drawn(table, heads, columns, options)
    if table.legend:
        yield _wrapped("", table.legend, "", options)


def _drawn(
    table: Table, heads: Sequence[Text], columns: Sequence[Sequence[Text]], options: Options
) -> rich.table.Table:
    """The table as rich draws it: names at the left, which wrap where the numbers leave no room."""
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    drawn.show_header = any(head.text for head in table.heads)
    room = _room(table, heads, columns, options)
    for head, text in zip(table.heads, heads, strict=True):
        if head.kind == "number":
            drawn.add_column(text, justify="right", no_wrap=True)
        elif head.kind == "text":
            drawn.add_column(text, no_wrap=True)
        else:
            drawn.add_column(text, overflow="fold", max_width=room)
    for row in zip(*columns, strict=True):
        drawn.add_row(*(_folded_name(cell, head, room) for cell, head in zip(row, table.heads, strict=True)))
    return drawn


def _total(heads: Sequence[Text], columns: Sequence[Sequence[Text]]) -> int:
    """The width of a table in which nothing wraps."""
    return sum(GAP + max(map(_width, (head, *cells))) for head, cells in zip(heads, columns, strict=True)) - GAP


def _room(table: Table, heads: Sequence[Text], columns: Sequence[Sequence[Text]], options: Options) -> int | None:
    """What the columns that cannot wrap leave of the width for each of those that can."""
    if options.width is None:
        return None
    widths = [max(map(_width, (head, *cells))) for head, cells in zip(heads, columns, strict=True)]
    wraps = [head.kind not in ("number", "text") for head in table.heads]
    taken = sum(GAP + width for width, wrapping in zip(widths, wraps, strict=True) if not wrapping)
    free = options.width - taken - GAP * (sum(wraps) - 1)
    return max(NARROWEST, free // max(1, sum(wraps)))


def _width(text: Text) -> int:
    return max((line.cell_len for line in text.split("\n")), default=0)


def folded(text: str, separators: str, room: int | None) -> list[str]:
    """The text on lines that break behind a separator where it has no room; rich breaks what is too long even so."""
    from rich.cells import cell_len

    lines = [""]
    for piece in re.findall(f"[^{separators}]*[{separators}]|[^{separators}]+", text):
        if room is not None and lines[-1] and cell_len(lines[-1] + piece) > room:
            lines.append("  ")
        lines[-1] += piece
    return lines


def _head_lines(head: Head, options: Options) -> list[str]:
    """A head with its arrow, and with its unit where nothing else on the page says it."""
    unit = "" if head.unit_is_said else head.unit
    words = " ".join(part for part in (one_line(head.text), ARROWS.get(head.better, ""), unit) if part)
    return folded(words, ",", options.width and NARROWEST)


def _columns(table: Table, options: Options, *, stacked: bool) -> list[list[Text]]:
    """The cells of each column; intervals stand behind their numbers, or below them if `stacked`."""
    cells = list(zip(*table.rows, strict=True)) if table.rows else [() for _ in table.heads]
    return [
        _numbers(column, head, stacked=stacked) if head.kind == "number" else _words(column, head, options)
        for column, head in zip(cells, table.heads, strict=True)
    ]


def _words(column: Sequence[Cell], head: Head, options: Options) -> list[Text]:
    from rich.text import Text

    if head.kind == "metric":
        return _metric_labels(column, options)
    return [Text(one_line(cell.text)) for cell in column]


def _folded_name(cell: Text, head: Head, room: int | None) -> Text:
    """A name on lines that break behind its separators; anything else as it is."""
    from rich.text import Text

    if head.kind not in ("map", "model"):
        return cell
    return Text("\n".join(folded(cell.plain, "/_. -", room)))


def _metric_labels(column: Sequence[Cell], options: Options) -> list[Text]:
    """The metrics, their arrows under each other, then their units."""
    from rich.text import Text

    tails = [f" {ARROWS.get(cell.better, ''):1} {cell.unit}" for cell in column]
    room = options.width and max(NARROWEST, options.width // 4)
    lines = [folded(one_line(cell.text), ",", room) for cell in column]
    width = max((len(line) for parts in lines for line in parts), default=0)
    return [
        Text.assemble((first.ljust(width), "bold"), tail[:3], (tail[3:], "dim"), ("\n".join(["", *rest]), "bold"))
        for (first, *rest), tail in zip(lines, tails, strict=True)
    ]


def _numbers(column: Sequence[Cell], head: Head, *, stacked: bool) -> list[Text]:
    """The cells of a column of numbers: the number, what is raised, its rank, and the interval behind or below."""
    from rich.text import Text

    raised = [cell.raised.replace(",", "" if _single(cell.raised) else ",").translate(_RAISED) for cell in column]
    ranks = ["" if cell.rank is None else f" ({cell.rank})" for cell in column]
    widest, rank_width, interval_width = (
        max(map(len, texts), default=0) for texts in (raised, ranks, [cell.interval for cell in column])
    )
    made = []
    numbers = aligned([one_line(cell.text) for cell in column])
    for cell, number, letters, rank in zip(column, numbers, raised, ranks, strict=True):
        text = Text.assemble((number + rank.ljust(rank_width), _style(cell, head)), (letters.ljust(widest), "cyan"))
        if interval_width:
            text.append("\n" if stacked else " ").append(cell.interval.rjust(interval_width), "dim")
        made.append(text)
    return made


def _single(raised: str) -> bool:
    return all(len(letter) == 1 for letter in raised.split(","))


def _style(cell: Cell, head: Head) -> str:
    weight = "bold" if cell.is_best or head.is_headline else "dim" if cell.text in ("0", ABSENT) else "not bold"
    return f"{weight} yellow" if cell.text in ("inf", "-inf", "nan") else weight


# the other end of the stream


def width_of(stream: TextIO, environ: Mapping[str, str]) -> int | None:
    """The columns of the terminal behind `stream`, which COLUMNS overrides; None where there is no terminal.

    >>> import io
    >>> width_of(io.StringIO(), {"COLUMNS": "80"}) is None
    True
    """
    if not stream.isatty():
        return None
    columns = environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


def color_of(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether to colour: NO_COLOR forbids it, else FORCE_COLOR demands it, else a terminal decides that is not dumb.

    A variable counts when it is not empty (https://no-color.org, https://force-color.org).

    >>> import io
    >>> color_of(io.StringIO(), {"FORCE_COLOR": "1"})
    True
    >>> color_of(io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"})
    False
    """
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environ.get("TERM") not in ("dumb", "unknown")
