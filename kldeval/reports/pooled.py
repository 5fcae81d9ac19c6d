"""Uncertainty of numbers of all pixels together: what each map adds to them, and intervals by drawing maps anew.

A calibration error is no mean over maps, and drawing maps anew makes it larger on average: shares within bins vary by
chance, and the error is made of the sizes of their gaps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.reports.aggregate import finalizer
from kldeval.reports.moments import exact_mean, exact_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.reports.documents import Resampling

DRAWN_AT_ONCE = 1 << 22
"""So many numbers of resampled sums are held at a time."""


def influences(key: str, rows: Sequence[Sequence[float]]) -> list[float]:
    """A number per row of sums whose mean is that of all rows together: the jackknife's, to first order what each adds.

    T + (n - 1) (mean of T without one row - T without this row).

    >>> influences("bce", [(1.0, 1.0), (3.0, 1.0)])
    [1.0, 3.0]
    """
    import numpy as np

    finalize = finalizer(key)
    total = [exact_sum(column) for column in zip(*rows, strict=True)]
    whole = finalize(total)
    if len(rows) == 1:
        return [whole]
    without = [finalize((np.asarray(total) - np.asarray(row)).tolist()) for row in rows]
    usual = exact_mean(without)
    return [whole + (len(rows) - 1) * (usual - one) for one in without]


def pooled_interval(key: str, rows: Sequence[Sequence[float]], resampling: Resampling) -> tuple[float, float] | None:
    """The interval of the number of all rows together: percentiles of resampled rows, less the bias of resampling.

    The bias is the mean of the resampled numbers less the number itself. None where a number is not finite.
    """
    import numpy as np

    finalize, table = finalizer(key), np.asarray(rows, np.float64)
    whole = finalize(table.sum(axis=0).tolist())
    rng = np.random.default_rng(resampling.seed)
    shares, at_once = np.full(len(rows), 1 / len(rows)), max(1, DRAWN_AT_ONCE // table.shape[1])
    drawn: list[float] = []
    while len(drawn) < resampling.resamples:
        n = min(at_once, resampling.resamples - len(drawn))
        drawn += map(finalize, (rng.multinomial(len(rows), shares, size=n) @ table).tolist())
    numbers = np.asarray(drawn)
    if not (np.isfinite(numbers).all() and np.isfinite(whole)):
        return None
    tail = 50 * (1 - resampling.confidence)
    low, high = (np.percentile(numbers, [tail, 100 - tail]) - (numbers.mean() - whole)).tolist()
    return (max(0.0, low) if numbers.min() >= 0 else low), high
