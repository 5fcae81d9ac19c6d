"""A leaderboard as a page: a row per model, a column per metric, the best in bold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.outputs.grids import WAY_DECIMALS
from kldeval.outputs.models.maps import common_columns, map_sheets, notation_of
from kldeval.outputs.models.page import Cell, Listing, Page, Sheet, plain_head
from kldeval.outputs.notation import ARROWS, Notation, count, natural
from kldeval.results.comparison import letter
from kldeval.results.references import CEILING, PRIOR, REFERENCES, share_of_the_way

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kldeval.outputs.options import Options
    from kldeval.results.comparison import Comparison
    from kldeval.results.models import ComparisonReport, Leaderboard
    from kldeval.results.report import Column, Report

LISTED = 20
"""So many rows of a list are shown, unless every map is asked for."""


def page_of(leaderboard: Leaderboard, options: Options) -> Page:
    """The leaderboard for people.

    Raises:
        UsageProblem: the worst maps are asked for, and no metric has a better direction.
    """
    reports = leaderboard.reports
    comparison = leaderboard.comparison
    listings = [_failures(reports, options), left_out(leaderboard.left_out, options)]
    signatures = dict.fromkeys(text for report in reports.values() for text in report.signatures.values())
    statistics = (comparison.statistics,) if comparison and comparison.comparisons else ()
    return Page(
        sheets=tuple(_sheets(leaderboard, options)),
        listings=tuple(listing for listing in listings if listing.rows),
        gates=tuple((model, gate) for model, report in reports.items() for gate in report.gates),
        notes=leaderboard.notes + (comparison.notes if comparison else ()),
        short=tuple(dict.fromkeys(report.short for report in reports.values())),
        signatures=(*signatures, *statistics),
    )


def left_out(missing: Mapping[str, tuple[str, ...]], options: Options) -> Listing:
    """The maps that did not count, each with the models that lack it."""
    rows = [(name, f"not scored for {', '.join(missing[name])}") for name in sorted(missing, key=natural)]
    return shortened(f"{count(len(rows), 'map')} left out, not scored for every model", rows, options)


def shortened(title: str, rows: Sequence[tuple[str, ...]], options: Options) -> Listing:
    """The first rows under the title, or all where every map is asked for."""
    shown = rows if options.per_map else rows[:LISTED]
    hidden = len(rows) - len(shown)
    return Listing(title, tuple(shown), f"and {hidden} more; the JSON report lists all of them" if hidden else "")


def metric_head(key: str, column: Column) -> tuple[str, str, str]:
    """A metric with its arrow and unit."""
    return key, ARROWS.get(column.best, ""), column.unit


def mean_cells(
    means: Sequence[float | None], column: Column, comparison: Comparison | None, notation: Notation
) -> list[Cell]:
    """The means of one metric in the order of the models, with interval and letters where they were compared."""
    best = best_of(means, column.best)
    cells = []
    for place, mean in enumerate(means):
        raised, interval = "", ""
        if comparison:
            model = list(comparison.means)[place]
            raised = ",".join(comparison.superscripts[model]) if len(comparison.means) > 1 else ""
            interval = interval_text(comparison.intervals[model], notation)
        cells.append(Cell(notation.text(mean), raised, interval, is_best=mean is not None and mean == best))
    return cells


def best_of(means: Iterable[float | None], direction: str) -> float | None:
    """The best of the means that are finite; None where there is none or neither direction is better."""
    finite = [mean for mean in means if mean is not None and math.isfinite(mean)]
    return {"low": min, "high": max}[direction](finite) if finite and direction else None


def interval_text(interval: tuple[float, float] | None, notation: Notation) -> str:
    """An interval in brackets; nothing where there is none."""
    return "" if interval is None else f"[{notation.text(interval[0])}, {notation.text(interval[1])}]"


def _sheets(leaderboard: Leaderboard, options: Options) -> Iterator[Sheet]:
    yield _ranking(leaderboard, options.precision)
    ways = _ways(leaderboard)
    if ways:
        yield ways
    if options.per_map or options.worst:
        yield from map_sheets(leaderboard.reports, options)


def _ranking(leaderboard: Leaderboard, precision: int) -> Sheet:
    """A row per model, a column per metric."""
    reports, comparison = leaderboard.reports, leaderboard.comparison
    head, columns = [*plain_head("", "model")], []
    for key, column in common_columns(reports).items():
        means = [report.summaries[key].mean for report in reports.values()]
        compared = comparison.comparisons.get(key) if comparison else None
        head.append(metric_head(key, column))
        columns.append(mean_cells(means, column, compared, notation_of(means, precision)))
    rows = [
        (Cell(letter(place)), Cell(model), *(cells[place] for cells in columns)) for place, model in enumerate(reports)
    ]
    rows += _reference_rows(reports, precision)
    return Sheet(tuple(head), tuple(rows), n_names=2, legend=_legend(leaderboard))


def _reference_rows(reports: Mapping[str, Report], precision: int) -> Iterator[tuple[Cell, ...]]:
    """A row per reference, which are the same for every model; none of them is the best."""
    references = _references(reports)
    for name in (name for name in REFERENCES if name in references):
        cells = []
        for key in common_columns(reports):
            notation = notation_of([report.summaries[key].mean for report in reports.values()], precision)
            cells.append(Cell(notation.text(references[name].get(key))))
        yield (Cell(""), Cell(name), *cells)


def _ways(leaderboard: Leaderboard) -> Sheet | None:
    """A row per model: how far it goes from the centre prior to the ceiling, by each metric that has both."""
    reports = leaderboard.reports
    references = _references(reports)
    means = {key: [report.summaries[key].mean for report in reports.values()] for key in common_columns(reports)}
    ways = {key: [share_of_the_way(mean, references, key) for mean in found] for key, found in means.items()}
    shown = {key: found for key, found in ways.items() if any(way is not None for way in found)}
    if not shown:
        return None
    notation = Notation(WAY_DECIMALS)
    rows = (
        (Cell(letter(place)), Cell(model), *(Cell(notation.text(found[place])) for found in shown.values()))
        for place, model in enumerate(reports)
    )
    title = f"the way from the {PRIOR} (0) to the {CEILING} (1)"
    return Sheet(plain_head("", "model", *shown), tuple(rows), n_names=2, title=title)


def _references(reports: Mapping[str, Report]) -> Mapping[str, Mapping[str, float]]:
    """The headlines of the references, which one of the reports has."""
    return next((report.references for report in reports.values() if report.references), {})


def _legend(leaderboard: Leaderboard) -> str:
    comparison = leaderboard.comparison
    n_maps = count(len(next(iter(leaderboard.reports.values())).scores), "map")
    if comparison is None or not comparison.comparisons:
        return f"{n_maps} scored for every model"
    return f"{n_maps} scored for every model; {explain(comparison)}"


def explain(comparison: ComparisonReport) -> str:
    """What brackets and raised letters mean."""
    every = tuple(comparison.comparisons.values())
    some = every[0]
    units, pairs = count(some.n, some.unit[:-1]), count(len(some.pairs), "pair")
    differ = any(pair.significant for compared in every for pair in compared.pairs)
    verdict = "raised are the models that differ significantly" if differ else "no two models differ significantly"
    if some.n == 1:
        return f"a single {some.unit[:-1]} has neither intervals nor tests"
    return (
        f"in brackets {100 * some.confidence:g} % intervals (BCa bootstrap over {units}); "
        f"{verdict} (sign-flip test at {100 - 100 * some.confidence:.3g} %, Holm over {pairs})"
    )


def _failures(reports: Mapping[str, Report], options: Options) -> Listing:
    rows = [
        (model, failure.name, failure.stage, failure.message)
        for model, report in reports.items()
        for failure in sorted(report.failures, key=lambda failure: natural(failure.name))
    ]
    return shortened(f"{count(len(rows), 'map')} could not be scored", rows, options)
