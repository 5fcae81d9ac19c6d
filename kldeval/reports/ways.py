"""The share of the way from chance to the gold standard that a model goes, of a report with reference rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.reports.documents import Resampling, Ways
from kldeval.reports.moments import exact_sum, weighted_mean
from kldeval.reports.shares import shares_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.records import Score
    from kldeval.reports.documents import Report
    from kldeval.reports.shares import Table, Triple

    Numbers = Mapping[str, Mapping[str, float]]

UNIFORM, PRIOR, CEILING = "uniform", "centre prior", "ceiling"

REFERENCES = (UNIFORM, PRIOR, CEILING)
"""The rows, from what says nothing to what says most."""

CHANCES = (UNIFORM, PRIOR)
"""What may be taken for chance: knowing nothing, or where people look on other images."""

VERSION = 1
"""The version of the definition of shares: it changes only when a number could."""


def with_ways(
    report: Report, resampling: Resampling | None = None, references: Mapping[str, Numbers] | None = None
) -> Report:
    """The report with the share of the way to the ceiling for each metric that has one, from either chance.

    `references` are the numbers of the reference rows by map, for a model whose scores have none of their own.
    """
    own = {score.name: score.references for score in report.scores if score.references}
    known = own or references or {}
    resampling = resampling or Resampling()
    tables: dict[tuple[str, str], Table] = {}
    for key, column in report.columns.items() if known else ():
        for chance in CHANCES:
            table = _table(report, key, chance, known) if key in report.summaries else None
            if table and table[0]:
                tables[key, chance] = (*table, column.best)
    if not tables:
        return report if report.ways is None else replace(report, ways=None)
    shares = shares_of(tables, resampling)
    by_metric = {
        key: {chance: shares[key, chance] for chance in CHANCES if (key, chance) in shares}
        for key in dict.fromkeys(key for key, _ in shares)
    }
    return replace(report, ways=Ways(_signature(report, resampling), by_metric))


def _table(
    report: Report, key: str, chance: str, known: Mapping[str, Numbers]
) -> tuple[list[Triple], list[float]] | None:
    """What the model, chance and the ceiling have on each map, or in each group; None where a map lacks one."""
    units: dict[str, list[tuple[Triple, float]]] = {}
    for score in report.scores:
        if key not in score.values:
            continue
        rows = known.get(score.name, {})
        ends = [rows.get(name, {}).get(key) for name in (chance, CEILING)]
        if ends[0] is None or ends[1] is None:
            return None
        name = score.group if report.groups else score.name
        units.setdefault(name, []).append(((score.values[key], ends[0], ends[1]), _weight(score, key)))
    found = [_unit(rows) for _, rows in sorted(units.items())]
    weights = [1.0 if report.averages_groups else weight for _, weight in found]
    return [triple for triple, _ in found], weights


def _weight(score: Score, key: str) -> float:
    return score.weights.get(key, 1.0)


def _unit(rows: Sequence[tuple[Triple, float]]) -> tuple[Triple, float]:
    """The means of a group, and what it counts."""
    weights = [weight for _, weight in rows]
    columns = zip(*(row for row, _ in rows), strict=True)
    model, chance, gold = (weighted_mean(list(column), weights) for column in columns)
    return (model, chance, gold), exact_sum(weights)


def _signature(report: Report, resampling: Resampling) -> str:
    """Everything that defines the intervals of the shares, as text."""
    drawn = f"confidence={resampling.confidence},resamples={resampling.resamples},seed={resampling.seed}"
    return f"share({drawn})|unit:{'groups' if report.groups else 'maps'}|v:{VERSION}"
