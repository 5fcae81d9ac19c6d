"""Maps on which one metric has no number, and metrics that are made of sums over all maps."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_files import COLUMNS, FORMATS, leaderboard, merged, read_document, regressions, report, summary_of, write
from schemas import validate

from kldeval.metrics.registry import METRICS, MetricInfo
from kldeval.records import Failure, Score

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = {"kld": COLUMNS["kld"], "cc": COLUMNS["cc"]}
SIGNED = {key: f"{key}|pred:sum-to-one|maps:mean|v:1" for key in BOTH}


def partial(shift: float = 0.0) -> Any:
    """Nine maps, on one of which CC has no number."""
    scores = [Score(f"x{i}y", {"kld": 1.0 + i / 7 + shift, "cc": 0.5 + i / 50 - shift}) for i in range(9)]
    scores[3] = Score("x3y", {"kld": 1.0 + 3 / 7 + shift})
    failure = Failure("x3y", "score", "a constant map", code="constant", metric="cc")
    return report(*scores, failures=(failure,), columns=BOTH, signatures=SIGNED)


def test_means_are_over_the_maps_that_have_a_number() -> None:
    summaries = partial().summaries
    assert (summaries["kld"].n, summaries["cc"].n) == (9, 8)


def test_every_format_writes_them_and_json_reads_back() -> None:
    made = partial()
    document = json.loads(write(made, "json"))
    validate(document, "report")
    assert read_document(document) == made
    rows = list(csv.DictReader(io.StringIO(write(made, "csv"))))
    assert len(rows) == 9
    assert (rows[3]["cc"], rows[3]["failure"]) == ("", "score: cc: a constant map")
    for kind in FORMATS:
        assert write(made, kind, per_map=True, worst=2)


def test_they_are_compared_on_the_maps_that_have_a_number_for_every_model() -> None:
    reports = {"new": partial(0.1), "old": partial()}
    compared = leaderboard(reports).comparison
    assert (compared.comparisons["kld"].n, compared.comparisons["cc"].n) == (9, 8)
    assert "cc: only 8 of 9 maps have a number for every model" in compared.notes
    gates = regressions(reports)
    assert [(gate.fired, gate.p_value) for gate in gates] == [(True, 2**-9), (True, 2**-8)]


def _root(found: Any) -> float:
    total, weight = found
    return math.sqrt(total / weight)


@pytest.fixture(scope="module", autouse=True)
def _pooled() -> Iterator[None]:
    """`pooled`, a metric whose number is the root of a quotient of two sums."""
    METRICS.add("pooled", MetricInfo(unit="", best="low", finalize=_root))(_root)
    yield
    del METRICS._entries["pooled"]


def pooled(*sums: tuple[int, int], group: str = "") -> list[Score]:
    return [
        Score(f"{group}{place}", {"pooled": _root(pair)}, statistics={"pooled": pair}, group=group)
        for place, pair in enumerate(sums)
    ]


pairs = st.lists(st.tuples(st.integers(0, 99), st.integers(1, 9)), min_size=1, max_size=8)


@settings(deadline=None, max_examples=15)
@given(pairs, pairs)
def test_a_metric_of_sums_is_the_same_number_of_the_whole_and_of_merged_parts(
    one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    """The sums over all maps are added before the number is worked out, however the maps are divided into parts."""
    columns = {"pooled": COLUMNS["mse"]}
    parts = {name: report(*pooled(*sums, group=name), columns=columns) for name, sums in (("p", one), ("q", other))}
    totals = [sum(column) for column in zip(*one, *other, strict=True)]
    whole = merged(parts)
    assert whole.summaries["pooled"].mean == _root(totals)
    assert whole.groups["p"]["pooled"].mean == parts["p"].summaries["pooled"].mean
    document = json.loads(write(whole, "json"))
    validate(document, "report")
    assert read_document(document).scores == whole.scores


def test_without_a_rule_of_its_own_it_is_a_weighted_mean() -> None:
    scores = [
        Score("a", {"kld": 3.0}, statistics={"kld": (6.0, 2.0)}),
        Score("b", {"kld": 0.0}, statistics={"kld": (0.0, 1.0)}),
    ]
    assert summary_of(scores).mean == 2.0
