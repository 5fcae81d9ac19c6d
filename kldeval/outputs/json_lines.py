"""The maps as JSON Lines: the rows of the JSON report's `maps`, then those of its `failures`.

The rows of a leaderboard begin with `model`, and those of a comparison, its pairs of models, with `metric`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.outputs.strict_json import failure_row, line, map_row, pair_row
from kldeval.results.models import ComparisonReport, Leaderboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.outputs.options import Options
    from kldeval.results.report import Report


def write(made: Report | Leaderboard | ComparisonReport, options: Options) -> str:
    """One object a line; a row with `stage` and `message` is a map that could not be scored."""
    del options
    return "".join(line(row) + "\n" for row in _rows(made))


def _rows(made: Report | Leaderboard | ComparisonReport) -> Iterator[dict[str, Any]]:
    if isinstance(made, ComparisonReport):
        for key, comparison in made.comparisons.items():
            yield from ({"metric": key, **pair_row(pair)} for pair in comparison.pairs)
    elif isinstance(made, Leaderboard):
        for model, report in made.reports.items():
            yield from ({"model": model, **row} for row in _map_rows(report))
    else:
        yield from _map_rows(made)


def _map_rows(report: Report) -> Iterator[dict[str, Any]]:
    yield from map(map_row, report.scores)
    yield from map(failure_row, report.failures)
