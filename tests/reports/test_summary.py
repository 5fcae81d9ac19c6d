"""The summary of a metric: laws, an independent second opinion, and what happens to infinite and undefined values."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from looping import each_of
from report_files import report, summary_of

from kldeval.records import Score
from kldeval.reports.documents import Summary

finite = st.floats(allow_nan=False, allow_infinity=False)
some = st.lists(finite, min_size=1, max_size=30)


def test_a_worked_example() -> None:
    """Deviations 3, 1, 1, 3 from the mean 5: the variance is 20 / 3."""
    assert summary_of([2, 4, 6, 8]) == Summary(4, 0, 5.0, math.sqrt(20 / 3), 5.0, 2.0, 8.0)


def test_no_value_has_no_statistics() -> None:
    assert summary_of([]) == Summary(0, 0, None, None, None, None, None)


@given(finite)
def test_one_value_is_its_own_summary_and_has_no_deviation(value: float) -> None:
    assert summary_of([value]) == Summary(1, 0, value, None, value, value, value)


@given(st.lists(st.floats(min_value=-1e300, max_value=1e300), min_size=1, max_size=30))
def test_mean_is_the_exact_sum_divided_by_n(values: list[float]) -> None:
    assert summary_of(values).mean == math.fsum(values) / len(values)


@given(some)
def test_finite_values_have_finite_statistics(values: list[float]) -> None:
    summary = summary_of(values)
    assert summary.mean is not None
    assert math.isfinite(summary.mean)
    assert summary.n_nonfinite == 0


@given(some, st.randoms(use_true_random=False))
def test_the_order_of_the_maps_does_not_move_a_bit(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert summary_of(shuffled) == summary_of(values)


@given(st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=2, max_size=30))
def test_statistics_agree_with_the_standard_library(values: list[float]) -> None:
    summary = summary_of(values)
    assert summary.std == pytest.approx(statistics.stdev(values), rel=1e-12, abs=1e-9)
    assert summary.median == statistics.median(values)
    assert (summary.min, summary.max, summary.n, summary.n_nonfinite) == (min(values), max(values), len(values), 0)


@given(finite, st.integers(min_value=2, max_value=9))
def test_equal_values_deviate_by_exactly_0(value: float, n: int) -> None:
    assert summary_of([value] * n).std == 0


def test_finite_values_whose_sum_and_squares_overflow() -> None:
    summary = summary_of([1e308, 1.2e308, 1.4e308])
    assert summary.mean == pytest.approx(1.2e308, rel=1e-15)
    assert summary.std == pytest.approx(0.2e308, rel=1e-15)


@each_of(
    ("values", "expected"),
    [
        ([math.inf, 1.0], Summary(2, 1, math.inf, math.nan, math.inf, 1.0, math.inf)),
        ([1.0, -math.inf, 2.0], Summary(3, 1, -math.inf, math.nan, 1.0, -math.inf, 2.0)),
        ([math.inf, 0.0, -math.inf], Summary(3, 2, math.nan, math.nan, 0.0, -math.inf, math.inf)),
        ([math.inf, -math.inf], Summary(2, 2, math.nan, math.nan, math.nan, -math.inf, math.inf)),
        ([3.0, math.nan, 1.0], Summary(3, 1, math.nan, math.nan, math.nan, math.nan, math.nan)),
        ([math.nan, math.inf], Summary(2, 2, math.nan, math.nan, math.nan, math.nan, math.nan)),
        ([math.inf], Summary(1, 1, math.inf, None, math.inf, math.inf, math.inf)),
    ],
)
def test_nothing_is_dropped(values: list[float], expected: Summary) -> None:
    assert repr(summary_of(values)) == repr(expected)


def test_each_metric_is_summarised_over_all_maps_in_the_order_asked_for() -> None:
    scores = [Score("a", {"kld": 1.0, "ce": 7.0}), Score("b", {"kld": 3.0, "ce": math.inf})]
    summaries = report(*scores).summaries
    assert list(summaries) == ["kld", "ce"]
    assert (summaries["ce"].mean, summaries["ce"].n_nonfinite) == (math.inf, 1)
    assert summaries["kld"] == Summary(2, 0, 2.0, math.sqrt(2), 2.0, 1.0, 3.0)


def test_no_map_at_all_still_names_the_metrics() -> None:
    assert report().summaries == {"kld": Summary(0, 0, None, None, None, None, None)}
