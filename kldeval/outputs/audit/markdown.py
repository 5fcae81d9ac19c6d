"""The audit as GitHub-flavoured Markdown, to be pasted into a pull request or a README."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.outputs.audit.parts import parts_of
from kldeval.outputs.markdown import code_span, escaped
from kldeval.outputs.notation import aligned
from kldeval.outputs.sheets import Sheet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.outputs.options import Options
    from kldeval.outputs.sheets import Part
    from kldeval.results.audit import Audit


def write(audit: Audit, options: Options) -> str:
    """The whole page, tables as tables and sentences as lists."""
    parts = (_part(part) for part in parts_of(audit, options.precision))
    signatures = ["```text", *(f"{name}: {row.signature}" for name, row in audit.conventions.items()), "```"]
    return "\n\n".join("\n".join(lines) for lines in (*parts, signatures)) + "\n"


def _part(part: Part) -> list[str]:
    title = [f"**{escaped(part.title)}**", ""] if part.title else []
    if isinstance(part, Sheet):
        return [*title, *_table(part)]
    return [*title, *(f"- {escaped(line)}" if part.title or part.mark else escaped(line) for line in part.lines)]


def _table(sheet: Sheet) -> list[str]:
    """The sheet, padded so that its source can be read as well."""
    columns = list(_columns(sheet))
    widths = [max(3, *map(len, column)) for column in columns]
    rulers = [
        "-" * (width - 1) + ":" if place in sheet.numbers else ":" + "-" * (width - 1)
        for place, width in enumerate(widths)
    ]
    pads = [str.rjust if place in sheet.numbers else str.ljust for place in range(len(columns))]
    rows = [
        [pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True)]
        for row in zip(*columns, strict=True)
    ]
    return [_row(rows[0]), _row(rulers), *map(_row, rows[1:])]


def _columns(sheet: Sheet) -> Iterator[list[str]]:
    for place, head in enumerate(sheet.head):
        cells = [row[place] for row in sheet.rows]
        texts = [escaped(cell) for cell in (aligned(cells) if place in sheet.numbers else cells)]
        if place not in sheet.numbers:
            texts = [", ".join(map(code_span, cell.split(", "))) for cell in cells]
        yield [
            escaped(head),
            *(_bold(text) if (row, place) in sheet.emphasised else text for row, text in enumerate(texts)),
        ]


def _bold(text: str) -> str:
    return f"**{text.strip()}**"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
