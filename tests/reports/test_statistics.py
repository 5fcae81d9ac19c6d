"""Paired statistics: agreement with scipy called directly, laws, degenerate input, messages in full."""

from __future__ import annotations

import itertools
import math
import sys
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from comparing import paired
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from late import late
from looping import each_of

from kldeval.errors import MissingDependency, UsageProblem
from kldeval.reports.significance import detectable_effect, holm, max_statistic_p_values, sign_flip_p_values

if TYPE_CHECKING:
    from random import Random

stats = late("scipy.stats")

# Darwin's maize, crossed minus self-fertilised, in eighths of an inch (Fisher 1935, Design of Experiments, section 17).
MAIZE = [49.0, -67.0, 8.0, 16.0, 6.0, 23.0, 28.0, 41.0, 14.0, 29.0, 56.0, 24.0, 75.0, 60.0, -48.0]
# Extra hours of sleep, first drug minus second (Student 1908, The probable error of a mean).
SLEEP = [-1.2, -2.4, -1.3, -1.3, 0.0, -1.0, -1.8, -0.8, -4.6, -1.4]

quick = settings(max_examples=15, deadline=None)
numbers = st.integers(-1000, 1000).map(lambda value: value / 10)
differences = arrays(np.float64, st.integers(2, 25), elements=numbers)


def skewed(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.gamma(2.0, 0.4, n) - rng.gamma(2.0, 0.3, n)


def test_every_sign_flip_gives_the_share_that_fisher_counted() -> None:
    """863 of 32768 sums reach Darwin's 314 (Fisher 1935, section 21); the test is two-sided."""
    assert paired(MAIZE, resamples=40_000).p_value == 2 * 863 / 32768


def test_statistics_of_students_sleep_data() -> None:
    result = paired(SLEEP)
    # t = -4.0621 (R, t.test(extra ~ group, sleep, paired = TRUE)), divided by sqrt(10).
    assert result.cohens_dz == pytest.approx(-4.0621 / math.sqrt(10), abs=1e-5)
    assert result.mean_difference == pytest.approx(-1.58, abs=1e-15)
    assert result.rank_biserial == -1.0
    # Only the observed signs and their mirror image are as extreme; the 0 counts with either sign.
    assert result.p_value == 4 / 1024


@each_of("n", [2, 5, 9, 13])
def test_enumerated_sign_flips_equal_scipys_permutation_test(n: int) -> None:
    sample = skewed(n)
    expected = stats.permutation_test(
        (sample,), np.mean, permutation_type="samples", n_resamples=10_000, vectorized=True
    )
    assert paired(sample).p_value == expected.pvalue


def test_random_sign_flips_agree_with_scipys_permutation_test() -> None:
    sample = skewed(40, seed=3)
    expected = stats.permutation_test(
        (sample,),
        np.mean,
        permutation_type="samples",
        n_resamples=10_000,
        vectorized=True,
        rng=np.random.default_rng(1),
    )
    error = math.sqrt(2 * expected.pvalue * (1 - expected.pvalue) / 10_000)
    assert 0.05 < expected.pvalue < 0.5
    assert paired(sample).p_value == pytest.approx(expected.pvalue, abs=4 * error)


def test_random_sign_flips_approach_the_enumerated_ones() -> None:
    exact = paired(MAIZE, resamples=40_000).p_value
    assert paired(MAIZE, resamples=30_000).p_value == pytest.approx(exact, abs=4 * math.sqrt(exact / 30_000))


def test_random_sign_flips_count_the_observed_one() -> None:
    """No p-value is 0: when none of m random flips is as extreme, p is 1 / (m + 1)."""
    assert paired(skewed(60) + 5.0).p_value == 1 / 10_001


@quick
@given(arrays(np.float64, st.integers(2, 12), elements=st.integers(-6, 6)))
def test_ties_between_sign_flips_survive_rounding(sample: np.ndarray) -> None:
    """Sums of tenths, as of whole numbers: 0.1 + 0.2 - 0.3 is as far from 0 as 1 + 2 - 3."""
    assert paired(sample / 10).p_value == paired(sample).p_value


@pytest.mark.parametrize(("n", "confidence"), [(15, 0.95), (40, 0.95), (300, 0.9)])
def test_interval_equals_scipys_bca_bootstrap(n: int, confidence: float) -> None:
    sample = skewed(n)
    expected = stats.bootstrap(
        (sample,),
        np.mean,
        n_resamples=2000,
        method="BCa",
        confidence_level=confidence,
        rng=np.random.default_rng(5),
    ).confidence_interval
    result = paired(sample, resamples=2000, seed=5, confidence=confidence)
    assert result.interval == pytest.approx((expected.low, expected.high), rel=1e-12)


@each_of("n", [6, 13, 40, 80])
@each_of("decimals", [9, 0])
def test_wilcoxon_is_scipys(n: int, decimals: int) -> None:
    sample = np.round(3 * skewed(n), decimals)
    assert paired(sample).wilcoxon_p == pytest.approx(stats.wilcoxon(sample).pvalue, rel=1e-14)


def test_a_resample_with_every_map_once_has_the_observed_mean() -> None:
    """Rounding must not make the interval depend on the order in which a resample was drawn."""
    tenths = paired([0.1, 0.2, 0.4, 0.7], resamples=500)
    whole = paired([1.0, 2.0, 4.0, 7.0], resamples=500)
    assert whole.interval
    assert tenths.interval == pytest.approx([end / 10 for end in whole.interval], rel=1e-12)


@each_of(("n", "pairs"), [(6, 1), (7, 1), (8, 1), (13, 1), (40, 1), (11, 28), (12, 28), (14, 28), (30, 28)])
def test_the_detectable_difference_is_detected_with_80_percent_power(n: int, pairs: int) -> None:
    """At the first step of Holm's procedure, with the p-values that so few units can have."""
    level = 0.05 / pairs
    effect = detectable_effect(n, level, 10_000)
    assert effect is not None
    simulated = np.random.default_rng(n).normal(effect, 1.0, (n, 800))
    power = (sign_flip_p_values(simulated, 10_000, seed=1) <= level).mean()
    assert power == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / 800))


@pytest.mark.parametrize("n", [20, 300])
def test_with_many_units_it_is_that_of_the_t_test(n: int) -> None:
    sample = skewed(n)
    shift = paired(sample).detectable / sample.std(ddof=1) * math.sqrt(n)
    critical = stats.t.ppf(0.975, n - 1)
    assert 1 - stats.nct.cdf(critical, n - 1, shift) == pytest.approx(0.8, abs=0.005)


@pytest.mark.parametrize(("n", "pairs"), [(1, 1), (5, 1), (10, 28)])
def test_units_too_few_for_any_significance_detect_nothing(n: int, pairs: int) -> None:
    """The smallest p-value, 2^(1-n), is above the level of Holm's first step."""
    assert detectable_effect(n, 0.05 / pairs, 10_000) is None


@quick
@given(st.integers(2, 12), st.integers(1, 4), st.integers(0, 999))
def test_max_t_counts_every_flip_of_whole_rows(n: int, columns: int, seed: int) -> None:
    """Against the t statistics of every flip, worked out one by one."""
    units = np.random.default_rng(seed).normal(0.5, 1, (n, columns))
    signs = np.array(list(itertools.product((1, -1), repeat=n)), dtype=float)[:, :, None]
    flipped = signs * units
    statistic = flipped.mean(axis=1) / flipped.std(axis=1, ddof=1)
    largest = statistic.max(axis=1)
    expected = [(largest >= own - 1e-9 * abs(own)).mean() for own in statistic[0]]
    assert max_statistic_p_values(units, 10_000, 0, one_sided=True).tolist() == expected


@quick
@given(st.integers(2, 12), st.integers(1, 4), st.integers(0, 999))
def test_max_t_of_one_column_is_its_sign_flip_test_and_never_below_it(n: int, columns: int, seed: int) -> None:
    units = np.random.default_rng(seed).normal(size=(n, columns))
    adjusted = max_statistic_p_values(units, 10_000, 0)
    assert (adjusted >= sign_flip_p_values(units, 10_000, 0)).all()
    alone = [max_statistic_p_values(units[:, [place]], 10_000, 0)[0] for place in range(columns)]
    assert alone == sign_flip_p_values(units, 10_000, 0).tolist()


def test_numbers_whose_squares_overflow_are_refused() -> None:
    with pytest.raises(
        UsageProblem, match=r"^values beyond 1e\+150 have no differences and squares that float64 can hold$"
    ):
        paired([1e200, -1e200, 3.0])


def test_a_column_without_differences_is_never_significant() -> None:
    units = np.column_stack([np.zeros(9), np.ones(9)])
    assert max_statistic_p_values(units, 10_000, 0).tolist() == [1.0, 2 / 512]


@quick
@given(differences)
def test_swapping_the_models_mirrors_everything(sample: np.ndarray) -> None:
    result, swapped = paired(sample, resamples=200), paired(-sample, resamples=200)
    assert (swapped.p_value, swapped.wilcoxon_p) == (result.p_value, result.wilcoxon_p)
    assert swapped.mean_difference == -result.mean_difference
    assert swapped.rank_biserial == -result.rank_biserial
    assert result.interval
    assert swapped.interval == pytest.approx(tuple(-end for end in result.interval[::-1]), abs=1e-9)


@quick
@given(differences)
def test_results_stay_within_their_bounds(sample: np.ndarray) -> None:
    result = paired(sample, resamples=200)
    assert result.interval
    low, high = result.interval
    assert sample.min() - 1e-9 <= low <= high <= sample.max() + 1e-9
    smallest = 2 / 2 ** len(sample) if 2 ** len(sample) <= 200 else 1 / 201
    assert smallest <= result.p_value <= 1
    assert -1 <= result.rank_biserial <= 1


@quick
@given(differences, st.integers(-20, 20))
def test_the_unit_of_the_metric_changes_no_test(sample: np.ndarray, exponent: int) -> None:
    result, scaled = paired(sample, resamples=200), paired(sample * 2.0**exponent, resamples=200)
    kept = ("n", "p_value", "wilcoxon_p", "cohens_dz", "rank_biserial")
    assert [getattr(scaled, name) for name in kept] == [getattr(result, name) for name in kept]
    assert scaled.mean_difference == result.mean_difference * 2.0**exponent


@quick
@given(differences, st.randoms(use_true_random=False))
def test_groups_are_the_units_in_any_order_of_maps(sample: np.ndarray, random: Random) -> None:
    labels = [f"v{row % 4}" for row in range(len(sample))]
    shuffled = list(zip(sample, labels, strict=True))
    random.shuffle(shuffled)
    means = [sample[k::4].mean() for k in range(min(4, len(sample)))]
    expected = paired(np.array(means))
    grouped = paired(sample, groups=labels)
    assert grouped.n == len(means)
    assert grouped.p_value == expected.p_value
    assert grouped.mean_difference == pytest.approx(expected.mean_difference, abs=1e-12)
    values, groups = zip(*shuffled, strict=True)
    assert paired(np.array(values), groups=groups) == grouped


def test_a_group_per_map_changes_nothing() -> None:
    sample = skewed(30)
    assert paired(sample, groups=[f"{row:02}" for row in range(30)]) == paired(sample)


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = skewed(20)
    drawn, enumerated = paired(sample, resamples=500), paired(sample[:9], resamples=512)
    monkeypatch.setattr("kldeval.reports.significance.CELLS_PER_BLOCK", 100)
    assert paired(sample, resamples=500) == drawn
    assert paired(sample[:9], resamples=512).p_value == enumerated.p_value


def test_memory_does_not_grow_with_maps_times_resamples() -> None:
    sample = skewed(2000)
    tracemalloc.start()
    paired(sample)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2000 * 10_000 * 8 / 2


def test_identical_models_have_p_1_and_an_empty_interval() -> None:
    found = paired(np.zeros(12))
    assert (found.n, found.interval, found.p_value, found.wilcoxon_p) == (12, (0.0, 0.0), 1.0, 1.0)
    assert (found.mean_difference, found.cohens_dz, found.rank_biserial, found.detectable) == (0.0, 0.0, 0.0, 0.0)


def test_constant_difference_has_no_spread() -> None:
    result = paired(np.full(8, -0.3))
    assert result.interval == (-0.3, -0.3)
    assert (result.cohens_dz, result.rank_biserial, result.p_value) == (-math.inf, -1.0, 2 / 256)


def test_one_map_has_a_difference_and_nothing_else() -> None:
    found = paired([0.25])
    assert (found.n, found.interval, found.p_value, found.wilcoxon_p) == (1, None, 1.0, 1.0)
    assert (found.mean_difference, found.cohens_dz, found.rank_biserial, found.detectable) == (0.25, None, 1.0, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"differences": [1.0], "resamples": 99},
            "99 resamples are too few for an interval: 100 at least, 10000 are usual",
        ),
        ({"differences": [1.0], "confidence": 95}, "confidence 95 is not between 0 and 1: 0.95 is usual"),
    ],
)
def test_refusals(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        paired(**arguments)
    assert str(caught.value) == message


def test_missing_scipy_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(MissingDependency) as caught:
        paired([1.0, 2.0])
    assert str(caught.value) == "paired statistics need scipy, which is not installed: pip install scipy"


def test_holm_equals_rs_p_adjust() -> None:
    """R: p.adjust(c(0.03, 0.01, 0.05, 0.02, 0.04), "holm")."""
    assert holm([0.03, 0.01, 0.05, 0.02, 0.04]) == pytest.approx((0.09, 0.05, 0.09, 0.08, 0.09))


@given(st.lists(st.floats(0, 1), max_size=12), st.randoms(use_true_random=False))
def test_holm_laws(p_values: list[float], random: Random) -> None:
    adjusted = holm(p_values)
    assert all(
        p <= a <= min(1, len(p_values) * p) or a == max(adjusted) for p, a in zip(p_values, adjusted, strict=True)
    )
    assert [a for _, a in sorted(zip(p_values, adjusted, strict=True))] == sorted(adjusted)
    order = random.sample(range(len(p_values)), len(p_values))
    assert holm([p_values[k] for k in order]) == tuple(adjusted[k] for k in order)


def test_holm_refuses_what_is_no_p_value() -> None:
    with pytest.raises(UsageProblem) as caught:
        holm([0.5, math.nan])
    assert str(caught.value) == "nan is no p-value: it lies between 0 and 1"
