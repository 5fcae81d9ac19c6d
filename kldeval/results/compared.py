"""Reports set against each other: every pair of models on every metric, and what was left out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.grouping import groups_of
from kldeval.reports.moments import exact_sum, weighted_mean
from kldeval.results.agreement import common_keys
from kldeval.results.comparison import NotFinite, compare_all
from kldeval.results.models import ComparisonReport, Resampling
from kldeval.results.recount import grouping_of
from kldeval.results.regressions import Rival, worse_than

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from kldeval.results.comparison import Comparison
    from kldeval.results.gates import GateOutcome
    from kldeval.results.report import Report

_GROUPS_NOTE = (
    "intervals and tests take single maps for independent; where those of a group are alike (frames of a video), make "
    "the groups the units (compare --group-by, a leaderboard --maps groups)"
)

VERSION = 2
"""The version of the statistics' definitions: it changes only when a number could."""


def compare_reports(
    reports: Mapping[str, Report],
    resampling: Resampling,
    *,
    group_by: str | None = None,
    provenance: Mapping[str, object] | None = None,
) -> ComparisonReport:
    """Every pair of models on every metric that all reports have, on the maps that all of them scored.

    The unit of the statistics is the group where `group_by` says what a group is, or where the reports' signatures say
    `maps:groups`; else it is the map.

    Raises:
        UsageProblem: fewer than two reports, no common metric or map, or maps without a group.
        MissingDependency: scipy is not installed.
    """
    keys = common_keys(reports)
    first = next(iter(reports.values()))
    grouping = group_by or grouping_of(first)
    groups = _groups(reports, grouping) if grouping else None
    maps, left_out = common_maps(reports)
    values = compared_values(reports, keys, maps, grouping)
    comparisons: dict[str, Comparison] = {}
    notes: list[str] = []
    for key in keys:
        try:
            comparison = _compared(values[key], first.columns[key].best, groups, resampling)
        except NotFinite as error:
            notes.append(f"{key} is not compared: {error}")
        else:
            notes += comparison.notes or ((_GROUPS_NOTE,) if not grouping and _has_groups(reports) else ())
            comparisons[key] = replace(comparison, notes=())
    return ComparisonReport(
        models=tuple(reports),
        signatures={key: first.signatures[key] for key in keys},
        statistics=statistics_signature(resampling, grouping),
        provenance=provenance or {},
        columns={key: first.columns[key] for key in keys},
        comparisons=comparisons,
        maps=maps,
        left_out=left_out,
        notes=tuple(dict.fromkeys(notes)),
    )


def compared_values(
    reports: Mapping[str, Report], keys: Sequence[str], maps: Sequence[str], grouping: str
) -> dict[str, dict[str, dict[str, float]]]:
    """By metric and model the values of the maps, such that their mean over the units is the headline."""
    weighted = not grouping and any(score.weights for report in reports.values() for score in report.scores)
    return {
        key: {model: _values(report, key, maps, weighted=weighted) for model, report in reports.items()} for key in keys
    }


def find_regressions(
    reports: Mapping[str, Report], resampling: Resampling, *, group_by: str | None = None
) -> tuple[GateOutcome, ...]:
    """For each metric with a better direction, whether the first model is significantly worse than each other one.

    One test for all metrics and rivals: one-sided at the level (1 - confidence) / 2, sign flips of whole units (maps,
    or groups), adjusted by the largest studentised mean. The chance that the gate fires at all where the models are
    equal is that level. A metric that could not be compared fires, as nan does.

    Raises:
        UsageProblem: no metric has a better direction, or so few units cannot reach the level.
    """
    keys = [key for key in common_keys(reports) if next(iter(reports.values())).columns[key].best]
    if not keys:
        msg = "--fail-if-worse needs a metric with a better direction, and here is none"
        raise UsageProblem(msg)
    grouping = group_by or grouping_of(next(iter(reports.values())))
    maps, _ = common_maps(reports)
    groups = _groups(reports, grouping) if grouping else None
    labels = None if groups is None else [groups[name] for name in maps]
    new, *others = reports
    columns = next(iter(reports.values())).columns
    values = compared_values(reports, keys, maps, grouping)
    tested = [
        Rival(key, other, columns[key].best, [values[key][new][name] - values[key][other][name] for name in maps])
        for key in keys
        for other in others
    ]
    return worse_than(new, tested, labels, resampling)


def _compared(
    values: Mapping[str, Mapping[str, float]], best: str, groups: Mapping[str, str] | None, resampling: Resampling
) -> Comparison:
    return compare_all(
        values,
        best,  # type: ignore[arg-type]
        groups=groups,
        resamples=resampling.resamples,
        seed=resampling.seed,
        confidence=resampling.confidence,
    )


def common_maps(reports: Mapping[str, Report]) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """The maps that every report scored, and the others, each with the models that lack it."""
    scored = {model: {score.name for score in report.scores} for model, report in reports.items()}
    every = sorted(set().union(*scored.values()))
    lacking = {name: tuple(model for model in scored if name not in scored[model]) for name in every}
    return tuple(name for name in every if not lacking[name]), {name: who for name, who in lacking.items() if who}


def statistics_signature(resampling: Resampling, grouping: str) -> str:
    """Everything that defines intervals and p-values, as text.

    >>> statistics_signature(Resampling(), "parent")
    'paired(confidence=0.95,resamples=10000,seed=0)|unit:groups|adjust:holm|groups:parent|v:2'
    """
    call = f"paired(confidence={resampling.confidence},resamples={resampling.resamples},seed={resampling.seed})"
    unit = ["unit:groups", "adjust:holm", f"groups:{grouping}"] if grouping else ["unit:maps", "adjust:holm"]
    return "|".join([call, *unit, f"v:{VERSION}"])


def _has_groups(reports: Mapping[str, Report]) -> bool:
    return any(report.groups for report in reports.values())


def _values(report: Report, key: str, maps: Collection[str], *, weighted: bool) -> dict[str, float]:
    """The value of each map; where the headline is a mean over pixels, such that their mean is that one.

    A weighted mean is, to first order, the mean of m + w (v - m) / mean(w), which intervals and tests then take.
    """
    values = {score.name: score.values[key] for score in report.scores}
    if not weighted:
        return values
    weights = {score.name: score.weights.get(key, 1.0) for score in report.scores}
    total = exact_sum(weights[name] for name in maps)
    mean = weighted_mean([values[name] for name in maps], [weights[name] for name in maps])
    shares = {name: weight * len(maps) / total if total else math.nan for name, weight in weights.items()}
    return {name: mean + shares[name] * (value - mean) for name, value in values.items()}


def _groups(reports: Mapping[str, Report], grouping: str) -> dict[str, str]:
    """The group of every map; a map that two reports put in different groups has none that could be used."""
    recorded: dict[str, str] = {}
    for model, report in reports.items():
        for score in report.scores:
            known = recorded.setdefault(score.name, score.group)
            if grouping == "manifest" and known != score.group:
                msg = f"the map {score.name!r} is in the group {known!r}, but in {model} in {score.group!r}"
                raise UsageProblem(msg)
    return groups_of(grouping, recorded)
