"""The table of all conventions, as it stands on the page about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.conventions import CONVENTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kldeval.conventions.convention import Convention


_HEADINGS = ("name", "formula", "direction", "epsilon", "prediction", "ground truth", "reduction", "source", "sure")


def conventions_table(rows: Iterable[Convention] = tuple(CONVENTIONS.values())) -> str:
    """Conventions as rows of a Markdown table, aliases under their name.

    >>> conventions_table().splitlines()[0]
    '| name | formula | direction | epsilon | prediction | ground truth | reduction | source | sure |'
    """
    lines = (_HEADINGS, ("---",) * len(_HEADINGS), *map(_cells, rows))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(row: Convention) -> tuple[str, ...]:
    aliases = f"<br>= {', '.join(row.aliases)}" if row.aliases else ""
    return (
        f"`{row.name}`{aliases}",
        _plain(row.formula),
        _plain(row.direction),
        _plain(row.epsilon),
        f"`{row.pred}`",
        f"`{row.gt}`",
        row.reduction,
        ", ".join(
            [f"[{row.source.repository}]({row.source.url})", *(f"[{one.path}]({one.url})" for one in row.further)]
        ),
        row.sure,
    )


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: a table takes `|` for its own."""
    return text.replace("|", "\\|").replace("<", "&lt;")
