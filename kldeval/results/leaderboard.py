"""Several models on the maps that were scored for all of them, and how they compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.results.compared import common_maps, compare_reports
from kldeval.results.models import Leaderboard
from kldeval.results.recount import recount

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kldeval.results.models import Resampling
    from kldeval.results.report import Report

def make_leaderboard(
    reports: Mapping[str, Report], resampling: Resampling, provenance: Mapping[str, object] | None = None
) -> Leaderboard:
    """The leaderboard of these models; the unit of intervals and tests is what the headline averages.

    Raises:
        UsageProblem: the reports have no metric in common.
        MissingDependency: scipy is not installed.
    """
    common, left_out = common_maps(reports)
    chosen = frozenset(common)
    restricted = {
        model: recount(report, (score for score in report.scores if score.name in chosen))
        for model, report in reports.items()
    }
    comparison = compare_reports(restricted, resampling, provenance=provenance) if common else None
    return Leaderboard(restricted, comparison, left_out, tuple(_notes(restricted, left_out)))


def _notes(reports: Mapping[str, Report], left_out: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    if left_out:
        yield f"only maps that were scored for every model count; {len(left_out)} others were left out"
    if any(report.groups and not report.averages_groups for report in reports.values()):
        yield (
            "intervals and tests take single maps for independent; where the maps of a group are alike (frames of a "
            "video), add --maps groups, or equal models differ significantly in 40 to 75 % of runs"
        )
    for note in dict.fromkeys(note for report in reports.values() for note in report.notes):
        yield f"{', '.join(model for model, report in reports.items() if note in report.notes)}: {note}"
