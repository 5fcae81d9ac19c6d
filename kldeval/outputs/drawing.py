"""How blocks of text are drawn for people: rich's tables on a page that is as wide as it needs to be.

rich is imported in the functions that draw, because `kldeval --help` should not wait for it.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from kldeval.outputs.notation import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, RenderableType
    from rich.table import Table

    from kldeval.outputs.options import Options

GAP = 3
"""Blanks between columns."""

NARROWEST = 24
"""A column of names is never folded to less; a terminal narrower than the numbers wraps the lines itself."""

_ENDLESS = 1_000_000


def draw(blocks: Iterable[list[RenderableType]], options: Options, *, apart: bool = True) -> str:
    """The blocks as text, with an empty line between them if `apart`; nothing is ever cut."""
    buffer = io.StringIO()
    console = _console(buffer, options)
    for number, block in enumerate(blocks):
        if number and apart:
            console.print()
        for part in block:
            console.print(part, soft_wrap=True)
    return "".join(line.rstrip() + "\n" for line in buffer.getvalue().splitlines())


def folded(text: str, separators: str, room: int | None) -> list[str]:
    """The text on lines that break behind a separator where it has no room; rich breaks what is too long even so."""
    from rich.text import Text

    lines = [""]
    for piece in re.findall(f"[^{separators}]*[{separators}]|[^{separators}]+", text):
        if room is not None and lines[-1] and Text(lines[-1] + piece).cell_len > room:
            lines.append("  ")
        lines[-1] += piece
    return lines


def wrapped(start: str, text: str, options: Options) -> Table:
    """A paragraph that hangs behind its start, which may be empty."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=0, show_header=False)
    if start:
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=options.width and max(NARROWEST, options.width - len(start)))
    table.add_row(*([Text(start, style="dim")] if start else []), Text(plain(text)))
    return table


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
