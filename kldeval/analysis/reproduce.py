"""Computes a saved report, a leaderboard or a published number again, and says what differs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.analysis.published_rows import read_row
from kldeval.dataclass import NamedTuple
from kldeval.engine.run import run
from kldeval.engine.saved_inputs import request_of
from kldeval.errors import UsageProblem, printable
from kldeval.grammar import format_value
from kldeval.provenance import versions
from kldeval.reports.documents import Leaderboard, Report
from kldeval.reports.json_reader import load_document
from kldeval.reports.leaderboard import on_common_maps
from kldeval.reports.reproduction import Difference, Reproduction
from kldeval.settings.signature import combined, format_signature
from kldeval.urls import MASK, displayed, is_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.memory import MapFolder
    from kldeval.run_options import Progress, RunOptions
    from kldeval.settings.settings import Settings


VERSIONS = ("kldeval", "python", "numpy", "opencv", "scipy", "torch")
"""What may move last bits, or how files are decoded."""


ROUNDING = 1e-12
"""How far numbers are apart, at most, that two processors sum in other orders."""

ROUNDED = (
    f"no number is further from the saved one than another processor or version rounds: a tolerance of {ROUNDING:g} "
    "takes such numbers as equal"
)


class _Compared(NamedTuple):
    """A report of today: what differs from the saved one, how many numbers both have, and how far these are apart.

    `is_rounding`: no number and no headline is further from the saved one than processors round.
    """

    report: Report
    differences: Sequence[Difference]
    n_numbers: int
    largest: float
    is_rounding: bool


def reproduce(
    file: Path,
    paths: Sequence[MapFolder | None],
    said: Mapping[str, Any],
    progress: Progress | None = None,
    tolerance: float = 0.0,
) -> Reproduction:
    """The numbers of a saved report (JSON) or of a published row (TOML), computed again.

    `paths` are the predictions (of a leaderboard one for each model) and the ground truth; of a report none are those
    that it names. `said` are options of the run that stand for those of the report. `tolerance` is how far a number may
    be from that of a report, as a share of it, or of 1 where it is less.

    Raises:
        UsageProblem: the file is neither, or does not say which files it is of; a tolerance that is no such share, or
            of a published row, which has its own.
        MapProblem: a file that a settings needs cannot be read.
    """
    if not 0 <= tolerance < 1:
        msg = f"a tolerance of {tolerance:g} is no share of a number: 1e-12 is what two processors differ by"
        raise UsageProblem(msg)
    if file.suffix.lower() == ".toml":
        if tolerance:
            msg = f"{printable(file)} is a published row, which says its own tolerance (the line `tolerance = ...`)"
            raise UsageProblem(msg)
        return _of_row(file, paths, said, progress)
    document = load_document(file)
    if isinstance(document, Report):
        reports: Mapping[str, Report] = {"": document}
    elif isinstance(document, Leaderboard):
        reports = document.reports
    else:
        msg = f"{printable(file)} is a comparison, whose numbers are those of reports; reproduce these"
        raise UsageProblem(msg)
    preds, gt = _sides(file, paths, reports)
    again = {
        model: run(pred, gt, combined(report.signatures.values()), _request(report, said), progress)
        for (model, report), pred in zip(reports.items(), preds, strict=True)
    }
    # the reports of a leaderboard are on the maps that every model has
    return _compared(file, reports, on_common_maps(again)[0] if isinstance(document, Leaderboard) else again, tolerance)


def _compared(file: Path, reports: Mapping[str, Report], again: Mapping[str, Report], tolerance: float) -> Reproduction:
    """What the reports of today, on the same maps of each model, have in common with the saved ones."""
    parts = [_of_report(model, report, again[model], tolerance) for model, report in reports.items()]
    first, now = next(iter(reports.values())), parts[0].report
    differences = tuple(dict.fromkeys(one for part in parts for one in part.differences))
    n_numbers = sum(part.n_numbers for part in parts)
    found = Reproduction(
        file=str(file),
        source="",
        signatures=tuple(first.signatures.values()),
        n_maps=sum(len(report.scores) for report in reports.values()),
        n_numbers=n_numbers,
        n_same=n_numbers - sum(one.kind == "number" for one in differences),
        largest=max((part.largest for part in parts), default=0.0),
        differences=differences,
        provenance={key: value for key, value in now.provenance.items() if key != "inputs"},
        tolerance=tolerance,
    )
    is_moved = any(one.kind in ("map", "failure") for one in differences)
    is_rounding = n_numbers > 0 and not is_moved and all(part.is_rounding for part in parts)
    return found if found.agrees or not is_rounding else replace(found, notes=(ROUNDED,))


def _sides(
    file: Path, paths: Sequence[MapFolder | None], reports: Mapping[str, Report]
) -> tuple[list[MapFolder | None], MapFolder | None]:
    """The predictions of each model and the ground truth: those given, or those that the reports name."""
    if paths:
        if len(paths) != len(reports) + 1:
            msg = f"{printable(file)} is of {len(reports)} models: give a path for each, and the ground truth last"
            raise UsageProblem(msg)
        return list(paths[:-1]), paths[-1]
    named = [report.provenance for report in reports.values()]
    if "manifest" in named[0]:
        return [None] * len(named), None
    if not all(isinstance(one.get("pred"), str) and isinstance(one.get("gt"), str) for one in named):
        msg = f"{printable(file)} does not name its files; give them, as kldeval reproduce {printable(file)} PRED GT"
        raise UsageProblem(msg)
    found = [Path(str(one["pred"])) for one in named], Path(str(named[0]["gt"]))
    for path in (*found[0], found[1]):
        if not (path.exists() or (is_url(path) and MASK not in str(path))):
            msg = f"{printable(path)}, which {printable(file)} names, does not exist here; give the files: PRED GT"
            raise UsageProblem(msg)
    return list(found[0]), found[1]


def _request(report: Report, said: Mapping[str, Any]) -> RunOptions:
    """The options of the run that gave a report, as far as it has saved them, with those that are said."""
    inputs = report.provenance.get("inputs")
    saved: dict[str, Any] = dict(inputs["request"]) if isinstance(inputs, dict) else {}
    for name in ("manifest", "group_by", "shard"):
        if isinstance(report.provenance.get(name), str):
            saved.setdefault(name, report.provenance[name])
    return request_of(saved)._replace(**{**said, "digests": isinstance(inputs, dict)})


def _of_report(
    model: str,
    report: Report,
    now: Report,
    tolerance: float,
) -> _Compared:
    """A report and its numbers of today."""
    prefix = f"{model}: " if model else ""
    found = [*_of_versions(report.provenance, now.provenance), *_of_files(report, now, prefix)]
    found += _of_maps(report, now, prefix)
    numbers = list(_numbers(report, now))
    for name, key, before, after in numbers:
        if _apart(before, after) > tolerance:
            found.append(Difference("number", f"{prefix}{name} {key}", format_value(before), format_value(after)))
    if len(now.scores) == len(report.scores):
        found += _of_headlines(report, now, prefix, tolerance)
    return _Compared(
        now,
        found,
        len(numbers),
        max((_relative(before, after) for _, _, before, after in numbers), default=0.0),
        all(_apart(before, after) <= ROUNDING for _, _, before, after in numbers)
        and not any(_of_headlines(report, now, prefix, ROUNDING)),
    )


def _numbers(report: Report, now: Report) -> Iterator[tuple[str, str, float, float]]:
    """Every number that both reports have: the map, the metric, as it was and as it is."""
    scored = {score.name: score for score in now.scores}
    for score in report.scores:
        again = scored.get(score.name)
        if again is None:
            continue
        for key, value in score.values.items():
            if key in again.values:
                yield score.name, key, value, again.values[key]
        for reference, row in score.references.items():
            for key, value in row.items():
                if key in again.references.get(reference, {}):
                    yield f"{score.name} {reference}", key, value, again.references[reference][key]


def _of_maps(report: Report, now: Report, prefix: str) -> Iterator[Difference]:
    """Maps and metrics of which only one of both has a number, and failures that are others."""
    before, after = ({(score.name, key) for score in one.scores for key in score.values} for one in (report, now))
    for name, key in sorted(before ^ after):
        is_lost = (name, key) in before
        yield Difference("map", f"{prefix}{name} {key}", "a number" if is_lost else "", "" if is_lost else "a number")
    old, new = ({(one.name, one.metric or "") for one in side.failures} for side in (report, now))
    for name, _ in sorted(old ^ new):
        is_gone = name in {failed for failed, _ in old}
        yield Difference("failure", f"{prefix}{name}", "failed" if is_gone else "", "" if is_gone else "failed")


def _of_headlines(report: Report, now: Report, prefix: str, tolerance: float) -> Iterator[Difference]:
    for key, summary in report.summaries.items():
        again = now.summaries.get(key)
        mean, other = summary.mean, again.mean if again else None
        same = mean == other or (mean is not None and other is not None and _apart(mean, other) <= tolerance)
        if not same and not prefix:  # of a leaderboard the means are over the maps that all models have
            yield Difference("headline", key, _shown(mean), _shown(other))


def _shown(value: float | None) -> str:
    return "" if value is None else format_value(value)


def _of_versions(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[Difference]:
    for name in VERSIONS:
        old, new = (str(side.get(name, "")) for side in (before, after))
        if old != new and old:
            yield Difference("version", name, old, new)
    if before.get("arithmetic") not in (None, after.get("arithmetic")):
        yield Difference("arithmetic", "arithmetic", str(before["arithmetic"]), str(after.get("arithmetic", "")))


def _of_files(report: Report, now: Report, prefix: str) -> Iterator[Difference]:
    """The files whose bytes are not those of the report, where it has digests."""
    sides = [one.provenance.get("inputs") for one in (report, now)]
    if not all(isinstance(side, dict) for side in sides):
        return
    before, after = (dict(side["digests"]) for side in sides)  # type: ignore[index] # they are mappings
    for role in sorted({*before, *after}):
        old, new = before.get(role, {}), after.get(role, {})
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                shown = (str(side.get(name, ""))[:12] for side in (old, new))
                yield Difference("file", f"{prefix}{role} {name}", *shown)


def _relative(before: float, after: float, least: float = 0.0) -> float:
    """How far two numbers are apart, as a share of the larger, or of `least`."""
    if before == after or (math.isnan(before) and math.isnan(after)):
        return 0.0
    if not (math.isfinite(before) and math.isfinite(after)):
        return math.inf
    return abs(after - before) / max(abs(before), abs(after), least)


def _apart(before: float, after: float) -> float:
    """How far two numbers are apart beside what they are the sums of: numbers near 0 are what summands left."""
    return _relative(before, after, 1.0)


def _of_row(
    file: Path, paths: Sequence[MapFolder | None], said: Mapping[str, Any], progress: Progress | None
) -> Reproduction:
    """Every number of a published row, computed on the files that were given."""
    row = read_row(file)
    if len(paths) != len(("pred", "gt")):
        msg = f"{printable(file)} needs its files, kldeval reproduce {printable(file)} PRED GT: {row.data}"
        raise UsageProblem(msg)
    differences, largest, n_maps = [], 0.0, 0
    for number in row.numbers:
        report = run(paths[0], paths[1], number.settings, request_of({**number.files, **said}), progress)
        (mean,) = (summary.mean for summary in report.summaries.values())
        n_maps = max(n_maps, len(report.scores))
        differences += [Difference("failure", failure.name, "", failure.message) for failure in report.failures]
        if mean is None or not abs(mean - number.value) <= number.tolerance * (1 + 1e-9):
            differences.append(Difference("headline", _name(number.settings), number.text, _shown(mean)))
        if mean is not None:
            largest = max(largest, _relative(number.value, mean))
    missed = sum(one.kind == "headline" for one in differences)
    return Reproduction(
        file=str(file),
        source=f"{row.title}: {row.source}",
        signatures=tuple(format_signature(number.settings) for number in row.numbers),
        n_maps=n_maps,
        n_numbers=len(row.numbers),
        n_same=len(row.numbers) - missed,
        largest=largest,
        differences=tuple(dict.fromkeys(differences)),
        provenance={**versions(), "pred": displayed(paths[0]), "gt": displayed(paths[1])},
        tolerance=max(number.tolerance for number in row.numbers),
        notes=(row.note,) if row.note else (),
    )


def _name(settings: Settings) -> str:
    return ", ".join(settings.keys)
