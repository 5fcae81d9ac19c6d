"""Reports of parts of the data as one report: the same definitions, every map once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.results.recount import recount
from kldeval.signature_parts import differences, with_fixations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.results.report import Report


def merge(reports: Mapping[str, Report]) -> Report:
    """One report of all maps; `reports` are the parts by the names of their files.

    Its provenance has what all parts agree on, and the names of the parts.

    Raises:
        UsageProblem: the signatures differ, or a map stands in two parts.
    """
    (first, reference), *others = reports.items()
    for name, report in others:
        _check_signatures(first, reference, name, report)
    _check_names(reports)
    every = list(reports.values())
    whole = recount(reference, (score for report in every for score in report.scores))
    failures = sorted((failure for report in every for failure in report.failures), key=lambda failure: failure.name)
    shared = {
        key: value
        for key, value in reference.provenance.items()
        if all(report.provenance.get(key) == value for report in every)
    }
    notes = tuple(_notes(reports))
    if len(every) > 1 and any(report.classes for report in every):
        notes += ("the tables per class of the parts are not merged: their weights are not in the reports",)
    return replace(
        whole,
        failures=tuple(failures),
        provenance={**shared, "merged": list(reports)},
        notes=notes,
        classes=reference.classes if len(every) == 1 else (),
    )


def _check_signatures(first: str, reference: Report, name: str, report: Report) -> None:
    ours, theirs = reference.signatures, report.signatures
    if list(ours) != list(theirs):
        msg = f"{first} has the metrics {', '.join(ours)}, but {name} has {', '.join(theirs)}: they cannot be merged"
        raise UsageProblem(msg)
    for key in ours:
        for part, values in differences(*(with_fixations(text, 0) for text in (ours[key], theirs[key]))).items():
            left, right = (f"{part}:{value or 'nothing'}" for value in values)
            msg = f"{first} and {name} cannot be merged: {key} has {left} in the one, {right} in the other"
            raise UsageProblem(msg)


def _check_names(reports: Mapping[str, Report]) -> None:
    owners: dict[str, list[str]] = {}
    for file, report in reports.items():
        names = [score.name for score in report.scores] + [failure.name for failure in report.failures]
        for name in names:
            owners.setdefault(name, []).append(file)
    twice = {name: files for name, files in owners.items() if len(set(files)) > 1}
    if twice:
        name, files = min(twice.items())
        more = f" ({len(twice)} maps in all)" if len(twice) > 1 else ""
        msg = (
            f"the map {name!r} is in {' and in '.join(dict.fromkeys(files))}{more}: every map must be in one part alone"
        )
        raise UsageProblem(msg)


def _notes(reports: Mapping[str, Report]) -> list[str]:
    """What was noted of all parts once, of some with their names."""
    said = Counter(note for report in reports.values() for note in dict.fromkeys(report.notes))
    return [
        note if times == len(reports) else f"{', '.join(f for f, r in reports.items() if note in r.notes)}: {note}"
        for note, times in said.items()
    ]
