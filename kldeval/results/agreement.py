"""Whether reports may be set against each other: the same definitions, the same maps; and what differs if not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.signature_parts import differences

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from kldeval.results.report import Report

SHOWN = 5
"""So many names of maps stand for all of them."""

OF_GROUPS = ("maps", "groups")
"""The parts of a signature that a grouping of the request replaces."""


def check_agreement(reports: Mapping[str, Report], *, regrouped: bool = False) -> None:
    """Refuse reports whose signatures or maps differ; `regrouped` if the request itself says what the groups are.

    Raises:
        UsageProblem: saying every difference from the first report, a line each.
    """
    (first, reference), *others = reports.items()
    found = [
        line
        for name, report in others
        for line in (
            *_signature_differences(first, reference, name, report, OF_GROUPS if regrouped else ()),
            *_map_differences(first, reference, name, report),
        )
    ]
    if found:
        head = "the reports differ, so their numbers do not compare (--allow-different insists):"
        raise UsageProblem("\n".join([head, *(f"  {line}" for line in dict.fromkeys(found))]))


def common_keys(reports: Mapping[str, Report]) -> list[str]:
    """The metrics of all reports, in the order of the first.

    Raises:
        UsageProblem: there is none.
    """
    every = list(reports.values())
    keys = [key for key in every[0].summaries if all(key in report.summaries for report in every)]
    if not keys:
        has = "; ".join(f"{name} has {', '.join(report.summaries) or 'none'}" for name, report in reports.items())
        msg = f"no metric is common to all reports: {has}"
        raise UsageProblem(msg)
    return keys


def _signature_differences(
    first: str, reference: Report, name: str, report: Report, ignored: Collection[str]
) -> Iterator[str]:
    for key in reference.signatures:
        if key not in report.signatures:
            yield f"{key}: only in {first}"
            continue
        for part, (ours, theirs) in differences(reference.signatures[key], report.signatures[key]).items():
            if part not in ignored:
                label = f"{key}: " if part == "metric" else ""
                yield f"{label}{part}:{ours or 'nothing'} in {first}, {part}:{theirs or 'nothing'} in {name}"
    for key in report.signatures:
        if key not in reference.signatures:
            yield f"{key}: only in {name}"


def _map_differences(first: str, reference: Report, name: str, report: Report) -> Iterator[str]:
    ours, theirs = ({score.name for score in item.scores} for item in (reference, report))
    for owner, lone in ((first, ours - theirs), (name, theirs - ours)):
        if lone:
            shown = ", ".join(sorted(lone)[:SHOWN])
            more = f" and {len(lone) - SHOWN} more" if len(lone) > SHOWN else ""
            yield f"{len(lone)} maps were scored only in {owner}: {shown}{more}"
