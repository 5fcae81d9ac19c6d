"""The means alone, as the `scores.json` that Codabench reads: one flat object, a number for each metric.

A run that is not whole has no mean that a leaderboard may show: with a failure, or without any map, the metrics are
absent and only the counts are there.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from kldeval.errors import UsageProblem
from kldeval.results.models import ComparisonReport, Leaderboard

if TYPE_CHECKING:
    from kldeval.outputs.options import Options
    from kldeval.results.report import Report


def write(made: Report | Leaderboard | ComparisonReport, options: Options) -> str:
    """The scores of a report; of a leaderboard those of each model.

    Raises:
        UsageProblem: a comparison, which has no scores.
    """
    del options
    if isinstance(made, ComparisonReport):
        msg = "a comparison has no scores of its own: --format scores is for reports and leaderboards"
        raise UsageProblem(msg)
    if isinstance(made, Leaderboard):
        return _text({model: _scores(report) for model, report in made.reports.items()})
    return _text(_scores(made))


def _text(scores: dict[str, Any]) -> str:
    return json.dumps(scores, allow_nan=False) + "\n"


def _scores(report: Report) -> dict[str, Any]:
    counts = {"maps": len(report.scores), "failures": len(report.failures)}
    if report.failures or not report.scores:
        return counts
    return {**{key: _number(summary.mean) for key, summary in report.summaries.items()}, **counts}


def _number(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
