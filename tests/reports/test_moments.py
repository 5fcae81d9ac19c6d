"""Exact, mergeable sums: an independent second opinion from fractions, and laws that hold to the last bit."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from report_files import summary_of

from kldeval.records import Score
from kldeval.reports.moments import moments_of, order_statistics

finite = st.floats(allow_nan=False, allow_infinity=False)
anything = st.floats()
samples = st.lists(finite, min_size=1, max_size=20)
lengths = st.sampled_from([1, 4, 40])
"""How often a sample stands there: few values are summed one by one, many by their exponents."""

quick = settings(deadline=None, max_examples=30)


@quick
@given(samples, lengths)
def test_sums_are_those_of_fractions(values: list[float], times: int) -> None:
    found = moments_of(values * times)
    exact = [Fraction(value) for value in values]
    assert Fraction(found.total, 2**1074) == times * sum(exact)
    assert Fraction(found.squares, 2**2148) == times * sum(value * value for value in exact)


@quick
@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20), lengths)
def test_the_sum_is_math_fsums_to_the_bit(values: list[float], times: int) -> None:
    assert moments_of(values * times).sum == math.fsum(values * times)


@quick
@given(st.lists(st.floats(-1e150, 1e150), min_size=2, max_size=20))
def test_the_standard_deviation_is_correctly_rounded(values: list[float]) -> None:
    """No float64 is closer to the root of the exact variance: the midpoints around it have squares on either side."""
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / (len(exact) - 1)
    found = moments_of(values).std
    assert found is not None
    low, high = (Fraction(math.nextafter(found, end)) + Fraction(found) for end in (-math.inf, math.inf))
    assert (low / 2) ** 2 <= variance <= (high / 2) ** 2 or found == variance == 0


@quick
@example([math.nan, math.inf, -math.inf, -0.0], [-math.inf, math.nan, 0.0, -math.inf, math.inf], Random(3))
@given(st.lists(anything, max_size=12), st.lists(anything, max_size=90), st.randoms(use_true_random=False))
def test_parts_add_up_to_the_whole_whatever_the_order(one: list[float], other: list[float], random: object) -> None:
    whole = one + other
    random.shuffle(whole)  # type: ignore[attr-defined]
    assert moments_of(one) + moments_of(other) == moments_of(whole)
    assert moments_of(one) + moments_of([]) == moments_of(one)


@quick
@given(samples)
def test_finite_values_have_a_finite_mean(values: list[float]) -> None:
    mean = moments_of(values).mean
    assert mean is not None
    assert min(values) <= mean <= max(values) or mean == pytest.approx(values[0], rel=1e-15)
    assert summary_of(values).mean == mean


def test_values_are_summed_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as float64, and then as many as a 64-bit integer, can sum exactly: each counts once."""
    monkeypatch.setattr("kldeval.reports.moments.CHUNK", 8)
    monkeypatch.setattr("kldeval.reports.moments.CHUNKS", 3)
    values = np.random.default_rng(8).normal(0, 1e3, 200) ** 3
    found = moments_of(values)
    exact = [Fraction(value) for value in values.tolist()]
    assert Fraction(found.total, 2**1074) == sum(exact)
    assert Fraction(found.squares, 2**2148) == sum(value * value for value in exact)


def test_zeros_have_one_sign() -> None:
    """Whichever comes first: the bytes of a report do not depend on the order of the maps."""
    for values in ([-0.0], [0.0, -0.0], [-0.0, 0.0]):
        found = moments_of(values)
        assert found.min is not None
        assert found.max is not None
        assert (math.copysign(1, found.min), math.copysign(1, found.max)) == (1, 1)
    assert math.copysign(1, order_statistics(lambda: [[-0.0, 0.0, -0.0]], [0])[0]) == 1
    halved = summary_of([-5e-324, 0.0])  # there is no float64 between the two
    assert [math.copysign(1, one) for one in (halved.mean, halved.median) if one is not None] == [1, 1]


def test_sums_beyond_float64_keep_their_sign() -> None:
    largest = float(np.finfo(np.float64).max)
    assert moments_of([largest, largest]).sum == math.inf
    assert moments_of([-largest, -largest]).sum == -math.inf


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_has_no_standard_deviation(value: float) -> None:
    found = moments_of([1.0, 2.0, value]).std
    assert found is not None
    assert math.isnan(found)


def test_a_root_just_above_a_midpoint_is_rounded_up() -> None:
    """Of numbers so small that the root is worked out to some bits, the last of them says that more was cut off."""
    low = 2.0**-1000
    high = math.nextafter(low, 1)  # the variance of these is (low^2 + high^2) / 2, above ((low + high) / 2)^2
    assert moments_of([low, -low, high, -high, 0.0]).std == high


def test_the_mean_of_the_largest_numbers_is_that_number() -> None:
    largest = float(np.finfo(np.float64).max)
    assert moments_of([largest] * 3).mean == largest
    assert moments_of([largest, -largest]).std == math.inf
    assert moments_of([largest, largest]).std == 0


def test_what_is_not_finite_is_counted_by_its_kind() -> None:
    found = moments_of([math.nan, math.inf, math.inf, -math.inf, 2.0])
    assert (found.n, found.n_nan, found.n_inf, found.n_minus_inf, found.n_nonfinite) == (5, 1, 2, 1, 4)
    assert (found.min, found.max) == (-math.inf, math.inf)
    assert moments_of([math.inf, 1.0]).mean == math.inf
    assert math.isnan(moments_of([math.inf, -math.inf]).sum)


@quick
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=60), st.data())
def test_counting_passes_find_the_places_of_a_sorted_list(values: list[float], data: st.DataObject) -> None:
    ranks = data.draw(st.lists(st.integers(0, len(values) - 1), max_size=3))
    parts = [values[start::3] for start in range(3)]
    assert order_statistics(lambda: parts, ranks) == [sorted(values)[rank] for rank in ranks]


@quick
@given(samples)
def test_the_median_is_the_standard_librarys(values: list[float]) -> None:
    low, high = statistics.median_low(values), statistics.median_high(values)
    assert summary_of(values).median == moments_of([low, high]).mean


@pytest.mark.parametrize("rank", [-1, 3])
def test_a_place_beyond_the_values_is_refused(rank: int) -> None:
    with pytest.raises(ValueError, match=f"no place {rank} among 3 values"):
        order_statistics(lambda: [[1.0, 2.0], [3.0]], [rank])


def test_nan_has_no_place() -> None:
    with pytest.raises(ValueError, match="nan has no place"):
        order_statistics(lambda: [[math.nan]], [0])


def test_weighted_means_beyond_float64_are_worked_out_exactly() -> None:
    for values, weights, expected in (
        ([1e308, 1.5e308], [1e6, 1e6], 1.25e308),
        ([1.0, 3.0], [3.0, 1.0], 1.5),
        ([1.0], [0.0], math.nan),
        ([math.inf, 1.0], [1.0, 1.0], math.inf),
    ):
        rows = enumerate(zip(values, weights, strict=True))
        scores = [Score(str(place), {"kld": value}, weights={"kld": weight}) for place, (value, weight) in rows]
        assert summary_of(scores).mean == pytest.approx(expected, rel=0, abs=0, nan_ok=True)
