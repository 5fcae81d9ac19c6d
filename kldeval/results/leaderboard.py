"""Several models on the maps that were scored for all of them, and how they compare."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.names import unknown
from kldeval.results.agreement import common_keys
from kldeval.results.compared import common_maps, compare_reports
from kldeval.results.models import Leaderboard
from kldeval.results.recount import recount

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kldeval.results.models import Resampling
    from kldeval.results.report import Report


def make_leaderboard(
    reports: Mapping[str, Report],
    resampling: Resampling,
    *,
    sort: str | None = None,
    provenance: Mapping[str, object] | None = None,
) -> Leaderboard:
    """The leaderboard of these models; the unit of intervals and tests is what the headline averages.

    The models are in the order given, or the best by the metric `sort` first.

    Raises:
        UsageProblem: the reports have no metric in common, or there is no `sort` among them.
        MissingDependency: scipy is not installed.
    """
    common, left_out = common_maps(reports)
    chosen = frozenset(common)
    restricted = {
        model: recount(report, (score for score in report.scores if score.name in chosen))
        for model, report in reports.items()
    }
    if sort is not None:
        restricted = _sorted(restricted, sort)
    comparison = compare_reports(restricted, resampling, provenance=provenance) if common else None
    return Leaderboard(restricted, comparison, left_out, tuple(_notes(restricted, left_out)))


def _sorted(reports: dict[str, Report], key: str) -> dict[str, Report]:
    """The reports, the best mean of a metric first; undefined ones last, and equal ones in the order given."""
    keys = common_keys(reports)
    if key not in keys:
        raise unknown("metric", key, keys)

    def badness(model: str) -> tuple[bool, float]:
        mean = reports[model].summaries[key].mean
        if mean is None or math.isnan(mean):
            return True, 0.0
        return False, -mean if reports[model].columns[key].best == "high" else mean

    return {model: reports[model] for model in sorted(reports, key=badness)}


def _notes(reports: Mapping[str, Report], left_out: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    if left_out:
        yield f"only maps that were scored for every model count; {len(left_out)} others were left out"
    for note in dict.fromkeys(note for report in reports.values() for note in report.notes):
        yield f"{', '.join(model for model, report in reports.items() if note in report.notes)}: {note}"
