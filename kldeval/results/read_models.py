"""Saved leaderboards and comparisons read back, and any document of kldeval by what it says it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.results.checked import Checked
from kldeval.results.comparison import Comparison, PairOfModels, letters_of, superscripts_of
from kldeval.results.models import COMPARE_SCHEMA, LEADERBOARD_SCHEMA, ComparisonReport, Leaderboard
from kldeval.results.read import column_of, decode, gates_of, parse_report, report_of
from kldeval.results.statistics import PairedResult

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from kldeval.results.report import Report

_COMPARISON = ("schema", "signature", "statistics", "provenance", "models", "metrics", "maps", "left_out", "notes")
_LEADERBOARD = ("schema", "reports", "comparison", "left_out", "notes")
_METRIC = ("unit", "n", "confidence", "resamples", "seed", "means", "intervals", "pairs")
_PAIR = (
    *("first", "second", "mean_difference", "interval", "p", "p_holm", "wilcoxon_p", "cohens_dz", "rank_biserial"),
    *("detectable", "significant", "winner"),
)


def load_document(path: str | os.PathLike[str]) -> Report | Leaderboard | ComparisonReport:
    """What a JSON file of kldeval holds; it equals what was written.

    Raises:
        UsageProblem: the file cannot be read, is not strict JSON, or holds something else or another version.
    """
    value, file = decode(path), str(path)
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema == LEADERBOARD_SCHEMA:
        return parse_leaderboard(Checked(value, file))
    if schema == COMPARE_SCHEMA:
        return parse_comparison(Checked(value, file))
    for known in (LEADERBOARD_SCHEMA, COMPARE_SCHEMA):
        if str(schema).startswith(known.rstrip("1")):
            msg = f"{file} is a {schema}, of another version of kldeval; this one reads {known}"
            raise UsageProblem(msg)
    return parse_report(value, file)


def saved_signatures(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The signatures in a saved report, or in a leaderboard or comparison of models that agree in them.

    Raises:
        UsageProblem: as `load_document`, or the document has no signature, or its models differ in them.
    """
    document = load_document(path)
    held = document.reports.values() if isinstance(document, Leaderboard) else [document]
    found = {tuple(one.signatures.values()) for one in held}
    if len(found) > 1:
        msg = f"{path}: its models were not scored alike; give the report or the signature of one of them"
        raise UsageProblem(msg)
    texts = found.pop() if found else ()
    if not texts:
        msg = f"{path} holds no signature"
        raise UsageProblem(msg)
    return texts


def parse_leaderboard(item: Checked) -> Leaderboard:
    """The leaderboard that a decoded JSON value holds.

    Raises:
        UsageProblem: a part of it has not the form that docs/leaderboard.schema.json describes.
    """
    item.has(_LEADERBOARD)
    return Leaderboard(
        reports={model: report_of(report) for model, report in item["reports"].members()},
        comparison=None if item["comparison"].value is None else parse_comparison(item["comparison"]),
        left_out=_left_out(item["left_out"]),
        notes=item["notes"].texts(),
    )


def parse_comparison(item: Checked) -> ComparisonReport:
    """The comparison that a decoded JSON value holds.

    Raises:
        UsageProblem: a part of it has not the form that docs/compare.schema.json describes.
    """
    item.has(_COMPARISON, optional=("gates",))
    models, maps, left_out = item["models"].texts(), item["maps"].texts(), _left_out(item["left_out"])
    return ComparisonReport(
        models=models,
        signatures={key: text.text() for key, text in item["signature"].members()},
        statistics=item["statistics"].text(),
        provenance={key: part.value for key, part in item["provenance"].members() if key != "columns"},
        columns={key: column_of(column) for key, column in item["provenance"]["columns"].members()},
        comparisons={key: _comparison(metric, models, maps, left_out) for key, metric in item["metrics"].members()},
        maps=maps,
        left_out=left_out,
        notes=item["notes"].texts(),
        gates=gates_of(item),
    )


def _comparison(
    item: Checked, models: tuple[str, ...], maps: tuple[str, ...], left_out: Mapping[str, tuple[str, ...]]
) -> Comparison:
    item.has(_METRIC)
    item["means"].has(models)
    item["intervals"].has(models)
    n = item["n"].count()
    pairs = tuple(_pair(pair, n) for pair in item["pairs"].items())
    return Comparison(
        unit=item["unit"].one_of(("maps", "groups")),
        n=n,
        confidence=item["confidence"].number(),
        resamples=item["resamples"].count(),
        seed=item["seed"].count(),
        means={model: item["means"][model].number() for model in models},
        intervals={model: _interval(item["intervals"][model]) for model in models},
        letters=letters_of(models),
        superscripts=superscripts_of(models, pairs),
        pairs=pairs,
        maps=maps,
        left_out=left_out,
        notes=(),
    )


def _pair(item: Checked, n: int) -> PairOfModels:
    item.has(_PAIR)
    result = PairedResult(
        n=n,
        mean_difference=item["mean_difference"].number(),
        interval=_interval(item["interval"]),
        p_value=item["p"].number(),
        wilcoxon_p=item["wilcoxon_p"].number(),
        cohens_dz=item["cohens_dz"].number_or_none(),
        rank_biserial=item["rank_biserial"].number(),
        detectable=item["detectable"].number_or_none(),
    )
    return PairOfModels(
        first=item["first"].text(),
        second=item["second"].text(),
        result=result,
        adjusted_p=item["p_holm"].number(),
        significant=item["significant"].truth(),
        winner=item["winner"].text(),
    )


def _interval(item: Checked) -> tuple[float, float] | None:
    if item.value is None:
        return None
    ends = item.items()
    if len(ends) != len(("low", "high")):
        item.refuse(f"has {len(ends)} ends, not two")
    return ends[0].number(), ends[1].number()


def _left_out(item: Checked) -> dict[str, tuple[str, ...]]:
    rows = item.items()
    for row in rows:
        row.has(("name", "missing"))
    return {row["name"].text(): row["missing"].texts() for row in rows}
