"""A report with other scores: its summaries made anew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.grouping import PARENT
from kldeval.names import unknown
from kldeval.results.references import summarise_references
from kldeval.results.summary import summarise_groups, summarise_means, summarise_scores
from kldeval.signature_parts import parts_of, with_fixations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kldeval.records import Score
    from kldeval.results.report import Report


def recount(report: Report, scores: Iterable[Score]) -> Report:
    """The report of these scores, with the summaries and groups that they have by its signature, and without gates.

    A table per class stays only where the scores are those it was made of.
    """
    kept = tuple(sorted(scores, key=lambda score: score.name))
    keys = tuple(report.summaries)
    groups = summarise_groups(keys, kept)
    summaries = summarise_means(keys, groups) if report.averages_groups else summarise_scores(keys, kept)
    classes = report.classes if len(kept) == len(report.scores) else ()
    references = summarise_references(kept, over_groups=report.averages_groups)
    return replace(
        report,
        signatures=_of_fixations(report, kept),
        scores=kept,
        summaries=summaries,
        groups=groups,
        classes=classes,
        gates=(),
        references=references,
    )


def _of_fixations(report: Report, scores: Sequence[Score]) -> dict[str, str]:
    """The signatures, which may say of how many fixations the ground truths of these maps were made."""
    number = sum(score.gt_fixations or 0 for score in scores)
    return {key: with_fixations(text, number) for key, text in report.signatures.items()}


def only(reports: Mapping[str, Report], keys: Sequence[str]) -> dict[str, Report]:
    """The reports with these metrics alone, in this order.

    Raises:
        UnknownName: a report does not have one of them.
    """
    for report in reports.values():
        for key in keys:
            if key not in report.summaries:
                raise unknown("metric", key, report.summaries)
    return {model: _only(report, keys) for model, report in reports.items()}


def _only(report: Report, keys: Sequence[str]) -> Report:
    return replace(
        report,
        signatures={key: report.signatures[key] for key in keys},
        summaries={key: report.summaries[key] for key in keys},
        columns={key: report.columns[key] for key in keys},
        scores=tuple(replace(score, values={key: score.values[key] for key in keys}) for score in report.scores),
        groups={name: {key: summaries[key] for key in keys} for name, summaries in report.groups.items()},
        references={
            name: {key: means[key] for key in keys if key in means} for name, means in report.references.items()
        },
    )


def grouping_of(report: Report) -> str:
    """What a group is where the headline is the mean over groups, as the signature says; else nothing."""
    parts = parts_of(next(iter(report.signatures.values()), ""))
    return parts.get("groups", PARENT) if report.averages_groups else ""
