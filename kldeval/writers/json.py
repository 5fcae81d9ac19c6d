"""Documents as JSON: everything, at full precision, one map a line; the maps as JSON Lines; the means alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kldeval.errors import UsageProblem
from kldeval.reports.audit_documents import AUDIT_SCHEMA, Audit, RoundingBounds
from kldeval.reports.documents import COMPARE_SCHEMA, LEADERBOARD_SCHEMA, SCHEMA, ComparisonReport, Leaderboard
from kldeval.reports.json_numbers import json_interval, json_number
from kldeval.reports.reliability import reliability_of
from kldeval.sequences import Streamed, each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kldeval.records import Failure, Score
    from kldeval.reports.audit_documents import AuditedMap, ConventionFacts, Curve, Flip, FlipSide, Standing
    from kldeval.reports.documents import (
        ClassRow,
        Column,
        Comparison,
        GateOutcome,
        PairOfModels,
        Report,
        ShareOfWay,
        Summary,
        Ways,
    )
    from kldeval.reports.reliability import ReliabilityDiagram
    from kldeval.writers.page import Options

    Document = Report | Leaderboard | ComparisonReport
    JsonObject = dict[str, object]
    Rows = Callable[[Callable[[Any], JsonObject], Sequence[Any]], Sequence[JsonObject]]
    """The members of an object of a document: numbers, texts, lists and objects, as its published schema says."""


_REPORT_LEVELS, _MODELS_LEVELS = 2, 4
"""Levels of a document whose members have lines of their own: down to single maps, or pairs of models."""


def write(made: Document | Audit, options: Options) -> str:
    """The document as strict JSON in ASCII, which any parser in any locale reads; see docs/*.schema.json."""
    del options
    return "".join(pieces(made))


def pieces(made: Document | Audit) -> Iterator[str]:
    """The document as strict JSON, piece by piece: a map at a time."""
    if isinstance(made, Leaderboard):
        yield from _block(_leaderboard(made, each), _MODELS_LEVELS)
    elif isinstance(made, ComparisonReport):
        yield from _block(comparison_document(made), _MODELS_LEVELS)
    elif isinstance(made, Audit):
        yield from _block(audit_document(made), _REPORT_LEVELS)
    else:
        yield from _block(_report(made, each), _REPORT_LEVELS)
    yield "\n"


def write_lines(made: Document, options: Options) -> str:
    """The maps as JSON Lines: the rows of the JSON report's `maps`, then those of its `failures`.

    The rows of a leaderboard begin with `model`, and those of a comparison, its pairs of models, with `metric`. A row
    with `stage` and `message` is a map that could not be scored.
    """
    del options
    return "".join(lines(made))


def lines(made: Document) -> Iterator[str]:
    """The lines of JSON Lines, one by one."""
    return (_text(row) + "\n" for row in _rows(made))


def write_scores(made: Document, options: Options) -> str:
    """The means alone, as the `scores.json` that Codabench reads: one flat object, a number for each metric.

    A run that is not whole has no mean that a leaderboard may show: with a failure, or without any map, the metrics are
    absent and only the counts are there. Of a leaderboard there is such an object for each model.

    Raises:
        UsageProblem: a comparison, which has no scores.
    """
    del options
    if isinstance(made, ComparisonReport):
        msg = "a comparison has no scores of its own: --format scores is for reports and leaderboards"
        raise UsageProblem(msg)
    if isinstance(made, Leaderboard):
        return _text({model: _scores(report) for model, report in made.reports.items()}) + "\n"
    return _text(_scores(made)) + "\n"


def _scores(report: Report) -> JsonObject:
    counts: JsonObject = {"maps": len(report.scores), "failures": len(report.failures)}
    if report.failures or not report.scores:
        return counts
    return {**{key: _number(summary.mean) for key, summary in report.summaries.items()}, **counts}


def _rows(made: Document) -> Iterator[JsonObject]:
    if isinstance(made, ComparisonReport):
        for key, comparison in made.comparisons.items():
            yield from ({"metric": key, **pair_row(pair)} for pair in comparison.pairs)
    elif isinstance(made, Leaderboard):
        for model, report in made.reports.items():
            yield from ({"model": model, **row} for row in _map_rows(report))
    else:
        yield from _map_rows(made)


def _map_rows(report: Report) -> Iterator[JsonObject]:
    yield from map(map_row, report.scores)
    yield from map(failure_row, report.failures)


def document(report: Report) -> JsonObject:
    """The report as plain values; `kldeval.reports.json_reader.parse_report` is the inverse."""
    return _report(report, _listed)


def _listed(make: Callable[[Any], JsonObject], members: Sequence[Any]) -> Sequence[JsonObject]:
    """What `make` makes of every member; see `kldeval.sequences.each`, which makes it of many when it is asked for."""
    return [*map(make, members)]


def _report(report: Report, rows: Rows) -> JsonObject:
    """The report, with its maps and failures as `rows` makes these."""
    made: JsonObject = {
        "schema": SCHEMA,
        "signature": dict(report.signatures),
        "provenance": {**report.provenance, "short": report.short, "columns": _columns(report.columns)},
        **({"statistics": report.statistics} if report.statistics else {}),
        "summary": _summaries(report.summaries, with_interval=bool(report.statistics)),
        "maps": rows(map_row, report.scores),
        "failures": rows(failure_row, report.failures),
        "notes": list(report.notes),
        **({"classes": [_class_row(row) for row in report.classes]} if report.classes else {}),
    }
    if report.groups:
        made["groups"] = {name: _summaries(summaries) for name, summaries in report.groups.items()}
    if report.references:
        made["references"] = references_row(report.references)
    if report.ways is not None:
        made["ways"] = _ways(report.ways)
    diagrams = reliability_of(report) if any(score.statistics for score in report.scores) else {}
    if diagrams:
        made["reliability"] = {key: [_diagram(one) for one in found] for key, found in diagrams.items()}
    return made | _gates(report.gates)


def _ways(ways: Ways) -> JsonObject:
    """The shares of the way from chance to the gold standard, by metric and by what is chance."""
    shares = {key: {chance: share_row(share) for chance, share in row.items()} for key, row in ways.shares.items()}
    return {"statistics": ways.statistics, "shares": shares}


def share_row(share: ShareOfWay) -> JsonObject:
    """A share of the way, its interval, and why one of them is not there."""
    return {
        "share": share.value,
        "share_interval": json_interval(share.interval),
        **({"reason": share.reason} if share.reason else {}),
    }


def _diagram(diagram: ReliabilityDiagram) -> JsonObject:
    """A reliability diagram, for whoever draws it."""
    return {
        "event": diagram.event,
        "error": _number(diagram.error),
        "bins": [
            {
                **({} if one.low is None else {"low": one.low, "high": one.high}),
                "n": one.n,
                "probability": one.probability,
                "share": one.share,
                "band": list(one.band),
            }
            for one in diagram.bins
        ],
    }


def references_row(references: Mapping[str, Mapping[str, float]]) -> dict[str, JsonObject]:
    """The numbers of each reference by its name."""
    return {name: {key: _number(value) for key, value in values.items()} for name, values in references.items()}


def leaderboard_document(leaderboard: Leaderboard) -> JsonObject:
    """The leaderboard as plain values; `kldeval.reports.json_reader.parse_leaderboard` is the inverse."""
    return _leaderboard(leaderboard, _listed)


def _leaderboard(leaderboard: Leaderboard, rows: Rows) -> JsonObject:
    return {
        "schema": LEADERBOARD_SCHEMA,
        "reports": {model: _report(report, rows) for model, report in leaderboard.reports.items()},
        "comparison": None if leaderboard.comparison is None else comparison_document(leaderboard.comparison),
        "left_out": _left_out(leaderboard.left_out),
        "notes": list(leaderboard.notes),
    }


def comparison_document(report: ComparisonReport) -> JsonObject:
    """The comparison as plain values; `kldeval.reports.json_reader.parse_comparison` is the inverse."""
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


def map_row(score: Score) -> JsonObject:
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
        "statistics": _statistics(score.statistics),
        "remarks": list(score.remarks),
        "references": references_row(score.references),
    }
    return {**row, **{name: value for name, value in extra.items() if value}}


def _statistics(statistics: Mapping[str, tuple[float, ...]]) -> JsonObject:
    """The sums of each metric; those that a metric before it has, too, by that one's key."""
    owners: dict[tuple[float, ...], str] = {}
    return {
        key: [_number(number) for number in sums] if owners.setdefault(sums, key) == key else owners[sums]
        for key, sums in statistics.items()
    }


def _class_row(row: ClassRow) -> JsonObject:
    """One class of labels, with the sums that its numbers are made of."""
    sums = {
        key: {"total": list(map(_number, totals)), "weight": list(map(_number, weights))}
        for key, (totals, weights) in row.sums.items()
    }
    numbers = {key: _number(value) for key, value in row.values.items()}
    return {"class": row.label, "n": row.n, **numbers, **({"sums": sums} if sums else {})}


def failure_row(failure: Failure) -> JsonObject:
    """One map without a number."""
    row: JsonObject = {"name": failure.name, "stage": failure.stage, "message": failure.message}
    further = {"code": failure.code.removeprefix("unknown"), "metric": failure.metric}
    return row | {key: text for key, text in further.items() if text}


def pair_row(pair: PairOfModels) -> JsonObject:
    """What the comparison says of two models, first minus second."""
    result = pair.result
    return {
        "first": pair.first,
        "second": pair.second,
        "mean_difference": _number(result.mean_difference),
        "interval": json_interval(result.interval),
        "p": result.p_value,
        "p_holm": pair.adjusted_p,
        "wilcoxon_p": result.wilcoxon_p,
        "cohens_dz": _number(result.cohens_dz),
        "rank_biserial": result.rank_biserial,
        "detectable": _number(result.detectable),
        "significant": pair.significant,
        "winner": pair.winner,
    }


def _comparison(comparison: Comparison) -> JsonObject:
    return {
        "unit": comparison.unit,
        "n": comparison.n,
        "confidence": comparison.confidence,
        "resamples": comparison.resamples,
        "seed": comparison.seed,
        "means": {model: _number(mean) for model, mean in comparison.means.items()},
        "intervals": {model: json_interval(interval) for model, interval in comparison.intervals.items()},
        "pairs": [pair_row(pair) for pair in comparison.pairs],
    }


def _columns(columns: Mapping[str, Column]) -> JsonObject:
    return {key: {"unit": column.unit, "best": column.best} for key, column in columns.items()}


def _left_out(left_out: Mapping[str, tuple[str, ...]]) -> list[JsonObject]:
    return [{"name": name, "missing": list(models)} for name, models in left_out.items()]


def _gates(gates: tuple[GateOutcome, ...]) -> JsonObject:
    rows = [
        {"text": gate.text, "value": _number(gate.value), "fired": gate.fired}
        | ({} if gate.p_value is None else {"p": gate.p_value})
        for gate in gates
    ]
    return {"gates": rows} if rows else {}


def _summaries(summaries: Mapping[str, Summary], *, with_interval: bool = False) -> JsonObject:
    return {
        key: _summary(summary) | ({"interval": json_interval(summary.interval)} if with_interval else {})
        for key, summary in summaries.items()
    }


def _summary(summary: Summary) -> JsonObject:
    names = ("mean", "std", "median", "min", "max")
    numbers = {name: _number(getattr(summary, name)) for name in names}
    return {**numbers, "n": summary.n, "n_nonfinite": summary.n_nonfinite}


def _number(value: float | None) -> float | str | None:
    """The number as JSON has it, if there is one."""
    return None if value is None else json_number(value)


def as_json(document: Mapping[str, object]) -> str:
    """A document with a member a line, in which names are as they are."""
    members = (f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in document.items())
    return "{\n" + ",\n".join(members) + "\n}\n"


def _text(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def _block(value: object, levels: int, indent: str = "") -> Iterator[str]:
    """A list or an object with a line for each member, so many levels deep, piece by piece; else one line."""
    if not levels or not value or isinstance(value, str) or not isinstance(value, Mapping | Sequence):
        yield _text([] if isinstance(value, Streamed) else value)
        return
    inside = indent + "  "
    is_object = isinstance(value, Mapping)
    members = value.items() if isinstance(value, Mapping) else ((None, item) for item in value)
    before = "{" if is_object else "["
    for key, item in members:
        yield f"{before}\n{inside}" + (f"{_text(key)}: " if is_object else "")
        yield from _block(item, levels - 1, inside)
        before = ","
    yield f"\n{indent}" + ("}" if is_object else "]")


# audits


def audit_document(audit: Audit) -> JsonObject:
    """The audit as plain values."""
    return {
        "schema": AUDIT_SCHEMA,
        "provenance": dict(audit.provenance),
        "models": list(audit.models),
        **({} if audit.metric == "kld" else {"metric": audit.metric}),
        **({"bounds": _bounds(audit)} if audit.rounding else {}),
        "reference": audit.reference,
        "conventions": {name: _convention(audit, name, traits) for name, traits in audit.conventions.items()},
        "groups": [list(group) for group in audit.groups],
        "causes": {
            model: [{"name": cause.name, "text": cause.text, "by_definition": cause.by_definition} for cause in causes]
            for model, causes in audit.causes.items()
        },
        "flips": [_flip(flip) for flip in audit.flips],
        "intervals": {"confidence": audit.confidence, "resamples": audit.resamples, "seed": audit.seed},
        "kendall_tau": {name: dict(row) for name, row in audit.agreement.items()},
        "eps_curve": _curve(audit.curve) if audit.curve else None,
        "maps": {model: [_map(one, audit.metric) for one in maps] for model, maps in audit.maps.items()},
        "failures": {
            model: [{"name": one.name, "stage": one.stage, "message": one.message} for one in failures]
            for model, failures in audit.failures.items()
        },
        "notes": list(audit.notes),
    }


def _bounds(audit: Audit) -> JsonObject:
    """What rounding leaves open of the means, by convention and model."""
    rows = {name: {model: _rounding(one) for model, one in models.items()} for name, models in audit.bounds.items()}
    return {"rounding": audit.rounding, "conventions": rows}


def _rounding(one: RoundingBounds) -> JsonObject:
    ends = {"low": one.low, "high": one.high, "outer": one.outer}
    return {
        "kind": one.kind,
        **{name: _number(end) for name, end in ends.items()},
        "dither": json_interval(one.dither),
        **({"reason": one.reason} if one.reason else {}),
    }


def _convention(audit: Audit, name: str, traits: ConventionFacts) -> JsonObject:
    return {
        "signature": traits.signature,
        "short": traits.short,
        "formula": traits.formula,
        "models": {model: _standing(standing) for model, standing in audit.standings[name].items()},
    }


def _standing(standing: Standing) -> JsonObject:
    counts = {"n": standing.n, "n_nonfinite": standing.n_nonfinite, "n_refused": standing.n_refused}
    return {"mean": _number(standing.mean), "ratio": _number(standing.ratio), "rank": standing.rank, **counts}


def _flip(flip: Flip) -> JsonObject:
    return {
        "first": flip.first,
        "second": flip.second,
        "decisive": flip.decisive,
        "first_better": [_side(side) for side in flip.first_better],
        "second_better": [_side(side) for side in flip.second_better],
    }


def _side(side: FlipSide) -> JsonObject:
    interval = None if side.interval is None else list(side.interval)
    return {
        "convention": side.convention,
        "difference": _number(side.difference),
        "interval": interval,
        "p": side.p_value,
        "significant": side.significant,
    }


def _curve(curve: Curve) -> JsonObject:
    return {
        "eps": list(curve.epsilons),
        "n": curve.n,
        "models": {
            model: {
                "kld": [_number(value) for value in values],
                "slope": [_number(value) for value in curve.slope[model]],
                "uncovered_mass": curve.uncovered_mass[model],
            }
            for model, values in curve.kld.items()
        },
    }


def _map(one: AuditedMap, metric: str) -> JsonObject:
    return {
        "name": one.name,
        "kld" if metric == "kld" else "values": {name: _number(value) for name, value in one.values.items()},
        "refused": dict(one.refusals),
        "n_uncovered": one.n_uncovered,
        "uncovered_mass": one.uncovered_mass,
    }
