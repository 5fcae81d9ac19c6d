"""Several models as a page: a leaderboard has a row per model, a comparison also a row per pair of models."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem, count
from kldeval.reports.comparison import letter
from kldeval.reports.ways import CEILING, CHANCES, REFERENCES
from kldeval.writers.numbers import ABSENT, Notation, natural, notation_for
from kldeval.writers.page import (
    Cell,
    Gates,
    Head,
    Missing,
    MissingMaps,
    Notes,
    Page,
    Paragraphs,
    Signatures,
    Table,
    filled,
    plain_heads,
)
from kldeval.writers.report_page import LISTED, WAY_ENDS, failure_list, interval_text, way_cell, way_lines
from kldeval.writers.rounding_table import report_rounding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kldeval.reports.documents import Column, Comparison, ComparisonReport, Leaderboard, PairOfModels, Report
    from kldeval.writers.page import Block, Options


Values = dict[str, dict[str, float]]
"""For each model the value of each map."""

_FEW_PAIR_NUMBERS = "difference", "p (Holm)", "better"
"""What is shown of two models unless everything is asked for."""

_PAIR_NUMBERS = "difference", "p (Holm)", "p", "Wilcoxon p", "d_z", "rank r", "detectable", "better"


def leaderboard_page(leaderboard: Leaderboard, options: Options) -> Page:
    """The leaderboard for people: a row per model, a column per metric, the best in bold.

    Raises:
        UsageProblem: the worst maps are asked for, and no metric has a better direction.
    """
    reports, comparison = leaderboard.reports, leaderboard.comparison
    signatures = dict.fromkeys(text for report in reports.values() for text in report.signatures.values())
    compared = comparison is not None and bool(comparison.comparisons)
    statistics = (comparison.statistics,) if comparison and compared and options.intervals else ()
    hint = ("--intervals shows intervals, and which models differ",) if compared and options.width else ()
    blocks: tuple[Block, ...] = (
        *_leaderboard_tables(leaderboard, options),
        *(report_rounding(reports) if options.verbose else ()),
        Paragraphs(() if options.intervals else hint, dim=True),
        failure_list({model: report.failures for model, report in reports.items()}, options),
        _left_out(leaderboard.left_out, options),
        Gates(tuple((model, gate) for model, report in reports.items() for gate in report.gates)),
        Notes(leaderboard.notes + (comparison.notes if comparison else ())),
        Signatures(tuple(dict.fromkeys(report.short for report in reports.values())), tuple(signatures), statistics),
    )
    return Page(filled(blocks))


def comparison_page(report: ComparisonReport, options: Options) -> Page:
    """The comparison for people: for each metric the models' means, then a row per pair of models.

    Raises:
        UsageProblem: the worst maps are asked for.
    """
    if options.worst:
        msg = "the worst maps are asked for, but a comparison has none; ask a report or a leaderboard"
        raise UsageProblem(msg)
    tables = [
        table
        for key, comparison in report.comparisons.items()
        for table in _comparison_tables(report, key, comparison, options)
    ]
    if tables:
        tables[-1] = replace(tables[-1], legend=_comparison_legend(report, options))
    statistics = (report.statistics,) if report.comparisons else ()
    blocks: tuple[Block, ...] = (
        *tables,
        _left_out(report.left_out, options),
        Gates(tuple(("", gate) for gate in report.gates)),
        Notes(report.notes),
        Signatures((), tuple(dict.fromkeys(report.signatures.values())), statistics),
    )
    return Page(filled(blocks))


def _left_out(missing: Mapping[str, tuple[str, ...]], options: Options) -> MissingMaps:
    """The maps that did not count, each with the models that lack it."""
    rows = tuple(Missing(name, f"not scored for {', '.join(missing[name])}") for name in sorted(missing, key=natural))
    title = f"{count(len(rows), 'map')} left out, not scored for every model"
    return MissingMaps(title, rows, None if options.per_map else LISTED)


def _metric_head(key: str, column: Column) -> Head:
    return Head(key, better=column.best, unit=column.unit)


def _names(models: Iterable[str]) -> list[tuple[Cell, Cell]]:
    """The letter of each model and its name."""
    return [(Cell(letter(place)), Cell(model)) for place, model in enumerate(models)]


def _mean_cells(
    means: Mapping[str, float | None], column: Column, comparison: Comparison | None, notation: Notation
) -> list[Cell]:
    """The means of one metric by model, with interval and letters where they were compared."""
    best = _best_of(means.values(), column.best)
    return [
        Cell(
            notation.text(mean),
            _beaten(comparison, model) if comparison else "",
            interval_text(comparison.intervals[model], notation) if comparison else "",
            is_best=mean is not None and mean == best,
        )
        for model, mean in means.items()
    ]


def _beaten(comparison: Comparison, model: str) -> str:
    """The letters of the models that are significantly worse, or only different where neither direction is better."""
    places = list(comparison.means)
    others = [
        pair.second if pair.first == model else pair.first
        for pair in comparison.pairs
        if pair.significant and model in (pair.first, pair.second) and pair.winner in ("", None, model)
    ]
    return ",".join(letter(place) for place in sorted(map(places.index, others)))


def _best_of(means: Iterable[float | None], direction: str) -> float | None:
    """The best of the means that are finite; None where there is none or neither direction is better."""
    finite = [mean for mean in means if mean is not None and math.isfinite(mean)]
    return {"low": min, "high": max}[direction](finite) if finite and direction else None


def _explain(comparison: ComparisonReport) -> str:
    """What brackets and raised letters mean."""
    every = tuple(comparison.comparisons.values())
    first, numbers = every[0], {one.n for one in every}
    units = count(first.n, first.unit[:-1]) if len(numbers) == 1 else f"the {first.unit} of each metric"
    pairs = count(len(first.pairs), "pair")
    differ = any(pair.significant for compared in every for pair in compared.pairs)
    verdict = "raised are the models that are significantly worse" if differ else "no two models differ significantly"
    if numbers == {1}:
        return f"a single {first.unit[:-1]} has neither intervals nor tests"
    return (
        f"in brackets {100 * first.confidence:g} % intervals (BCa bootstrap over {units}); "
        f"{verdict} (sign-flip test at {100 - 100 * first.confidence:.3g} %, Holm over {pairs})"
    )


# the leaderboard


def _leaderboard_tables(leaderboard: Leaderboard, options: Options) -> Iterator[Table | Paragraphs]:
    yield _ranking(leaderboard, options)
    yield from _ways(leaderboard)
    if options.per_map or options.worst:
        yield from _map_tables(leaderboard.reports, options)


def _ranking(leaderboard: Leaderboard, options: Options) -> Table:
    """A row per model, a column per metric; intervals and significant differences where they are asked for."""
    reports = leaderboard.reports
    comparison = leaderboard.comparison if options.intervals else None
    heads, columns = [Head("", "text"), Head("model", "model")], []
    for key, column in common_columns(reports).items():
        means = {model: report.summaries[key].mean for model, report in reports.items()}
        compared = comparison.comparisons.get(key) if comparison else None
        heads.append(_metric_head(key, column))
        notation = common_notation(means.values(), options.precision)
        cells = _mean_cells(means, column, compared, notation)
        if options.std:
            stds = [report.summaries[key].std for report in reports.values()]
            cells = [
                cell if std is None else replace(cell, interval=f"± {notation.text(std)}")
                for cell, std in zip(cells, stds, strict=True)
            ]
        columns.append(cells)
    rows = [(*names, *(cells[place] for cells in columns)) for place, names in enumerate(_names(reports))]
    rows += _reference_rows(reports, options.precision)
    if comparison is None:  # the letters stand for the models in what is raised
        heads, rows = heads[1:], [row[1:] for row in rows]
    n_maps = count(len(next(iter(reports.values())).scores), "map")
    explained = f"; {_explain(comparison)}" if comparison and comparison.comparisons else ""
    explained += "; behind each mean the standard deviation over maps" if options.std else ""
    return Table(tuple(heads), tuple(rows), legend=f"{n_maps} scored for every model{explained}")


def _reference_rows(reports: Mapping[str, Report], precision: int) -> Iterator[tuple[Cell, ...]]:
    """A row per reference, which are the same for every model; none of them is the best."""
    references = _references(reports)
    for name in (name for name in REFERENCES if name in references):
        cells = []
        for key in common_columns(reports):
            notation = common_notation([report.summaries[key].mean for report in reports.values()], precision)
            cells.append(Cell(notation.text(references[name].get(key))))
        yield (Cell(""), Cell(name), *cells)


def _ways(leaderboard: Leaderboard) -> Iterator[Table | Paragraphs]:
    """For either chance a row per model: how far it goes from there to the ceiling, by each metric that has one."""
    reports = leaderboard.reports
    held = {model: report.ways.shares if report.ways else {} for model, report in reports.items()}
    for chance in CHANCES:
        keys = [key for key in common_columns(reports) if any(chance in row.get(key, {}) for row in held.values())]
        if not keys:
            continue
        rows = tuple(
            (*names, *(way_cell(held[model].get(key, {}).get(chance)) for key in keys))
            for model, names in zip(reports, _names(reports), strict=True)
        )
        heads = (Head("", "text"), Head("model", "model"), *plain_heads("number", *keys))
        yield Table(heads, rows, f"the share of the way from {WAY_ENDS[chance]} (0) to the {CEILING} (1)")
    yield Paragraphs(way_lines(reports), dim=True)


def _references(reports: Mapping[str, Report]) -> Mapping[str, Mapping[str, float]]:
    """The headlines of the references, which one of the reports has."""
    return next((report.references for report in reports.values() if report.references), {})


# the single maps of several models


def _map_tables(reports: Mapping[str, Report], options: Options) -> Iterator[Table]:
    """For each metric a row per map and a column per model.

    Every map, or of each metric with a better direction the worst maps on the average of the models.

    Raises:
        UsageProblem: the worst maps are asked for, and no metric has a better direction.
    """
    columns = common_columns(reports)
    ranked = {key: column for key, column in columns.items() if column.best}
    if not options.per_map and not ranked:
        msg = f"the worst maps are asked for, but no metric has a better direction: {', '.join(columns)}"
        raise UsageProblem(msg)
    for key, column in (columns if options.per_map else ranked).items():
        values = _values(reports, key)
        names = list(dict.fromkeys(name for scores in values.values() for name in scores))
        chosen = sorted(names, key=natural) if options.per_map else _worst(names, values, column.best)[: options.worst]
        title = key if options.per_map else f"worst {len(chosen)} of {len(names)} maps by the models' mean {key}"
        notation = common_notation([report.summaries[key].mean for report in reports.values()], options.precision)
        if chosen:
            heads = (Head("map", "map"), *plain_heads("number", *values))
            yield Table(heads, tuple(_map_rows(chosen, values, notation)), title)


def common_columns(reports: Mapping[str, Report]) -> dict[str, Column]:
    """The metrics that every report has."""
    first, *others = reports.values()
    return {key: first.columns[key] for key in first.summaries if all(key in report.summaries for report in others)}


def common_notation(means: Iterable[float | None], precision: int) -> Notation:
    """One notation for a column, by the middle one of its sizes: a single perfect model makes no exponents."""
    sizes = sorted(abs(mean) for mean in means if mean and math.isfinite(mean))
    return notation_for(sizes[len(sizes) // 2 :], precision)


def _values(reports: Mapping[str, Report], key: str) -> Values:
    """The numbers of each model by map; a map without one is absent."""
    return {
        model: {score.name: score.values[key] for score in report.scores if key in score.values}
        for model, report in reports.items()
    }


def _map_rows(names: Iterable[str], values: Values, notation: Notation) -> Iterator[tuple[Cell, ...]]:
    for name in names:
        yield Cell(name), *(Cell(notation.text(scores.get(name))) for scores in values.values())


def _worst(names: Sequence[str], values: Values, best: str) -> list[str]:
    """The names, first those that the models score worst on average; undefined values before all."""

    def badness(name: str) -> tuple[bool, float]:
        total = sum(scores.get(name, math.nan) for scores in values.values())
        return not math.isnan(total), 0.0 if math.isnan(total) else total if best == "high" else -total

    return sorted(names, key=badness)


# the comparison


def _comparison_tables(report: ComparisonReport, key: str, comparison: Comparison, options: Options) -> Iterator[Table]:
    column = report.columns[key]
    means = dict(comparison.means)
    notation = common_notation(means.values(), options.precision)
    cells = _mean_cells(means, column, comparison, notation)
    heads = (Head("", "text"), Head("model", "model"), _metric_head(key, column))
    rows = tuple((*names, cell) for names, cell in zip(_names(report.models), cells, strict=True))
    yield Table(heads, rows, f"{key} on {count(comparison.n, comparison.unit[:-1])}")
    numbers = _PAIR_NUMBERS if options.verbose else _FEW_PAIR_NUMBERS
    pair_heads = (*plain_heads("model", "first", "second"), *plain_heads("number", *numbers))
    pairs = tuple(_pair_row(pair, notation, numbers) for pair in comparison.pairs)
    yield Table(pair_heads, pairs, f"{key}: first minus second")


def _pair_row(pair: PairOfModels, notation: Notation, numbers: Sequence[str]) -> tuple[Cell, ...]:
    result = pair.result
    better = pair.winner or ("differs" if pair.significant else ABSENT)
    cells = {
        "difference": Cell(notation.text(result.mean_difference), interval=interval_text(result.interval, notation)),
        "p (Holm)": Cell(p_text(pair.adjusted_p)),
        "p": Cell(p_text(result.p_value)),
        "Wilcoxon p": Cell(p_text(result.wilcoxon_p)),
        "d_z": Cell(Notation(2).text(result.cohens_dz)),
        "rank r": Cell(Notation(2).text(result.rank_biserial)),
        "detectable": Cell(notation.text(result.detectable)),
        "better": Cell(better, is_best=bool(pair.winner)),
    }
    return Cell(pair.first), Cell(pair.second), *(cells[name] for name in numbers)


def p_text(p: float) -> str:
    """A p-value, of which small ones keep two digits.

    >>> p_text(0.0625), p_text(1.0), p_text(9.999e-05)
    ('0.0625', '1.0000', '0.0001')
    """
    return f"{p:.4f}" if float(f"{p:.4f}") else f"{p:.1e}"


def _comparison_legend(report: ComparisonReport, options: Options) -> str:
    if not options.verbose:
        return _explain(report)
    first = next(iter(report.comparisons.values()))
    shown = f"the smallest difference that {first.n} {first.unit} show in 80 % of cases"
    return (
        f"{_explain(report)}; d_z: the mean difference divided by the standard deviation of the differences; rank r: "
        f"matched-pairs rank-biserial correlation; detectable: {shown}"
    )
