"""The gate of a comparison: whether a new model is significantly worse than the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.results.gates import GateOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.results.models import ComparisonReport


def regressions(report: ComparisonReport) -> tuple[GateOutcome, ...]:
    """For each metric with a better direction, whether the first model is significantly worse than each other one.

    The value is the mean difference, first minus other. A metric that could not be compared fires, as nan does.
    """
    return tuple(_outcomes(report))


def _outcomes(report: ComparisonReport) -> Iterator[GateOutcome]:
    new, *others = report.models
    for key, column in report.columns.items():
        if not column.best:
            continue
        if key not in report.comparisons:
            yield from (GateOutcome(_text(key, new, other), None, fired=True) for other in others)
            continue
        for pair in report.comparisons[key].pairs:
            if pair.first == new:
                fired = pair.significant and pair.winner == pair.second
                yield GateOutcome(_text(key, new, pair.second), pair.result.mean_difference, fired)


def _text(key: str, new: str, other: str) -> str:
    return f"{key}: {new} is worse than {other}"
