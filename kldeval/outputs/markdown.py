"""The report as GitHub-flavoured Markdown, to be pasted into a pull request or a README."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kldeval.outputs.grids import Grid, grids, label
from kldeval.outputs.notation import aligned, count, gate_line, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.outputs.options import Options
    from kldeval.results.report import Report


def write(report: Report, options: Options) -> str:
    """The summary, the maps that are asked for, every failure and note, and the signatures.

    Raises:
        UsageProblem: the worst maps are asked for, and no metric has a better direction.
    """
    return "\n\n".join("\n".join(block) for block in _blocks(report, options)) + "\n"


def _blocks(report: Report, options: Options) -> Iterator[list[str]]:
    """Groups of lines with an empty line between them."""
    for grid in grids(report, options):
        if grid.title:
            yield [f"**{escaped(grid.title)}**"]
        yield _table(report, grid)
    if report.failures:
        yield [f"**{count(len(report.failures), 'map')} could not be scored**"]
        yield [f"- {code_span(item.name)} ({item.stage}): {escaped(item.message)}" for item in report.failures]
    if report.gates:
        yield ["**gates**"]
        yield [f"- {escaped(gate_line(gate))}" for gate in report.gates]
    if report.notes:
        yield ["**notes**"]
        yield [f"- {escaped(note)}" for note in report.notes]
    yield [f"signature {code_span(report.short)}"]
    yield ["```text", *(plain(text) for text in report.signatures.values()), "```"]


def _table(report: Report, grid: Grid) -> list[str]:
    """The grid, padded so that its source can be read as well."""
    names, *numbers = ([row[place] for row in grid.rows] for place in range(len(grid.head)))
    cells = [[_name(report, grid, name) for name in names], *map(aligned, numbers)]
    columns = [[escaped(label(report, key)), *column] for key, column in zip(grid.head, cells, strict=True)]
    return lay_out(columns, n_names=1)


def lay_out(columns: Sequence[Sequence[str]], n_names: int) -> list[str]:
    """The lines of a table, given its columns with their heads; the first `n_names` are set to the left."""
    widths = [max(3, *map(len, column)) for column in columns]
    pads = [str.ljust] * n_names + [str.rjust] * (len(columns) - n_names)
    rows = [
        _row([pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True)])
        for row in zip(*columns, strict=True)
    ]
    rulers = [":" + "-" * (width - 1) for width in widths[:n_names]]
    rulers += ["-" * (width - 1) + ":" for width in widths[n_names:]]
    return [rows[0], _row(rulers), *rows[1:]]


def _name(report: Report, grid: Grid, name: str) -> str:
    """What stands first in a row: a metric with arrow and unit, or the name of a map."""
    return escaped(label(report, name)) if grid.names_metrics else code_span(name).replace("|", r"\|")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    r"""Text that no renderer takes for markup.

    >>> escaped("<b> a_b|c")
    '\\<b\\> a\\_b\\|c'
    """
    return re.sub(r"([\\`*_\[\]<>|&~#])", r"\\\1", plain(text))


def code_span(text: str) -> str:
    """A code span, fenced by more backticks than the text has in a row (CommonMark 6.1)."""
    inside = plain(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", inside)), default=0))
    pad = " " if inside.startswith("`") or inside.endswith("`") else ""
    return f"{fence}{pad}{inside}{pad}{fence}"
