"""The table for people: the summary, the maps, what went wrong, and the signature under it.

rich draws it; it is imported in the functions that draw, because `kldeval --help` should not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.outputs.drawing import GAP, NARROWEST, draw, folded, wrapped
from kldeval.outputs.grids import Grid, arrow, grids, unit
from kldeval.outputs.notation import ABSENT, aligned, count, gate_line, natural, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from kldeval.outputs.options import Options
    from kldeval.records import Failure
    from kldeval.results.gates import GateOutcome
    from kldeval.results.report import Report

_LISTED = 20
"""So many failures are listed, unless every map is asked for."""


def write(report: Report, options: Options) -> str:
    """The report as aligned text. Names and messages wrap at `options.width`; nothing is ever cut.

    Raises:
        UsageProblem: the worst maps are asked for, and no metric has a better direction.
    """
    return draw(_blocks(report, options), options)


def _blocks(report: Report, options: Options) -> Iterator[list[RenderableType]]:
    """Groups of what is printed together."""
    for grid in grids(report, options):
        yield _grid(report, grid, options)
    if report.failures:
        yield _failures(report.failures, options)
    if report.gates:
        yield [gate_text(gate) for gate in report.gates]
    if report.notes:
        yield [wrapped("note: ", note, options) for note in report.notes]
    yield _signatures(report)


def gate_text(gate: GateOutcome, model: str = "") -> Text:
    """What a gate found, alarming where it fired."""
    from rich.text import Text

    return Text(plain(gate_line(gate, model)), style="bold red" if gate.fired else "green")


def _grid(report: Report, grid: Grid, options: Options) -> list[RenderableType]:
    """A grid under its title: names at the left, numbers under each other by their decimal points."""
    from rich.text import Text

    names, *columns = ([row[place] for row in grid.rows] for place in range(len(grid.head)))
    numbers = [aligned(column) for column in columns]
    heads = [_head(report, key, options) for key in grid.head[1:]]
    room = _room(heads, numbers, options)
    table = _empty_table(grid.head[0], heads, room)
    labels = _metric_labels(report, names, room) if grid.names_metrics else [_map_label(name, room) for name in names]
    for label, *cells in zip(labels, *numbers, strict=True):
        table.add_row(label, *(_number(cell, head) for cell, head in zip(cells, grid.head[1:], strict=True)))
    return [Text(grid.title, style="bold"), table] if grid.title else [table]


def _empty_table(first: str, heads: Sequence[str], room: int | None) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    table.add_column(first, overflow="fold", max_width=room)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _room(heads: Sequence[str], numbers: Sequence[Sequence[str]], options: Options) -> int | None:
    """What the numbers leave of the width for the names."""
    if options.width is None:
        return None
    taken = (max(map(len, (*head.split("\n"), *cells))) for head, cells in zip(heads, numbers, strict=True))
    return max(NARROWEST, options.width - sum(GAP + width for width in taken))


def _head(report: Report, key: str, options: Options) -> str:
    """A metric with its arrow; and with its unit for the only map, which has no summary that tells."""
    parts = (key, arrow(report, key), unit(report, key) if len(report.scores) == 1 else "")
    return "\n".join(folded(" ".join(part for part in parts if part), ",", options.width and NARROWEST))


def _map_label(name: str, room: int | None) -> Text:
    from rich.text import Text

    return Text("\n".join(folded(plain(name), "/_. -", room)))


def _metric_labels(report: Report, keys: Sequence[str], room: int | None) -> list[Text]:
    """The metrics, their arrows under each other, then their units."""
    from rich.text import Text

    tails = [f" {arrow(report, key):1} {unit(report, key)}" for key in keys]
    lines = [folded(key, ",", room and room - max(map(len, tails))) for key in keys]
    width = max(len(line) for parts in lines for line in parts)
    return [
        Text.assemble((first.ljust(width), "bold"), tail[:3], (tail[3:], "dim"), ("\n".join(["", *rest]), "bold"))
        for (first, *rest), tail in zip(lines, tails, strict=True)
    ]


def _number(text: str, head: str) -> Text:
    from rich.text import Text

    weight = "bold" if head == "mean" else "dim" if text.strip() in ("0", ABSENT) else "not bold"
    return Text(text, style=f"{weight} yellow" if text.strip() in ("inf", "-inf", "nan") else weight)


def _failures(failures: Sequence[Failure], options: Options) -> list[RenderableType]:
    """One line for each map that could not be scored; on a terminal two, for reasons are long."""
    from rich.text import Text

    every = sorted(failures, key=lambda failure: natural(failure.name))
    shown = every if options.per_map else every[:_LISTED]
    rest = len(failures) - len(shown)
    parts: list[RenderableType] = [Text(f"{count(len(failures), 'map')} could not be scored", style="bold red")]
    parts += [_failure_table(shown)] if options.width is None else _failure_pairs(shown, options)
    return [*parts, Text(f"and {rest} more; the JSON report lists all of them", style="dim")] if rest else parts


def _failure_table(failures: Sequence[Failure]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_header=False)
    for failure in failures:
        table.add_row(Text(plain(failure.name)), Text(failure.stage, style="dim"), Text(plain(failure.message)))
    return table


def _failure_pairs(failures: Sequence[Failure], options: Options) -> Iterator[RenderableType]:
    from rich.text import Text

    for failure in failures:
        yield Text.assemble(plain(failure.name), "  ", (failure.stage, "dim"))
        yield wrapped("  ", failure.message, options)


def _signatures(report: Report) -> list[RenderableType]:
    """The short form, then each signature on a line of its own, so that it can be copied as it is."""
    from rich.text import Text

    lines = [Text(plain(text), style="dim") for text in report.signatures.values()]
    return [Text(plain(report.short), style="bold"), *lines]
