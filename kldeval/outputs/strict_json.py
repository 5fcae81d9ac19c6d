"""The report as JSON: everything, at full precision, one map a line."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from kldeval.results.report import SCHEMA

if TYPE_CHECKING:
    from kldeval.outputs.options import Options
    from kldeval.records import Failure, Score
    from kldeval.results.report import ClassRow, Report, Summary


def write(report: Report, options: Options) -> str:
    """The report as strict JSON in ASCII, which any parser in any locale reads; see docs/report.schema.json."""
    del options
    members = (f"  {_text(key)}: {_block(value)}" for key, value in document(report).items())
    return "{\n" + ",\n".join(members) + "\n}\n"


def document(report: Report) -> dict[str, Any]:
    """The report as plain values; `kldeval.results.read.parse_report` is the inverse."""
    columns = {key: {"unit": column.unit, "best": column.best} for key, column in report.columns.items()}
    return {
        "schema": SCHEMA,
        "signature": dict(report.signatures),
        "provenance": {**report.provenance, "short": report.short, "columns": columns},
        "summary": {key: _summary(summary) for key, summary in report.summaries.items()},
        "maps": [map_row(score) for score in report.scores],
        "failures": [failure_row(failure) for failure in report.failures],
        "notes": list(report.notes),
        **({"classes": [_class_row(row) for row in report.classes]} if report.classes else {}),
    }


def map_row(score: Score) -> dict[str, Any]:
    """One scored map; `weights` and `remarks` only where there are some."""
    values = {key: _number(value) for key, value in score.values.items()}
    row = {
        "name": score.name,
        **values,
        "n_uncovered": score.n_uncovered,
        "uncovered_mass": _number(score.uncovered_mass),
    }
    weights = {key: _number(weight) for key, weight in score.weights.items()}
    extra = {"weights": weights, "remarks": list(score.remarks)}
    return {**row, **{name: value for name, value in extra.items() if value}}


def _class_row(row: ClassRow) -> dict[str, Any]:
    """One class of labels."""
    return {"class": row.label, "n": row.n, **{key: _number(value) for key, value in row.values.items()}}


def failure_row(failure: Failure) -> dict[str, Any]:
    """One map without a number."""
    return {"name": failure.name, "stage": failure.stage, "message": failure.message}


def line(row: dict[str, Any]) -> str:
    """One row on one line."""
    return _text(row)


def _summary(summary: Summary) -> dict[str, Any]:
    names = ("mean", "std", "median", "min", "max")
    numbers = {name: _number(getattr(summary, name)) for name in names}
    return {**numbers, "n": summary.n, "n_nonfinite": summary.n_nonfinite}


def _number(value: float | None) -> float | str | None:
    """The number, or its name in quotes where JSON has no number for it."""
    if value is None or math.isfinite(value):
        return value
    return str(float(value))


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _block(value: Any) -> str:
    """A list or an object with a line for each member; anything else on one line."""
    if isinstance(value, dict) and value:
        return "{\n" + ",\n".join(f"    {_text(key)}: {_text(item)}" for key, item in value.items()) + "\n  }"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"    {_text(item)}" for item in value) + "\n  ]"
    return _text(value)
