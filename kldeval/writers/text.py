"""A page as text for a terminal or a pipe: numbers under each other by their points, and nothing ever cut.

rich draws it; it is imported in the functions that draw, because `kldeval --help` should not wait for it.
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from kldeval.grammar import split_top_level
from kldeval.writers.layout import GAP, NARROWEST, fitted
from kldeval.writers.lines import one_line
from kldeval.writers.numbers import ABSENT, ARROWS, aligned, gate_line
from kldeval.writers.page import Gates, MissingMaps, Notes, Paragraphs, Signatures, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    import rich.table
    from rich.console import Console, RenderableType
    from rich.text import Text

    from kldeval.reports.documents import GateOutcome
    from kldeval.writers.page import Block, Cell, Head, Missing, Options, Page


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
    elif isinstance(block, MissingMaps):
        yield from _listing(block, options)
    elif isinstance(block, Gates):
        yield from (_gate(model, gate, options) for model, gate in block.rows)
    elif isinstance(block, Notes):
        yield from (_wrapped("note: ", note, "", options) for note in block.lines)
    elif block.on_terminal:
        yield from _signatures(block, options)


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


def _gate(model: str, gate: GateOutcome, options: Options) -> RenderableType:
    """What a gate found, alarming where it fired."""
    return _wrapped("", gate_line(gate, model), "bold red" if gate.fired else "green", options)


def _signatures(block: Signatures, options: Options) -> Iterator[Text]:
    """The short forms, then the signatures, each on lines of its own, so that it can be copied as it is."""
    from rich.text import Text

    is_short = options.signatures == "short" or (options.signatures != "full" and options.width is not None)
    lines = _in_common(block.lines) if is_short else block.lines
    yield from (Text(one_line(text), style="bold") for text in block.short)
    for text in (*lines, *block.statistics):
        separators = "| " if is_short else "|"
        yield from (Text(line, style="dim") for line in folded(one_line(text), separators, options.width))


def _in_common(signatures: Sequence[str]) -> list[str]:
    """What all signatures say, once, then what each says beside it; as they are where there is only one.

    >>> _in_common(["kld|gt:stored|scale:unit|v:1", "cc|scale:unit|v:2", "sim|scale:unit|v:2"])
    ['scale:unit', 'kld: gt:stored|v:1', 'cc, sim: v:2']
    """
    if len(signatures) <= 1:
        return list(signatures)
    parts = {text: split_top_level(text, "|") for text in signatures}
    common = [part for part in parts[signatures[0]][1:] if all(part in found[1:] for found in parts.values())]
    others: dict[str, list[str]] = {}
    for name, *found in parts.values():
        others.setdefault("|".join(part for part in found if part not in common), []).append(name)
    lines = [f"{', '.join(names)}: {rest}" if rest else ", ".join(names) for rest, names in others.items()]
    return ["|".join(common), *lines] if common else lines


# lists of what is missing


def _listing(listing: MissingMaps, options: Options) -> Iterator[RenderableType]:
    """One line for each row; on a terminal the reason hangs below the name where it is long."""
    shown = listing.rows[: listing.limit]
    yield _wrapped("", listing.title, "bold red", options)
    if options.width is None:
        yield _listed_in_columns(shown)
    else:
        for row in shown:
            yield from _listed(row, options)
    if len(shown) < len(listing.rows):
        rest = f"and {len(listing.rows) - len(shown)} more; the JSON report lists all of them"
        yield _wrapped("", rest, "dim", options)


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

    if table.title and not _is_wide_list(table):
        yield _wrapped("", table.title, "bold", options)
        table = replace(table, title="")
    for place, part in enumerate(fitted(table, options.width, partial(_least_width, options=options))):
        if place and any(head.kind in ("number", "matrix") for head in part.heads):
            yield Text("")
        if part.title:
            yield _wrapped("", part.title, "bold", options)
        yield _drawn(part, options)
        if part.legend:
            yield _wrapped("", part.legend, "", options)


def _is_wide_list(table: Table) -> bool:
    return not any(head.kind == "number" for head in table.heads) and not table.title


def _least_width(table: Table, options: Options) -> int:
    """The width of a table whose names and words are folded as far as they may be."""
    widths = _widths(table, options)
    least = (_least_room(table, place, width) for place, width in enumerate(widths))
    return sum(GAP + width for width in least) - GAP


def _least_room(table: Table, place: int, width: int) -> int:
    """How narrow a column may become: a name breaks anywhere, a flag or a word of a list does not."""
    kind = table.heads[place].kind
    if kind in ("map", "model", "words"):
        return min(width, NARROWEST)
    if kind in ("flags", "names"):
        pieces = re.split("(?<=[ ,])", " ".join(one_line(row[place].text) for row in table.rows))
        return min(width, 2 + max(map(_cell_width, pieces)))
    return width


def _widths(table: Table, options: Options) -> list[int]:
    """The width of each column if nothing wraps."""
    heads = ["\n".join(_head_lines(head, options)) for head in table.heads]
    columns = _columns(table, options)
    return [
        max([_cell_width(head), *(_width(cell) for cell in column)])
        for head, column in zip(heads, columns, strict=True)
    ]


def _wraps(head: Head) -> bool:
    return head.kind not in ("number", "matrix", "text", "metric")


def _drawn(table: Table, options: Options) -> rich.table.Table:
    """The table as rich draws it: names at the left, which wrap where the numbers leave no room."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    drawn.show_header = any(head.text for head in table.heads)
    rooms = _rooms(table, options)
    for head, room in zip(table.heads, rooms, strict=True):
        text = Text("\n".join(_head_lines(head, options)))
        if head.kind == "number":
            drawn.add_column(text, justify="right", no_wrap=True)
        elif _wraps(head):
            drawn.add_column(text, overflow="fold", max_width=room)
        else:
            drawn.add_column(text, no_wrap=True)
    for row in zip(*_columns(table, options), strict=True):
        cells = zip(row, table.heads, rooms, strict=True)
        drawn.add_row(*(_folded_cell(cell, head, room) for cell, head, room in cells))
    return drawn


def _rooms(table: Table, options: Options) -> list[int | None]:
    """What the columns that cannot wrap leave of the width for those that can: the narrow ones get what they need."""
    if options.width is None:
        return [None] * len(table.heads)
    widths = _widths(table, options)
    fixed = sum(width for width, head in zip(widths, table.heads, strict=True) if not _wraps(head))
    free = options.width - fixed - GAP * (len(widths) - 1)
    wrapping = [place for place, head in enumerate(table.heads) if _wraps(head)]
    least = {place: _least_room(table, place, widths[place]) for place in wrapping}
    rooms: list[int | None] = [None] * len(widths)
    free -= sum(least.values())
    for done, place in enumerate(sorted(wrapping, key=lambda place: (widths[place] - least[place], place))):
        more = min(widths[place] - least[place], max(0, free) // (len(wrapping) - done))
        rooms[place] = least[place] + more
        free -= more
    return rooms


def _width(text: Text) -> int:
    return max((line.cell_len for line in text.split("\n")), default=0)


def _cell_width(text: str) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, text.split("\n")))


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


def _columns(table: Table, options: Options) -> list[list[Text]]:
    """The cells of each column."""
    cells = list(zip(*table.rows, strict=True)) if table.rows else [() for _ in table.heads]
    return [
        _numbers(column, head, stacked=table.is_stacked) if head.kind == "number" else _words(column, head, options)
        for column, head in zip(cells, table.heads, strict=True)
    ]


def _words(column: Sequence[Cell], head: Head, options: Options) -> list[Text]:
    from rich.text import Text

    if head.kind == "metric":
        return _metric_labels(column, options)
    return [Text(one_line(cell.text)) for cell in column]


def _folded_cell(cell: Text, head: Head, room: int | None) -> Text:
    """Names and flags on lines that break behind their separators; anything else as it is."""
    from rich.text import Text

    separators = {"map": "/_. -", "model": "/_. -", "flags": " ,"}.get(head.kind)
    return Text("\n".join(folded(cell.plain, separators, room))) if separators else cell


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
