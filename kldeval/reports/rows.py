"""What is said of the rows of a run: means with standard errors, quantiles, and the ratio of perplexities.

Saved as JSON it holds these statistics and no single rows, of which there may be millions.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass
from kldeval.reports.moments import exact_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from kldeval.records import Failure

    Floats = NDArray[np.float64]

ROWS_SCHEMA = "kldeval.rows/1"

QUANTILES = (0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
"""The quantiles that are told, with linear interpolation between ranks."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its standard error over rows, as if these were independent; nan where there are too few."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class RowSummary:
    """One number of all rows: its mean with the standard error, and its quantiles, or none of a share."""

    mean: float
    error: float
    quantiles: Mapping[float, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """The number that half of the rows have or are below."""
        return self.quantiles.get(0.5, math.nan)

    @property
    def min(self) -> float:
        """The smallest number of a row."""
        return self.quantiles.get(0.0, math.nan)

    @property
    def max(self) -> float:
        """The largest number of a row."""
        return self.quantiles.get(1.0, math.nan)


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """How well both sides predict the labels: perplexities and their ratio, with prediction first.

    `log_ratio` is ln(PPL / PPL of the ground truth), `correlation` that of the negative log-likelihoods, `shift` the
    mean change of the label's probability, and `shift_rms` its root mean square.
    """

    n: int
    pred: Estimate
    gt: Estimate
    log_ratio: Estimate
    ratio: Estimate
    correlation: float
    shift: Estimate
    shift_rms: Estimate


@dataclass(frozen=True, slots=True)
class RowsReport:
    """The outcome of scoring rows: what is said of all, and by metric a number for each row of each pair.

    `owners` are the names of the pairs and how many rows each has, `by_row` the numbers of all rows, pair after
    pair. A document that was read back has no `by_row`, and two documents are equal where all else is.
    """

    signatures: Mapping[str, str]
    provenance: Mapping[str, object]
    units: Mapping[str, str]
    owners: tuple[tuple[str, int], ...]
    summaries: Mapping[str, RowSummary]
    failures: tuple[Failure, ...]
    likelihoods: Likelihoods | None = None
    notes: tuple[str, ...] = field(default=())
    by_row: Mapping[str, Floats] = field(default_factory=dict, compare=False)

    @property
    def n(self) -> int:
        """The number of rows."""
        return sum(n for _, n in self.owners)


def mean_of(values: Floats) -> Estimate:
    """The mean of some rows, and its standard error.

    >>> import numpy as np
    >>> mean_of(np.asarray([1.0, 3.0]))
    Estimate(value=2.0, error=1.0)
    """
    import numpy as np

    n = len(values)
    if not n:
        return Estimate(math.nan, math.nan)
    mean = exact_mean(values.tolist())
    with np.errstate(invalid="ignore"):  # an infinite number has no deviation
        return Estimate(mean, float(np.std(values, ddof=1) / math.sqrt(n)) if n > 1 else math.nan)


def row_summary(values: Floats, *, is_share: bool = False) -> RowSummary:
    """What is said of a number of all rows; of a share there are no quantiles.

    >>> import numpy as np
    >>> row_summary(np.asarray([1.0, 0.0]), is_share=True)
    RowSummary(mean=0.5, error=0.5, quantiles={})
    """
    mean = mean_of(values)
    return RowSummary(mean.value, mean.error, {} if is_share else quantiles_of(values))


def quantiles_of(values: Floats) -> dict[float, float]:
    """The quantiles of some rows; beside an infinite number there is nothing to interpolate.

    >>> import numpy as np
    >>> quantiles_of(np.asarray([0.0, 1.0]))[0.9]
    0.9
    >>> quantiles_of(np.asarray([0.0, 1.0, np.inf, np.inf]))[0.9]
    inf
    """
    import numpy as np

    if not len(values):
        return dict.fromkeys(QUANTILES, math.nan)
    low, high = (np.quantile(values, QUANTILES, method=side) for side in ("lower", "higher"))
    with np.errstate(invalid="ignore"):
        between = np.quantile(values, QUANTILES)
    found = np.where(np.isfinite(low) & np.isfinite(high), between, np.where(np.isinf(low), low, high))
    return dict(zip(QUANTILES, found.tolist(), strict=True))


def likelihoods_of(nll: Floats, nll_gt: Floats, shift: Floats) -> Likelihoods:
    """Perplexities of the rows whose label counts; errors of functions of means are to first order."""
    import numpy as np

    counts = ~np.isnan(nll)
    ours, theirs, shifts = nll[counts], nll_gt[counts], shift[counts]
    with np.errstate(invalid="ignore"):  # infinite ones have no difference and no deviation
        pred, gt, log_ratio = mean_of(ours), mean_of(theirs), mean_of(ours - theirs)
        several = len(ours) > 1 and np.std(ours) > 0 and np.std(theirs) > 0
    return Likelihoods(
        int(counts.sum()),
        _exponential(pred),
        _exponential(gt),
        log_ratio,
        _exponential(log_ratio),
        float(np.corrcoef(ours, theirs)[0, 1]) if several else math.nan,
        mean_of(shifts),
        _root(mean_of(shifts**2)),
    )


def _root(mean: Estimate) -> Estimate:
    value = math.sqrt(mean.value) if mean.value >= 0 else math.nan
    return Estimate(value, 0.5 * mean.error / value if value else 0.0)


def _exponential(mean: Estimate) -> Estimate:
    value = math.inf if mean.value >= 700 else math.exp(mean.value)  # noqa: PLR2004 - beyond it exp overflows
    return Estimate(value, value * mean.error)
