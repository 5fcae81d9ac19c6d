"""Documents as flat tables for programs: the same columns in every row, None where a row has no value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.results.models import ComparisonReport, Leaderboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.results.report import Report

Value = str | float | int | bool | None
Row = dict[str, Value]

_OF_PAIRS = (
    *("metric", "first", "second", "unit", "n", "mean_difference", "low", "high", "p", "p_holm", "wilcoxon_p"),
    *("cohens_dz", "rank_biserial", "detectable", "significant", "winner"),
)


def table_of(made: Report | Leaderboard | ComparisonReport) -> tuple[tuple[str, ...], list[Row]]:
    """The columns and the rows of a document: a row per map, per model and map, or per metric and pair of models."""
    if isinstance(made, ComparisonReport):
        return _OF_PAIRS, list(_pair_rows(made))
    if isinstance(made, Leaderboard):
        rows = [{"model": model, **row} for model, report in made.reports.items() for row in map_rows(report)]
        return ("model", *_map_columns(*made.reports.values())), rows
    return _map_columns(made), list(map_rows(made))


def map_rows(report: Report) -> Iterator[Row]:
    """A row per scored map, then a row per map that could not be scored, which has only its name and the reason."""
    for score in report.scores:
        group: Row = {"group": score.group} if score.group else {}
        counts: Row = {"n_uncovered": score.n_uncovered, "uncovered_mass": float(score.uncovered_mass)}
        yield {"name": score.name, **group, **{key: float(score.values[key]) for key in report.summaries}, **counts}
    for failure in report.failures:
        yield {"name": failure.name, "failure": f"{failure.stage}: {failure.message}"}


def _map_columns(*reports: Report) -> tuple[str, ...]:
    """The same whether or not anything failed; `group` only where maps have groups."""
    keys = dict.fromkeys(key for report in reports for key in report.summaries)
    group = ["group"] if any(score.group for report in reports for score in report.scores) else []
    return "name", *group, *keys, "n_uncovered", "uncovered_mass", "failure"


def _pair_rows(made: ComparisonReport) -> Iterator[Row]:
    for key, comparison in made.comparisons.items():
        for pair in comparison.pairs:
            result = pair.result
            low, high = result.interval or (None, None)
            values = (
                *(key, pair.first, pair.second, comparison.unit, comparison.n, result.mean_difference, low, high),
                *(result.p_value, pair.adjusted_p, result.wilcoxon_p, result.cohens_dz, result.rank_biserial),
                *(result.detectable, pair.significant, pair.winner),
            )
            yield dict(zip(_OF_PAIRS, values, strict=True))
