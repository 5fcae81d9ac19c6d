"""How large a difference sign flips detect: their power, with the p-values that so few units can have."""

from __future__ import annotations

import math
from functools import lru_cache
from importlib import import_module

from kldeval.results.resampling import is_enumerated, scipy_stats

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
    critical = scipy_stats().t(n - 1).ppf(1 - level / 2)
    return float(import_module("scipy.special").nctdtrinc(n - 1, 1 - POWER, critical))


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
