"""Calibration: whether what is predicted with a probability occurs as often as it says.

Goal: the calibration errors of the literature and the decomposition of the Brier score, exact over a whole data set.
Conventions: a probability p of an event, and whether it occurred (o: 0 or 1; a share, where the ground truth is one).
Bins are (a, b], and 0 is in the first; they have equal width, or equal numbers of forecasts where a metric is adaptive.
A metric is made of sums within the bins, which add up over blocks and maps (`MetricInfo.statistics`), so the number of
a data set is that of all its pixels together. The mean over maps of each map's number would be another, and higher,
since a map has fewer pixels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.dataclass import NamedTuple
from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BINS = 15
"""As many as Guo et al. and torchmetrics take."""

SUMS = ("n", "p", "o", "pp", "po", "oo", "ww")
"""What is summed of each event in each bin: its weight, w p, w o, w p^2, w p o, w o^2, and w^2."""


class Forecasts(NamedTuple):
    """Sums within bins, each of shape (events, bins): see `SUMS`."""

    n: Floats
    p: Floats
    o: Floats
    pp: Floats
    po: Floats
    oo: Floats
    ww: Floats

    @property
    def total(self) -> float:
        """The weight of all positions."""
        return float(self.n[0].sum())

    @property
    def gaps(self) -> Floats:
        """The gap of each bin: |sum p - sum o|."""
        import numpy as np

        return np.abs(self.p - self.o)

    @property
    def counts(self) -> Floats:
        """The weights of the bins, 1 where they are empty."""
        import numpy as np

        return np.where(self.n, self.n, 1.0)


def check_bins(bins: int) -> None:
    """Refuse a number of bins that is none.

    Raises:
        UsageProblem: fewer than one.
    """
    if bins < 1:
        msg = f"bins={bins}: a calibration error needs one bin at least, {BINS} are usual"
        raise UsageProblem(msg)


def sums_of(
    prob: Floats,
    occurred: Floats,
    weights: Floats | None = None,
    *,
    bins: int = BINS,
    edges: Floats | None = None,
) -> tuple[float, ...]:
    """1, the number of events, and the sums of `SUMS` by event and bin, of forecasts (positions, events).

    `edges` are the upper edges of all bins but the last, (events, bins - 1), where they are not of equal width.

    >>> import numpy as np
    >>> sums_of(np.asarray([[0.25], [0.75]]), np.asarray([[0.0], [1.0]]), bins=2)[:6]
    (1.0, 1.0, 1.0, 1.0, 0.25, 0.75)
    """
    import numpy as np

    events = prob.shape[1]
    where = (bin_of(prob, bins, edges) + bins * np.arange(events)).ravel()
    p, o = prob.ravel(), occurred.ravel()

    def binned(column: Floats | None) -> Floats:
        import numpy as np

        return np.bincount(where, column, bins * events).astype(np.float64)

    if weights is None:
        counts = binned(None)
        made = [counts, *map(binned, (p, o, p * p, p * o, o * o)), counts]
    else:
        w = np.repeat(weights, events)
        made = [*map(binned, (w, w * p, w * o, w * p * p, w * p * o, w * o * o, w * w))]
    return (1.0, float(events), *np.concatenate(made).tolist())


def forecasts_of(sums: Sequence[float]) -> Forecasts:
    """The sums of `sums_of`, of one part or added up over several, by event and bin."""
    import numpy as np

    n_parts, n_events, *rest = sums
    return Forecasts(*np.asarray(rest, np.float64).reshape(len(SUMS), round(n_events / n_parts), -1))


def bin_of(prob: Floats, bins: int, edges: Floats | None = None) -> NDArray[np.intp]:
    """The bin of each probability: (a, b], and 0 in the first."""
    import numpy as np

    if edges is None:
        upper = np.arange(1, bins + 1) / bins
        return np.minimum(np.searchsorted(upper, prob, side="left"), bins - 1)
    columns = [np.searchsorted(edges[event], prob[:, event], side="left") for event in range(prob.shape[1])]
    return np.stack(columns, axis=1)


def quantile_ranks(n: int, bins: int) -> NDArray[np.int64]:
    """The ranks, counted from 1, of the values that are the upper edges of all bins but the last.

    >>> quantile_ranks(10, 3).tolist()
    [4, 7]
    """
    import numpy as np

    return -(-np.arange(1, bins, dtype=np.int64) * n // bins)


def quantile_edges(prob: Floats, bins: int) -> Floats:
    """The edges between bins with equal numbers of forecasts, (events, bins - 1); equal values stay in one bin.

    >>> import numpy as np
    >>> quantile_edges(np.asarray([[0.1], [0.2], [0.2], [0.9]]), 2).tolist()
    [[0.2]]
    """
    import numpy as np

    if not len(prob):
        return np.zeros((prob.shape[1], bins - 1))
    return np.sort(prob, axis=0)[quantile_ranks(len(prob), bins) - 1].T


# the numbers


def expected_error(sums: Sequence[float]) -> float:
    """The mean over events of each one's expected calibration error: sum over bins of |sum p - sum o| / N."""
    found = forecasts_of(sums)
    return float(found.gaps.sum(axis=1).mean() / found.total) if found.total else math.nan


def maximum_error(sums: Sequence[float]) -> float:
    """The maximum calibration error: the largest gap of a bin that is not empty."""
    found = forecasts_of(sums)
    filled = found.n > 0
    return float((found.gaps[filled] / found.n[filled]).max()) if filled.any() else math.nan


def squared_error(sums: Sequence[float]) -> float:
    """The root of sum over bins of n (mean p - mean o)^2 / N."""
    import numpy as np

    found = forecasts_of(sums)
    return float(np.sqrt((found.gaps**2 / found.counts).sum() / found.total)) if found.total else math.nan


def debiased_squared_error(sums: Sequence[float]) -> float:
    """`squared_error` without what chance adds: each square is less mean o (1 - mean o) / (n - 1), its variance.

    A bin of one position says nothing and adds nothing; a sum below 0 is 0. Of weights, 1 / (n - 1) is v / (1 - v) with
    v = sum w^2 / (sum w)^2.
    """
    import numpy as np

    found = forecasts_of(sums)
    if not found.total:
        return math.nan
    share, spread = found.o / found.counts, found.ww / found.counts**2
    several = (found.n > 0) & (spread < 1)
    variance = share * (1 - share) * spread / np.where(several, 1 - spread, 1.0)
    squares = np.where(several, (found.gaps / found.counts) ** 2 - variance, 0.0)
    return math.sqrt(max(0.0, float((found.n * squares).sum() / found.total)))


def reliability(sums: Sequence[float]) -> float:
    """Reliability, summed over events: sum over bins of n (mean p - share occurred)^2 / N."""
    found = forecasts_of(sums)
    return float((found.gaps**2 / found.counts).sum() / found.total) if found.total else math.nan


def resolution(sums: Sequence[float]) -> float:
    """Resolution, summed over events: sum over bins of n (share occurred - base rate)^2 / N."""
    found = forecasts_of(sums)
    if not found.total:
        return math.nan
    base = found.o.sum(axis=1, keepdims=True) / found.total
    return float(((found.o - found.n * base) ** 2 / found.counts).sum() / found.total)


def uncertainty(sums: Sequence[float]) -> float:
    """Uncertainty, summed over events: the variance of what occurred, base rate (1 - base rate) of 0 and 1."""
    found = forecasts_of(sums)
    if not found.total:
        return math.nan
    base = found.o.sum(axis=1) / found.total
    return float((found.oo.sum(axis=1) / found.total - base**2).sum())


def within_bins(sums: Sequence[float]) -> float:
    """What bins hide, summed over events: the variance of p within bins minus twice its covariance with o."""
    found = forecasts_of(sums)
    if not found.total:
        return math.nan
    variance = found.pp - found.p**2 / found.counts
    covariance = found.po - found.p * found.o / found.counts
    return float((variance - 2 * covariance).sum() / found.total)


def mean_square(sums: Sequence[float]) -> float:
    """The mean of (p - o)^2, summed over events, whatever the bins."""
    found = forecasts_of(sums)
    return float((found.pp - 2 * found.po + found.oo).sum() / found.total) if found.total else math.nan
