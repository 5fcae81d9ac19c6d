"""Saved audits read back: what their pages are made of, validated by the published schema.

The pixels of maps and what was only needed to find causes are not in the file; causes themselves are, as sentences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.errors import UsageProblem
from kldeval.grammar import signature_parts, split_call, split_top_level
from kldeval.metrics.registry import METRICS
from kldeval.records import Failure
from kldeval.reports.audit_documents import (
    AUDIT_SCHEMA,
    Audit,
    AuditedMap,
    Cause,
    ConventionFacts,
    Curve,
    Flip,
    FlipSide,
    RoundingBounds,
    Standing,
)
from kldeval.reports.documents import Column
from kldeval.reports.identification_reader import parse_identification
from kldeval.reports.json_reader import decode, parse_document, refuse, validated
from kldeval.reports.rows_reader import parse_rows

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from kldeval.reports.documents import ComparisonReport, Leaderboard, Report
    from kldeval.reports.identification import Identification
    from kldeval.reports.rows import RowsReport

    Json = dict[str, Any]


def load_any(
    path: str | os.PathLike[str],
) -> Report | Leaderboard | ComparisonReport | Audit | Identification | RowsReport:
    """What a JSON file of kldeval holds: a report, a leaderboard, a comparison, an audit, an identification or rows.

    Raises:
        UsageProblem: as `load_document`.
    """
    value, file = decode(path), str(path)
    schema = value.get("schema") if isinstance(value, dict) else None
    if isinstance(schema, str) and schema.startswith("kldeval.audit/"):
        return parse_audit(value, file)
    if isinstance(schema, str) and schema.startswith("kldeval.identify/"):
        return parse_identification(value, file)
    if isinstance(schema, str) and schema.startswith("kldeval.rows/"):
        return parse_rows(value, file)
    return parse_document(value, file)


def parse_audit(document: object, file: str = "audit") -> Audit:
    """The audit that a decoded JSON value holds; written again, it is the same document.

    Raises:
        UsageProblem: it does not have the form that the published schema describes, or its parts do not agree.
    """
    item = validated(document, AUDIT_SCHEMA, file)
    _check(item, file)
    metric = item.get("metric", "kld")
    return Audit(
        models=tuple(item["models"]),
        reference=item["reference"],
        conventions={name: _facts(row) for name, row in item["conventions"].items()},
        maps={model: tuple(_map(row) for row in rows) for model, rows in item["maps"].items()},
        failures={model: tuple(Failure(**row) for row in rows) for model, rows in item["failures"].items()},
        standings={
            name: {model: _standing(one) for model, one in row["models"].items()}
            for name, row in item["conventions"].items()
        },
        groups=tuple(map(tuple, item["groups"])),
        causes={
            model: tuple(Cause(one["name"], one["text"], 0.0, by_definition=one["by_definition"]) for one in rows)
            for model, rows in item["causes"].items()
        },
        flips=tuple(map(_flip, item["flips"])),
        agreement=item["kendall_tau"],
        provenance=item["provenance"],
        curve=_curve(item["eps_curve"]) if item["eps_curve"] else None,
        notes=tuple(item["notes"]),
        **item["intervals"],
        metric=metric,
        column=_column(metric),
        rounding=item["bounds"]["rounding"] if "bounds" in item else "",
        bounds={
            name: {model: _rounding(one) for model, one in row.items()}
            for name, row in item.get("bounds", {}).get("conventions", {}).items()
        },
    )


def _check(item: Json, file: str) -> None:
    """Refuse an audit whose parts do not name the same models and conventions."""
    models, names = set(item["models"]), set(item["conventions"])
    for part in ("maps", "failures"):
        if set(item[part]) != models:
            refuse(file, [part], "does not have the models of the audit")
    for name, row in item["conventions"].items():
        if set(row["models"]) != models:
            refuse(file, ["conventions", name, "models"], "are not the models of the audit")
    if item["reference"] not in names:
        refuse(file, ["reference"], f"is {item['reference']!r}, which is none of the conventions")
    if sorted(name for group in item["groups"] for name in group) != sorted(names):
        refuse(file, ["groups"], "do not hold every convention once")
    _check_flips(item, file, models, names)


def _check_flips(item: Json, file: str, models: set[str], names: set[str]) -> None:
    if not set(item["kendall_tau"]) <= names:
        refuse(file, ["kendall_tau"], "is of other conventions")
    if not set(item["causes"]) <= models:
        refuse(file, ["causes"], "is of other models")
    for place, flip in enumerate(item["flips"]):
        sides = [side["convention"] for key in ("first_better", "second_better") for side in flip[key]]
        if not {flip["first"], flip["second"]} <= models or not set(sides) <= names:
            refuse(file, ["flips", place], "is of other models or conventions")
    bounds = item.get("bounds", {}).get("conventions")
    if bounds is not None and (set(bounds) != names or any(set(row) != models for row in bounds.values())):
        refuse(file, ["bounds"], "does not have the conventions and models of the audit")
    curve = item["eps_curve"]
    if curve and (set(curve["models"]) != models or _lengths(curve) != {len(curve["eps"])}):
        refuse(file, ["eps_curve"], "does not have a number for each model and epsilon")


def _lengths(curve: Json) -> set[int]:
    return {len(one[key]) for one in curve["models"].values() for key in ("kld", "slope")}


def _column(metric: str) -> Column:
    info = METRICS[metric].info
    return Column(info.unit, info.best)


def _facts(row: Json) -> ConventionFacts:
    """A convention as its signature describes it."""
    try:
        parts = signature_parts(row["signature"])
    except (UsageProblem, ValueError, KeyError):
        parts = {}
    given = split_call(parts.get("metric", "kld"))[1]
    return ConventionFacts(
        signature=row["signature"],
        short=row["short"],
        formula=row["formula"],
        pred=_steps(parts.get("pred", "")),
        gt=_steps(parts.get("gt", "")),
        lines="map",
        direction=given.get("direction", "gt-pred"),
        epsilon=0.0,
        added=0.0,
        factor=float(given.get("factor", 1)),
        reduction=parts.get("reduce", "slices"),
    )


def _steps(chain: str) -> tuple[str, ...]:
    return tuple(split_call(step)[0] for step in split_top_level(chain, "+")) if chain else ()


def _number(value: float | str | None) -> Any:
    return None if value is None else float(value)


def _standing(item: Json) -> Standing:
    return Standing(
        item["n"], item["n_nonfinite"], item["n_refused"], _number(item["mean"]), _number(item["ratio"]), item["rank"]
    )


def _rounding(item: Json) -> RoundingBounds:
    dither = item["dither"]
    return RoundingBounds(
        item["kind"],
        _number(item["low"]),
        _number(item["high"]),
        _number(item["outer"]),
        None if dither is None else (float(dither[0]), float(dither[1])),
        item.get("reason", ""),
    )


def _map(row: Json) -> AuditedMap:
    values: Mapping[str, float | str] = row["kld"] if "kld" in row else row["values"]
    return AuditedMap(
        name=row["name"],
        n_pixels=0,
        unit_range=False,
        values={name: float(value) for name, value in values.items()},
        refusals=row["refused"],
        n_uncovered=row["n_uncovered"],
        uncovered_mass=row["uncovered_mass"],
    )


def _flip(item: Json) -> Flip:
    first, second = (tuple(map(_side, item[key])) for key in ("first_better", "second_better"))
    return Flip(item["first"], item["second"], first, second)


def _side(item: Json) -> FlipSide:
    interval = item["interval"]
    return FlipSide(
        item["convention"],
        float(item["difference"]),
        None if interval is None else (float(interval[0]), float(interval[1])),
        item.get("p"),
        significant=item.get("significant", False),
    )


def _curve(item: Json) -> Curve:
    models = item["models"]
    return Curve(
        tuple(item["eps"]),
        {model: tuple(map(float, one["kld"])) for model, one in models.items()},
        {model: tuple(map(float, one["slope"])) for model, one in models.items()},
        {model: one["uncovered_mass"] for model, one in models.items()},
        item["n"],
    )
