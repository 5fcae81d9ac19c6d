"""A report, a leaderboard or a comparison as JSON: everything, at full precision, one map a line."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from kldeval.results.models import COMPARE_SCHEMA, LEADERBOARD_SCHEMA, ComparisonReport, Leaderboard
from kldeval.results.report import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.outputs.options import Options
    from kldeval.records import Failure, Score
    from kldeval.results.comparison import Comparison, PairOfModels
    from kldeval.results.gates import GateOutcome
    from kldeval.results.report import ClassRow, Column, Report, Summary

_REPORT_LEVELS, _MODELS_LEVELS = 2, 4
"""Levels of a document whose members have lines of their own: down to single maps, or pairs of models."""


def write(made: Report | Leaderboard | ComparisonReport, options: Options) -> str:
    """The document as strict JSON in ASCII, which any parser in any locale reads; see docs/*.schema.json."""
    del options
    if isinstance(made, Leaderboard):
        return _block(leaderboard_document(made), _MODELS_LEVELS) + "\n"
    if isinstance(made, ComparisonReport):
        return _block(comparison_document(made), _MODELS_LEVELS) + "\n"
    return _block(document(made), _REPORT_LEVELS) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The report as plain values; `kldeval.results.read.parse_report` is the inverse."""
    made: dict[str, Any] = {
        "schema": SCHEMA,
        "signature": dict(report.signatures),
        "provenance": {**report.provenance, "short": report.short, "columns": _columns(report.columns)},
        "summary": _summaries(report.summaries),
        "maps": [map_row(score) for score in report.scores],
        "failures": [failure_row(failure) for failure in report.failures],
        "notes": list(report.notes),
        **({"classes": [_class_row(row) for row in report.classes]} if report.classes else {}),
    }
    if report.groups:
        made["groups"] = {name: _summaries(summaries) for name, summaries in report.groups.items()}
    if report.references:
        made["references"] = references_row(report.references)
    return made | _gates(report.gates)


def references_row(references: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """The numbers of each reference by its name."""
    return {name: {key: _number(value) for key, value in values.items()} for name, values in references.items()}


def leaderboard_document(leaderboard: Leaderboard) -> dict[str, Any]:
    """The leaderboard as plain values; `kldeval.results.read.parse_leaderboard` is the inverse."""
    return {
        "schema": LEADERBOARD_SCHEMA,
        "reports": {model: document(report) for model, report in leaderboard.reports.items()},
        "comparison": None if leaderboard.comparison is None else comparison_document(leaderboard.comparison),
        "left_out": _left_out(leaderboard.left_out),
        "notes": list(leaderboard.notes),
    }


def comparison_document(report: ComparisonReport) -> dict[str, Any]:
    """The comparison as plain values; `kldeval.results.read.parse_comparison` is the inverse."""
    made = {
        "schema": COMPARE_SCHEMA,
        "signature": dict(report.signatures),
        "statistics": report.statistics,
        "provenance": {**report.provenance, "columns": _columns(report.columns)},
        "models": list(report.models),
        "metrics": {key: _comparison(comparison) for key, comparison in report.comparisons.items()},
        "maps": list(report.maps),
        "left_out": _left_out(report.left_out),
        "notes": list(report.notes),
    }
    return made | _gates(report.gates)


def map_row(score: Score) -> dict[str, Any]:
    """One scored map; the members after `uncovered_mass`, and `group`, only where there are some."""
    values = {key: _number(value) for key, value in score.values.items()}
    row = {
        "name": score.name,
        **({"group": score.group} if score.group else {}),
        **values,
        "n_uncovered": score.n_uncovered,
        "uncovered_mass": _number(score.uncovered_mass),
    }
    counts = {"n_fixations": score.n_fixations, "gt_fixations": score.gt_fixations}
    row |= {name: count for name, count in counts.items() if count is not None}
    weights = {key: _number(weight) for key, weight in score.weights.items()}
    extra = {
        "weights": weights,
        "statistics": {key: [_number(number) for number in sums] for key, sums in score.statistics.items()},
        "remarks": list(score.remarks),
        "references": references_row(score.references),
    }
    return {**row, **{name: value for name, value in extra.items() if value}}


def _class_row(row: ClassRow) -> dict[str, Any]:
    """One class of labels."""
    return {"class": row.label, "n": row.n, **{key: _number(value) for key, value in row.values.items()}}


def failure_row(failure: Failure) -> dict[str, Any]:
    """One map without a number."""
    row = {"name": failure.name, "stage": failure.stage, "message": failure.message}
    further = {"code": failure.code.removeprefix("unknown"), "metric": failure.metric}
    return row | {key: text for key, text in further.items() if text}


def pair_row(pair: PairOfModels) -> dict[str, Any]:
    """What the comparison says of two models, first minus second."""
    result = pair.result
    return {
        "first": pair.first,
        "second": pair.second,
        "mean_difference": _number(result.mean_difference),
        "interval": _interval(result.interval),
        "p": result.p_value,
        "p_holm": pair.adjusted_p,
        "wilcoxon_p": result.wilcoxon_p,
        "cohens_dz": _number(result.cohens_dz),
        "rank_biserial": result.rank_biserial,
        "detectable": _number(result.detectable),
        "significant": pair.significant,
        "winner": pair.winner,
    }


def line(row: dict[str, Any]) -> str:
    """One row on one line."""
    return _text(row)


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "unit": comparison.unit,
        "n": comparison.n,
        "confidence": comparison.confidence,
        "resamples": comparison.resamples,
        "seed": comparison.seed,
        "means": {model: _number(mean) for model, mean in comparison.means.items()},
        "intervals": {model: _interval(interval) for model, interval in comparison.intervals.items()},
        "pairs": [pair_row(pair) for pair in comparison.pairs],
    }


def _interval(interval: tuple[float, float] | None) -> list[float | str | None] | None:
    return None if interval is None else [_number(end) for end in interval]


def _columns(columns: Mapping[str, Column]) -> dict[str, Any]:
    return {key: {"unit": column.unit, "best": column.best} for key, column in columns.items()}


def _left_out(left_out: Mapping[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    return [{"name": name, "missing": list(models)} for name, models in left_out.items()]


def _gates(gates: tuple[GateOutcome, ...]) -> dict[str, Any]:
    rows = [
        {"text": gate.text, "value": _number(gate.value), "fired": gate.fired}
        | ({} if gate.p_value is None else {"p": gate.p_value})
        for gate in gates
    ]
    return {"gates": rows} if rows else {}


def _summaries(summaries: Mapping[str, Summary]) -> dict[str, Any]:
    return {key: _summary(summary) for key, summary in summaries.items()}


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


def _block(value: Any, levels: int, indent: str = "") -> str:
    """A list or an object with a line for each member, so many levels deep; anything else on one line."""
    if not levels or not value or not isinstance(value, dict | list):
        return _text(value)
    inside = indent + "  "
    if isinstance(value, dict):
        lines = [f"{inside}{_text(key)}: {_block(item, levels - 1, inside)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inside + _block(item, levels - 1, inside) for item in value) + f"\n{indent}]"
