"""The share of the way from chance to the gold standard that a model goes, of a report with reference rows."""

from __future__ import annotations

from array import array
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from kldeval.reports.documents import Resampling, Ways
from kldeval.reports.moments import exact_sum, weighted_mean
from kldeval.reports.shares import shares_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.arrays import NumpyArray as Floats
    from kldeval.records import Score
    from kldeval.reports.documents import Report
    from kldeval.reports.shares import Table

    Numbers = Mapping[str, Mapping[str, float]]

UNIFORM, PRIOR, CEILING = "uniform", "centre prior", "ceiling"

REFERENCES = (UNIFORM, PRIOR, CEILING)
"""The rows, from what says nothing to what says most."""

CHANCES = (UNIFORM, PRIOR)
"""What may be taken for chance: knowing nothing, or where people look on other images."""

VERSION = 1
"""The version of the definition of shares: it changes only when a number could."""


def with_ways(
    report: Report, resampling: Resampling | None = None, references: Sequence[Score] | None = None
) -> Report:
    """The report with the share of the way to the ceiling for each metric that has one, from either chance.

    `references` are the scores of the same maps of the model that has the reference rows, where this one has none.
    """
    scores = sorted(report.scores, key=lambda score: score.name) if isinstance(report.scores, tuple) else report.scores
    held = {(key, chance): _Units() for key in report.columns if key in report.summaries for chance in CHANCES}
    for score, numbers in _with_references(scores, references):
        for (key, chance), units in held.items():
            if key in score.values:
                ends = [numbers.get(name, {}).get(key) for name in (chance, CEILING)]
                units.add(score.group if report.groups else "", (score.values[key], *ends, score.weights.get(key, 1.0)))
    tables: dict[tuple[str, str], Table] = {
        (key, chance): (*units.table(is_even=report.averages_groups), report.columns[key].best)
        for (key, chance), units in held.items()
        if units.is_whole
    }
    if not tables:
        return report if report.ways is None else replace(report, ways=None)
    resampling = resampling or Resampling()
    shares = shares_of(tables, resampling)
    by_metric = {
        key: {chance: shares[key, chance] for chance in CHANCES if (key, chance) in shares}
        for key in dict.fromkeys(key for key, _ in shares)
    }
    return replace(report, ways=Ways(_signature(report, resampling), by_metric))


def _with_references(scores: Sequence[Score], references: Sequence[Score] | None) -> Iterator[tuple[Score, Numbers]]:
    """The scores with the numbers of the reference rows, which are their own where any has some; else nothing."""
    if any(score.references for score in scores):
        yield from ((score, score.references) for score in scores)
    elif references:
        yield from ((score, other.references) for score, other in zip(scores, references, strict=True))


class _Units:
    """What the model, chance and the ceiling have on each map or in each group, and what it counts."""

    def __init__(self) -> None:
        self._is_lacking = False
        self._maps = array("d")
        self._groups: dict[str, array[float]] = {}

    def add(self, group: str, row: tuple[float | None, ...]) -> None:
        """Take in a map, of a group where there are groups; where one lacks a number nothing is known of any."""
        numbers = [number for number in row if number is not None]
        self._is_lacking = self._is_lacking or len(numbers) < len(row)
        if not self._is_lacking:
            (self._groups.setdefault(group, array("d")) if group else self._maps).extend(numbers)

    @property
    def is_whole(self) -> bool:
        """Whether there are maps, and none lacks a number."""
        return bool(self._groups or self._maps) and not self._is_lacking

    def table(self, *, is_even: bool) -> tuple[Floats, Floats]:
        """The numbers of the units, groups in the order of their names, and what each counts: 1 where `is_even`."""
        import numpy as np

        groups = [np.frombuffer(rows).reshape(-1, 4) for _, rows in sorted(self._groups.items())]
        groups += [row[None] for row in np.frombuffer(self._maps).reshape(-1, 4)] if self._maps else []
        found = np.fromiter(chain.from_iterable(map(_unit, groups)), np.float64, 4 * len(groups)).reshape(-1, 4)
        return found[:, :3], np.ones(len(found)) if is_even else found[:, 3]


def _unit(rows: Floats) -> tuple[float, ...]:
    """The means of a group, and what it counts."""
    *columns, weights = rows.T.tolist()
    return (*(weighted_mean(column, weights) for column in columns), exact_sum(weights))


def _signature(report: Report, resampling: Resampling) -> str:
    """Everything that defines the intervals of the shares, as text."""
    drawn = f"confidence={resampling.confidence},resamples={resampling.resamples},seed={resampling.seed}"
    return f"share({drawn})|unit:{'groups' if report.groups else 'maps'}|v:{VERSION}"
