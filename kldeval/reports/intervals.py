"""Intervals of the means of one report."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kldeval.errors import UsageProblem
from kldeval.grammar import split_call
from kldeval.reports.documents import Resampling
from kldeval.reports.merging import merge
from kldeval.reports.moments import exact_sum, weighted_mean
from kldeval.reports.pooled import pooled_interval
from kldeval.reports.significance import LARGEST, bca_intervals
from kldeval.reports.ways import with_ways

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kldeval.records import Score
    from kldeval.reports.documents import Report

FEWEST_UNITS = 2
"""An interval needs as many maps, or groups."""

VERSION = 1
"""The version of the definition of intervals: it changes only when a number could."""


def with_intervals(report: Report, resampling: Resampling) -> Report:
    """The report with the bootstrap interval (BCa) of each headline.

    Maps are drawn anew, or groups where maps have groups, since those of a group are alike. A headline that is not the
    plain mean of the units (over pixels, or over maps of groups of different sizes) is taken for the mean of what each
    unit adds to it, to first order. That of all pixels together (calibration) has the percentiles of maps that are
    drawn anew, less the bias of drawing (`pooled_interval`). There is no interval of fewer than two units, nor where a
    value is not finite.
    """
    summaries = {
        key: replace(summary, interval=_interval_of(report, key, resampling))
        for key, summary in report.summaries.items()
    }
    made = replace(report, summaries=summaries, statistics=_signature(report, resampling))
    return with_ways(made, resampling) if made.ways else made


def merge_reports(reports: Mapping[str, Report]) -> Report:
    """One report of all maps, with intervals if all parts have some that were drawn in one way; see `merge`.

    Raises:
        UsageProblem: as `merge`, or shares of one run have intervals that were not drawn in one way.
    """
    merged = merge(reports)
    texts = {report.statistics.partition("|")[0] for report in reports.values()}
    if len(texts) > 1 and all("shard" in report.provenance for report in reports.values()):
        msg = f"the shares have intervals that were drawn in different ways: {', '.join(sorted(texts - {''}))}"
        raise UsageProblem(msg)
    drawn = texts.pop() if len(texts) == 1 else ""
    return with_intervals(merged, resampling_of(drawn)) if drawn else merged


def resampling_of(text: str) -> Resampling:
    """How intervals were drawn, from what their signature says of it.

    >>> resampling_of("interval(confidence=0.9,resamples=500,seed=3)").seed
    3
    """
    types: dict[str, Callable[[str], float]] = {"resamples": int, "seed": int, "confidence": float}
    given: dict[str, Any] = {name: types[name](value) for name, value in split_call(text)[1].items()}
    return Resampling(**given)


def _interval_of(report: Report, key: str, resampling: Resampling) -> tuple[float, float] | None:
    """The interval of one headline: of a number of all pixels together that of drawing maps, or groups, anew."""
    rows = [] if report.averages_groups else list(_pooled_units(report, key).values())
    if len(rows) >= FEWEST_UNITS:
        return pooled_interval(key, rows, resampling)
    return _interval(headline_units(report, key), resampling)


def _pooled_units(report: Report, key: str) -> dict[str, list[float]]:
    """The sums that the number of all pixels is made of, by map or group; empty where a map has none."""
    units: dict[str, list[Sequence[float]]] = {}
    for score in report.scores:
        if key in score.values and key not in score.statistics:
            return {}
        if key in score.values:
            units.setdefault(score.group if report.groups else score.name, []).append(score.statistics[key])
    return {name: [exact_sum(column) for column in zip(*rows, strict=True)] for name, rows in sorted(units.items())}


def headline_units(report: Report, key: str) -> list[float]:
    """A number per unit, map or group, whose mean is the headline of a metric."""
    if report.averages_groups:
        means = (group[key].mean for group in report.groups.values())
        return [math.nan if mean is None else mean for mean in means]
    scores = [score for score in report.scores if key in score.values]
    if not report.groups:
        return _shares([score.values[key] for score in scores], [score.weights.get(key, 1.0) for score in scores])
    groups: dict[str, list[Score]] = {}
    for score in scores:
        groups.setdefault(score.group, []).append(score)
    values, weights = [], []
    for name in sorted(groups):
        counts = [score.weights.get(key, 1.0) for score in groups[name]]
        values.append(weighted_mean([score.values[key] for score in groups[name]], counts))
        weights.append(exact_sum(counts))
    return _shares(values, weights)


def _shares(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """m + w (v - m) / mean(w) for each value v of weight w, whose mean is the weighted mean m."""
    if len(set(weights)) <= 1:
        return list(values)
    mean, usual = weighted_mean(values, weights), exact_sum(weights) / len(weights)
    return [
        mean + weight / usual * (value - mean) if weight else mean
        for value, weight in zip(values, weights, strict=True)
    ]


def _interval(units: Sequence[float], resampling: Resampling) -> tuple[float, float] | None:
    import numpy as np

    if len(units) < FEWEST_UNITS or not all(abs(unit) <= LARGEST for unit in units):
        return None
    column = np.asarray(units, dtype=np.float64)[:, None]
    ((low, high),) = bca_intervals(column, resampling.resamples, resampling.seed, resampling.confidence).tolist()
    return low, high


def _signature(report: Report, resampling: Resampling) -> str:
    """Everything that defines the intervals, as text."""
    drawn = f"confidence={resampling.confidence},resamples={resampling.resamples},seed={resampling.seed}"
    pooled = any(score.statistics for score in report.scores) and not report.averages_groups
    unbiased = "|pooled:less-bias" if pooled else ""
    return f"interval({drawn})|unit:{'groups' if report.groups else 'maps'}{unbiased}|v:{VERSION}"
