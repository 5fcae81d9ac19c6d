"""A saved JSON report read back; what does not fit is refused, with the place that does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from kldeval.errors import UsageProblem
from kldeval.records import Failure, Score
from kldeval.results.checked import Checked
from kldeval.results.gates import GateOutcome
from kldeval.results.report import SCHEMA, ClassRow, Column, Report, Summary

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

T = TypeVar("T")

MEMBERS = ("schema", "signature", "provenance", "summary", "maps", "failures", "notes")
"""The members of the report that are always there."""

OPTIONAL = ("classes", "groups", "gates", "references")
"""Those that are there where the run had them."""

OF_MAPS = ("group", "n_fixations", "gt_fixations", "weights", "remarks", "references")
"""Those of a map that are there where it has them."""


def load_report(path: str | os.PathLike[str]) -> Report:
    """The report in the JSON file `path`; it equals the one that was written.

    Raises:
        UsageProblem: the file cannot be read, is not strict JSON, holds something else or another version, or a part
            of it has not the form that docs/report.schema.json describes.
    """
    return parse_report(decode(path), str(path))


def decode(path: str | os.PathLike[str]) -> object:
    """The value in a strict JSON file.

    Raises:
        UsageProblem: the file cannot be read, or is not strict JSON.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
        return json.loads(text, parse_constant=_refuse_constant)
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror or error}"
        raise UsageProblem(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not JSON: {error}"
        raise UsageProblem(msg) from error


def parse_report(document: object, file: str = "report") -> Report:
    """The report that a decoded JSON value holds; `file` names it in messages.

    Raises:
        UsageProblem: as `load_report`.
    """
    _check_schema(document, file)
    return report_of(Checked(document, file))


def report_of(report: Checked) -> Report:
    """The report that a value inside a decoded JSON file holds.

    Raises:
        UsageProblem: as `load_report`.
    """
    report.has(MEMBERS, OPTIONAL)
    signatures = {key: item.text() for key, item in report["signature"].members()}
    keys = tuple(signatures) if dict(report["summary"].members()) else ()  # --reduction none leaves no numbers
    provenance = {key: item.value for key, item in report["provenance"].members()}
    return Report(
        signatures=signatures,
        short=report["provenance"]["short"].text(),
        provenance={key: value for key, value in provenance.items() if key not in ("short", "columns")},
        summaries=_by_metric(report["summary"], keys, _summary),
        columns=_by_metric(report["provenance"]["columns"], tuple(signatures), column_of),
        scores=tuple(_score(item, keys) for item in report["maps"].items()),
        failures=tuple(_failure(item) for item in report["failures"].items()),
        notes=report["notes"].texts(),
        classes=tuple(_class_row(item, tuple(signatures)) for item in report.optional("classes")),
        groups=_groups(report["groups"], keys) if report.has_member("groups") else {},
        gates=gates_of(report),
        references=_references(report),
    )


def gates_of(document: Checked) -> tuple[GateOutcome, ...]:
    """The outcomes of the gates of a report or a comparison; none where it has no such member."""
    return tuple(
        GateOutcome(item["text"].text(), item["value"].number_or_none(), item["fired"].truth())
        for item in document.optional("gates")
    )


def column_of(item: Checked) -> Column:
    """What a table says of a metric."""
    item.has(("unit", "best"))
    return Column(unit=item["unit"].text(), best=item["best"].one_of(("low", "high", "")))


def _refuse_constant(name: str) -> NoReturn:
    msg = f'{name} is no number of JSON; "inf", "-inf" and "nan" stand in quotes'
    raise ValueError(msg)


def _check_schema(document: object, file: str) -> None:
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema == SCHEMA:
        return
    if not isinstance(schema, str) or not schema.startswith("kldeval."):
        msg = f'{file} is no report of kldeval: it does not say "schema": "{SCHEMA}"'
    elif schema.startswith("kldeval.report/"):
        msg = f"{file} is a {schema}, of another version of kldeval; this one reads {SCHEMA}"
    else:
        msg = f"{file} is a {schema}; a {SCHEMA} is needed"
    raise UsageProblem(msg)


def _by_metric(item: Checked, keys: Sequence[str], parse: Callable[[Checked], T]) -> dict[str, T]:
    item.has(keys)
    return {key: parse(item[key]) for key in keys}


def _groups(item: Checked, keys: Sequence[str]) -> dict[str, dict[str, Summary]]:
    return {name: _by_metric(summaries, keys, _summary) for name, summaries in item.members()}


def _summary(item: Checked) -> Summary:
    item.has(("mean", "std", "median", "min", "max", "n", "n_nonfinite"))
    return Summary(
        n=item["n"].count(),
        n_nonfinite=item["n_nonfinite"].count(),
        mean=item["mean"].number_or_none(),
        std=item["std"].number_or_none(),
        median=item["median"].number_or_none(),
        min=item["min"].number_or_none(),
        max=item["max"].number_or_none(),
    )


def _score(item: Checked, keys: Sequence[str]) -> Score:
    item.has(("name", *keys, "n_uncovered", "uncovered_mass"), optional=OF_MAPS)
    members = dict(item.members())
    return Score(
        name=members["name"].text(),
        values={key: members[key].number() for key in keys},
        n_uncovered=members["n_uncovered"].count(),
        uncovered_mass=members["uncovered_mass"].number(),
        remarks=tuple(remark.text() for remark in item.optional("remarks")),
        group=members["group"].text() if "group" in members else "",
        n_fixations=members["n_fixations"].count() if "n_fixations" in members else None,
        gt_fixations=members["gt_fixations"].count() if "gt_fixations" in members else None,
        references=_references(item),
        weights={key: weight.number() for key, weight in members["weights"].members()} if "weights" in members else {},
    )


def _references(item: Checked) -> dict[str, dict[str, float]]:
    """The numbers of the references of a report or a map; none where it has no such member."""
    if not item.has_member("references"):
        return {}
    rows = item["references"].members()
    return {name: {key: value.number() for key, value in values.members()} for name, values in rows}


def _class_row(item: Checked, keys: Sequence[str]) -> ClassRow:
    item.has(("class", "n", *keys))
    return ClassRow(item["class"].count(), item["n"].count(), {key: item[key].number() for key in keys})


def _failure(item: Checked) -> Failure:
    item.has(("name", "stage", "message"))
    stage = item["stage"].one_of(("pair", "load", "check", "score"))
    return Failure(name=item["name"].text(), stage=stage, message=item["message"].text())
