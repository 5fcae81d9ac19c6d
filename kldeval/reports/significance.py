"""Paired statistics of two models that were scored on the same maps.

The unit of all statistics is the map, or the group of maps (a video) where groups are given: a group's difference is
the mean of its maps' differences, and every group counts the same. Differences are first model minus second.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.packages import load_package
from kldeval.reports.documents import PairedResult
from kldeval.reports.moments import exact_mean
from kldeval.reports.resampling import check_resampling

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


LARGEST = 1e150
"""Sums of squares of numbers up to this are finite."""

ENUMERATED_RANKS = 13
"""The most units for which scipy tries all signs of the ranks where there are ties."""


def paired_columns(
    differences: Floats, *, groups: Sequence[str] | None, resamples: int, seed: int, confidence: float
) -> tuple[PairedResult, ...]:
    """The paired statistics of each column of an array of shape (maps, pairs), all from the same draws.

    Args:
        differences: first model minus second, in the metric's unit, the maps in the order of their names.
        groups: the group of each map; then the group is the unit, and groups sort by name.
        resamples: how many bootstrap resamples, and how many sign flips unless all 2^n are no more than that.
        seed: fixes the draws: same differences, same seed, same result.
        confidence: of the intervals; the detectable differences are those at the level 1 - confidence in the first
            step of Holm's procedure over the columns.

    Raises:
        UsageProblem: no difference, a difference that is not finite, or an argument that can mean nothing.
        MissingDependency: scipy is not installed.

    >>> import numpy as np
    >>> (result,) = paired_columns(np.zeros((3, 1)), groups=None, resamples=100, seed=0, confidence=0.95)
    >>> result.p_value, result.interval
    (1.0, (0.0, 0.0))
    """
    check_resampling(resamples, confidence, seed)
    _check_differences(differences)
    units = differences if groups is None else group_means(differences, groups)
    p_values = sign_flip_p_values(units, resamples, seed)
    intervals = bca_intervals(units, resamples, seed, confidence)
    detectable = detectable_effect(len(units), (1 - confidence) / units.shape[1], resamples)
    return tuple(
        _result(units[:, k], float(p_values[k]), (float(intervals[k, 0]), float(intervals[k, 1])), detectable)
        for k in range(units.shape[1])
    )


def group_means(values: Floats, groups: Sequence[str]) -> Floats:
    """The mean of each group's rows, groups in the order of their names, whatever the order of the rows.

    Raises:
        UsageProblem: there is not one group per row.

    >>> import numpy as np
    >>> group_means(np.array([[1.0], [5.0], [3.0]]), ["b", "a", "b"]).tolist()
    [[5.0], [2.0]]
    """
    import numpy as np

    if len(groups) != len(values):
        msg = f"{len(groups)} groups for {len(values)} maps: every map needs one"
        raise UsageProblem(msg)
    rows: dict[str, list[int]] = {name: [] for name in sorted(set(groups))}
    for row, name in enumerate(groups):
        rows[name].append(row)
    return np.array([[exact_mean(column.tolist()) for column in values[members].T] for members in rows.values()])


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjusted p-values, in the order given: at most 1, never below the p-value itself.

    Rejecting where the adjusted value is at most alpha keeps the chance of any false rejection below alpha.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", jstor.org/stable/4615733.

    Raises:
        UsageProblem: a p-value is outside 0 to 1.

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    wrong = [p for p in p_values if not 0 <= p <= 1]
    if wrong:
        msg = f"{wrong[0]!r} is no p-value: it lies between 0 and 1"
        raise UsageProblem(msg)
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return tuple(adjusted)


def _check_differences(differences: Floats) -> None:
    import numpy as np

    if not len(differences):
        msg = "nothing to compare: no map was scored for both models"
        raise UsageProblem(msg)
    undefined = int((~np.isfinite(differences).all(axis=1)).sum())
    if undefined:
        msg = (
            f"{undefined} of {len(differences)} maps have no finite difference (a score is inf or nan), "
            "so there is no mean difference: score with a metric that is finite, such as kld with --eps 1e-7"
        )
        raise UsageProblem(msg)
    if (np.abs(differences) > LARGEST).any():
        msg = f"differences beyond {LARGEST:g} have no squares that float64 can hold"
        raise UsageProblem(msg)


def _result(units: Floats, p_value: float, interval: tuple[float, float], effect: float | None) -> PairedResult:
    n, mean, ranks = len(units), exact_mean(units.tolist()), _signed_ranks(units)
    deviation = float(units.std(ddof=1)) if n > 1 else None
    return PairedResult(
        n=n,
        mean_difference=mean,
        interval=interval if n > 1 else None,
        p_value=p_value,
        wilcoxon_p=_wilcoxon(units, ranks),
        cohens_dz=None if deviation is None else _cohens_dz(mean, deviation),
        rank_biserial=_rank_biserial(ranks),
        detectable=None if deviation is None or effect is None else effect * deviation,
    )


def _cohens_dz(mean: float, deviation: float) -> float:
    if deviation == 0:
        return math.copysign(math.inf, mean) if mean else 0.0
    return mean / deviation


def _signed_ranks(units: Floats) -> Floats:
    """The sign of each unit times the rank of its size among those that are not 0; ties share their mean rank."""
    import numpy as np

    ranks = np.zeros(len(units))
    _, places, counts = np.unique(np.abs(units[units != 0]), return_inverse=True, return_counts=True)
    ranks[units != 0] = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return np.sign(units) * ranks


def _wilcoxon(units: Floats, ranks: Floats) -> float:
    """The p-value of `scipy.stats.wilcoxon`; 1 where nothing differs."""
    if not units.any():
        return 1.0
    if len(units) <= ENUMERATED_RANKS:  # scipy enumerates one by one, which takes a second for 13 units with ties
        return float(sign_flip_p_values(ranks[:, None], 2**ENUMERATED_RANKS, seed=0)[0])
    return float(_scipy("stats").wilcoxon(units).pvalue)


def _rank_biserial(ranks: Floats) -> float:
    """(W+ - W-) / (W+ + W-) of the signed ranks (Kerby 2014, doi:10.2466/11.IT.3.1)."""
    import numpy as np

    return float(ranks.sum() / np.abs(ranks).sum()) if ranks.any() else 0.0


POWER = 0.8
"""The chance with which the detectable difference is detected."""

FEW_FLIPS = 32
"""Up to so many flips the level is simulated; beyond, the sign-flip test has the power of the t-test."""

LOWEST = 10
"""The units that the lowest means of subsets are made of."""

SIMULATIONS = 4000


def detectable_effect(n: int, level: float, resamples: int) -> float | None:
    """The mean difference, in standard deviations of the differences, that n units show with 80 % power.

    The test is that of two-sided sign flips at the level given; with m tests under Holm's procedure the level of its
    first step, alpha / m, gives a lower bound of the power. Differences are taken for normal. The p-values of n units
    are multiples of 2^(1-n): the level is the largest of them that is not above `level`. None where there is none.

    >>> detectable_effect(5, 0.05, 10_000) is None, round(detectable_effect(30, 0.05, 10_000), 2)
    (True, 0.53)
    """
    attained = _attained(n, level, resamples)
    flips = math.floor(attained * 2.0 ** min(n - 1, 60))
    if not flips:
        return None
    return _of_few_flips(n, flips) if flips < FEW_FLIPS else _of_t_test(n, attained) / math.sqrt(n)


def _attained(n: int, level: float, resamples: int) -> float:
    """The level of the test, which counts flips.

    Of m random flips with the observed one k out of m + 1 are allowed: half of the draws then reject at a p-value of
    (k - 1/3) / (m + 1/3), the median of the beta distribution of that share.
    """
    if is_enumerated(n, resamples):
        return level
    allowed = math.floor(level * (resamples + 1) * (1 + 1e-12))
    return (allowed - 1 / 3) / (resamples + 1 / 3) if allowed else 0.0


def _of_t_test(n: int, level: float) -> float:
    """The noncentrality at which the t-test of n units has the power."""
    special = _scipy("special")
    return float(special.nctdtrinc(n - 1, 1 - POWER, special.stdtrit(n - 1, 1 - level / 2)))


@lru_cache
def _of_few_flips(n: int, flips: int) -> float:
    """The effect at which normal differences have fewer than `flips` subsets of units with a mean of 0 or less.

    Flipping the signs of a subset moves the sum by twice that of the subset, so p is at most 2 * flips / 2^n where
    fewer than so many subsets, the empty one not among them, have a sum that is not positive: where the effect is above
    minus the `flips`-th lowest mean of a subset. Those are made of the lowest units. The draws have a fixed seed.
    """
    import numpy as np

    lowest = min(n, LOWEST)
    draws = np.sort(np.random.default_rng(0).normal(size=(n, SIMULATIONS)), axis=0)[:lowest]
    subsets = (np.arange(1, 2**lowest)[:, None] >> np.arange(lowest)) & 1
    means = (subsets @ draws) / subsets.sum(axis=1)[:, None]
    needed = -np.partition(means, flips - 1, axis=0)[flips - 1]
    return float(np.quantile(needed, POWER))


CELLS_PER_BLOCK = 2**21
"""16 MiB of float64, however many rows and resamples there are."""

ROUNDING = 64 * 2.0**-52
"""Sums of the same terms may differ by about this fraction of the sum of their absolute values."""


def _scipy(part: str) -> ModuleType:
    """A part of scipy: `special` has the distributions; `stats`, with the tests, takes 0.4 s more to import.

    Raises:
        MissingDependency: scipy is not installed.
    """
    found: ModuleType = load_package(f"scipy.{part}", "paired statistics need scipy", "pip install scipy")
    return found


def is_enumerated(n: int, resamples: int) -> bool:
    """Whether all 2^n sign flips are tried, since they are no more than the resamples asked for."""
    return n <= math.log2(resamples)


def smallest_p_value(n: int, resamples: int) -> float:
    """The smallest p-value that the sign flips of n units can give, whatever the differences are.

    >>> smallest_p_value(5, 10_000)
    0.0625
    """
    return min(1.0, 2.0 ** (1 - n)) if is_enumerated(n, resamples) else 1 / (resamples + 1)


def sign_flip_p_values(units: Floats, resamples: int, seed: int) -> Floats:
    """Two-sided p-value per column of the paired permutation test of equal models.

    Under the null hypothesis the two models are exchangeable on each unit, so every difference could as well have the
    other sign. p is the share of sign flips whose mean is at least as far from 0 as the observed one: of all 2^n flips
    if they are no more than `resamples`, as `scipy.stats.permutation_test(permutation_type="samples")` does, else of
    `resamples` random flips and the observed one, (b + 1) / (m + 1) (Phipson and Smyth 2010,
    doi:10.2202/1544-6115.1585), which keeps the level exact.
    """
    import numpy as np

    n = len(units)
    enumerated = is_enumerated(n, resamples)
    threshold = np.abs(units.sum(axis=0)) - ROUNDING * np.abs(units).sum(axis=0)
    extreme = np.zeros(units.shape[1], dtype=np.int64)
    for signs in _all_signs(n) if enumerated else _random_signs(n, resamples, seed):
        extreme += (np.abs(signs @ units) >= threshold).sum(axis=0)
    return extreme / 2.0**n if enumerated else (extreme + 1) / (resamples + 1)


def max_statistic_p_values(units: Floats, resamples: int, seed: int, *, one_sided: bool = False) -> Floats:
    """The p-value of each column's sign-flip test, adjusted for all columns by the largest studentised mean (max-T).

    Every flip of signs is that of whole rows, so that it keeps how the columns depend on one another; p is the share of
    flips in which the largest of all statistics is at least a column's own. Rejecting where p is at most alpha keeps
    the chance of any false rejection at alpha, and costs less than Holm's procedure where columns are alike. A t
    statistic and sum(x) / sqrt(sum(x^2)) order the flips alike, so the latter is taken. `one_sided` asks for columns
    whose mean is above 0. Columns of zeros have a p-value of 1.

    Source: Westfall and Young 1993, "Resampling-based multiple testing"; Winkler et al. 2014,
    doi:10.1016/j.neuroimage.2014.01.060.
    """
    import numpy as np

    n, columns = units.shape
    enumerated = is_enumerated(n, resamples)
    largest = np.abs(units).max(axis=0)
    scaled = units / np.where(largest, largest, 1.0)
    scaled /= np.where(largest, np.sqrt((scaled * scaled).sum(axis=0)), 1.0)

    def statistic(sums: Floats) -> Floats:
        return sums if one_sided else np.abs(sums)

    threshold = statistic(scaled.sum(axis=0)) - ROUNDING * np.abs(scaled).sum(axis=0)
    extreme = np.zeros(columns, dtype=np.int64)
    for signs in _all_signs(n) if enumerated else _random_signs(n, resamples, seed):
        extreme += (statistic(signs @ scaled).max(axis=1)[:, None] >= threshold).sum(axis=0)
    p_values = extreme / 2.0**n if enumerated else (extreme + 1) / (resamples + 1)
    return np.where(largest, p_values, 1.0)


def bca_intervals(units: Floats, resamples: int, seed: int, confidence: float) -> Floats:
    """The bias-corrected and accelerated bootstrap interval of each column's mean, of shape (columns, 2).

    The same numbers as `scipy.stats.bootstrap((column,), numpy.mean, n_resamples=resamples, method="BCa",
    confidence_level=confidence, rng=numpy.random.default_rng(seed))`, without its n^2 jackknife: the mean without one
    unit is known in closed form. (One column of 5000 units takes 0.6 s either way; but 20 000 units are 3.2 GB there.)
    A constant column gives the interval of that constant alone. The interval describes, the test decides: with 30 units
    and heavy tails a 95 % interval holds the true mean in 90 % of cases only.

    Source: Efron 1987, "Better bootstrap confidence intervals", doi:10.1080/01621459.1987.10478410.
    """
    import numpy as np

    centre = units.mean(axis=0)
    centred = units - centre
    means = bootstrap_means(centred, resamples, seed)
    tolerance = ROUNDING * np.abs(units).mean(axis=0)
    offsets = [_bca(means[:, k], centred[:, k], tolerance[k], confidence) for k in range(units.shape[1])]
    constant = (units == units[0]).all(axis=0)
    intervals: Floats = np.where(constant[:, None], units[0][:, None], centre[:, None] + np.asarray(offsets))
    return intervals


def bootstrap_means(units: Floats, resamples: int, seed: int) -> Floats:
    """The column means of each resample of rows, of shape (resamples, columns)."""
    import numpy as np

    n = len(units)
    rng = np.random.default_rng(seed)
    sums = [_multiplicities(rng, rows, n) @ units for rows in _blocks(resamples, n)]
    return np.concatenate(sums) / n


def _bca(means: Floats, centred: Floats, tolerance: float, confidence: float) -> Floats:
    import numpy as np

    special = _scipy("special")
    if not centred.any():
        return np.zeros(2)
    below = ((means < -tolerance).mean() + (means <= tolerance).mean()) / 2
    scaled = centred / np.abs(centred).max()
    acceleration = (scaled**3).sum() / (6 * (scaled**2).sum() ** 1.5)
    tail = (1 - confidence) / 2
    shifted = special.ndtri(below) + special.ndtri([tail, 1 - tail])
    levels: Floats = special.ndtr(special.ndtri(below) + shifted / (1 - acceleration * shifted))
    return np.quantile(means, levels)


def _blocks(total: int, n: int) -> Iterator[int]:
    """How many of `total` draws of n to make at a time."""
    rows = max(1, CELLS_PER_BLOCK // n)
    for start in range(0, total, rows):
        yield min(rows, total - start)


def _all_signs(n: int) -> Iterator[Floats]:
    import numpy as np

    first = 0
    for rows in _blocks(2**n, n):
        flips = np.arange(first, first + rows)[:, None]
        yield (1 - 2 * ((flips >> np.arange(n)) & 1)).astype(np.float64)
        first += rows


def _random_signs(n: int, resamples: int, seed: int) -> Iterator[Floats]:
    import numpy as np

    rng = np.random.default_rng(seed)
    for rows in _blocks(resamples, n):
        yield (1 - 2 * rng.integers(0, 2, (rows, n), dtype=np.int8)).astype(np.float64)


def _multiplicities(rng: np.random.Generator, rows: int, n: int) -> Floats:
    """How often each of n units is drawn, in `rows` draws of n with replacement."""
    import numpy as np

    drawn = rng.integers(0, n, (rows, n)) + n * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
