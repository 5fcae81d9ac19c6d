"""The table of all maps of an HTML page: worst first, as texts, with what a row links to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass
from kldeval.reports.documents import Leaderboard, Report
from kldeval.writers.lines import one_line
from kldeval.writers.models_page import common_columns, common_notation
from kldeval.writers.page import Head
from kldeval.writers.report_page import metric_notation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.records import Score
    from kldeval.reports.audit_documents import Audit
    from kldeval.reports.documents import ComparisonReport
    from kldeval.writers.numbers import Notation
    from kldeval.writers.page import Options

    Document = Report | Leaderboard | ComparisonReport | Audit


Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MapTable:
    """A row per map: its name, then a text per column; worst first, undefined values last. `total` maps there are."""

    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    total: int
    order: str

    def rest(self, number: int) -> list[Row]:
        """The rows behind the first ones."""
        return list(self.rows[number:])


def map_table(document: Document, options: Options) -> MapTable | None:
    """Every map of a report or a leaderboard; None for a document without maps."""
    if isinstance(document, Report):
        return _of_report(document, options) if document.scores and document.summaries else None
    return _of_leaderboard(document, options) if isinstance(document, Leaderboard) else None


def _of_report(report: Report, options: Options) -> MapTable:
    heads = [Head("map", "map")]
    columns: list[list[str]] = [[one_line(score.name) for score in report.scores]]
    for key, summary in report.summaries.items():
        column = report.columns[key]
        heads.append(Head(key, better=column.best, unit=column.unit))
        columns.append(_texts(report.scores, key, metric_notation(summary, options.precision)))
    if any(score.n_uncovered for score in report.scores):
        heads += [Head("uncovered"), Head("mass")]
        columns += [
            [str(score.n_uncovered) for score in report.scores],
            [f"{score.uncovered_mass:.4g}" for score in report.scores],
        ]
    ranked = next((key for key in report.summaries if report.columns[key].best), None)
    order = _worst_first(
        [_number(score, ranked) for score in report.scores], report.columns[ranked].best if ranked else ""
    )
    rows = list(zip(*columns, strict=True))
    title = f"worst {ranked} first" if ranked else "in the order of the report"
    return MapTable(tuple(heads), tuple(rows[place] for place in order), len(rows), title)


def _of_leaderboard(board: Leaderboard, options: Options) -> MapTable | None:
    reports = board.reports
    keys = common_columns(reports)
    first = next(iter(reports.values()))
    if not first.scores or not keys:
        return None
    by_name = {model: {score.name: score for score in report.scores} for model, report in reports.items()}
    names = [score.name for score in first.scores]
    heads, columns = [Head("map", "map")], [[one_line(name) for name in names]]
    for key, column in keys.items():
        notation = common_notation([report.summaries[key].mean for report in reports.values()], options.precision)
        for model, scores in by_name.items():
            heads.append(Head(f"{key} of {model}", better=column.best, unit=column.unit))
            columns.append(_texts([scores[name] for name in names], key, notation))
    ranked = next((key for key, column in keys.items() if column.best), None)
    means = [_mean([_number(scores[name], ranked) for scores in by_name.values()]) for name in names]
    order = _worst_first(means, keys[ranked].best if ranked else "")
    rows = list(zip(*columns, strict=True))
    title = f"worst mean {ranked} of the models first" if ranked else "in the order of the reports"
    return MapTable(tuple(heads), tuple(rows[place] for place in order), len(rows), title)


def _texts(scores: Sequence[Score], key: str, notation: Notation) -> list[str]:
    return [notation.text(score.values.get(key)) for score in scores]


def _number(score: Score, key: str | None) -> float:
    return score.values.get(key, math.nan) if key else math.nan


def _mean(values: Sequence[float]) -> float:
    return math.nan if any(map(math.isnan, values)) else sum(value / len(values) for value in values)


def _worst_first(values: Sequence[float], best: str) -> list[int]:
    """Places from the worst value to the best, undefined ones last; as they stand where neither direction is better."""
    if not best:
        return list(range(len(values)))
    sign = -1.0 if best == "low" else 1.0
    return sorted(
        range(len(values)),
        key=lambda place: (math.isnan(values[place]), 0.0 if math.isnan(values[place]) else sign * values[place]),
    )
