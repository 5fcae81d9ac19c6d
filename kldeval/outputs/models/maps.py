"""The single maps of several models as sheets: for each metric a row per map and a column per model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.outputs.models.page import Cell, Sheet, plain_head
from kldeval.outputs.notation import Notation, natural, notation_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kldeval.outputs.options import Options
    from kldeval.results.report import Column, Report

Values = dict[str, dict[str, float]]
"""For each model the value of each map."""


def map_sheets(reports: Mapping[str, Report], options: Options) -> Iterator[Sheet]:
    """Every map, or of each metric with a better direction the worst maps on the average of the models.

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
        names = list(next(iter(values.values())))
        chosen = sorted(names, key=natural) if options.per_map else _worst(names, values, column.best)[: options.worst]
        title = key if options.per_map else f"worst {len(chosen)} of {len(names)} maps by the models' mean {key}"
        notation = notation_of([report.summaries[key].mean for report in reports.values()], options.precision)
        if chosen:
            yield Sheet(plain_head("map", *values), tuple(_rows(chosen, values, notation)), title=title)


def common_columns(reports: Mapping[str, Report]) -> dict[str, Column]:
    """The metrics that every report has."""
    first, *others = reports.values()
    return {key: first.columns[key] for key in first.summaries if all(key in report.summaries for report in others)}


def notation_of(means: Iterable[float | None], precision: int) -> Notation:
    """One notation for a column, by the middle one of its sizes: a single perfect model makes no exponents."""
    sizes = sorted(abs(mean) for mean in means if mean and math.isfinite(mean))
    return notation_for(sizes[len(sizes) // 2 :], precision)


def _values(reports: Mapping[str, Report], key: str) -> Values:
    return {model: {score.name: score.values[key] for score in report.scores} for model, report in reports.items()}


def _rows(names: Iterable[str], values: Values, notation: Notation) -> Iterator[tuple[Cell, ...]]:
    for name in names:
        yield Cell(name), *(Cell(notation.text(scores[name])) for scores in values.values())


def _worst(names: Sequence[str], values: Values, best: str) -> list[str]:
    """The names, first those that the models score worst on average; undefined values before all."""

    def badness(name: str) -> tuple[bool, float]:
        total = sum(scores[name] for scores in values.values())
        return not math.isnan(total), 0.0 if math.isnan(total) else total if best == "high" else -total

    return sorted(names, key=badness)
