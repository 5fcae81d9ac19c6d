"""A report with other scores: its summaries made anew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.results.summary import summarise_groups, summarise_means, summarise_scores
from kldeval.signature import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kldeval.records import Score
    from kldeval.results.report import Report


def recount(report: Report, scores: Iterable[Score]) -> Report:
    """The report of these scores, with the summaries and groups that they have by the report's own signature."""
    kept = tuple(sorted(scores, key=lambda score: score.name))
    keys = tuple(report.summaries)
    groups = summarise_groups(keys, kept)
    summaries = summarise_means(keys, groups) if report.averages_groups else summarise_scores(keys, kept)
    return replace(report, scores=kept, summaries=summaries, groups=groups)


def grouping_of(report: Report) -> str:
    """What a group is where the headline is the mean over groups, as the signature says; else nothing."""
    return next((parts_of(text).get("groups", "") for text in report.signatures.values()), "")
