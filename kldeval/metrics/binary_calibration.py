"""Calibration of maps that hold one probability at each pixel, against ground truths in 0..1.

Goal: whether pixels of a predicted probability belong to the ground truth as often as it says, over all pixels.
Conventions: as `kldeval.metrics.calibration`, with the event that the pixel belongs to the ground truth; a ground truth
between 0 and 1 is the share of the pixel that does. The library functions take probabilities of any shape and give one
number of all pixels together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.metrics.calibration import (
    BINS,
    check_bins,
    debiased_squared_error,
    expected_error,
    maximum_error,
    mean_square,
    quantile_edges,
    reliability,
    resolution,
    squared_error,
    sums_of,
    uncertainty,
    within_bins,
)
from kldeval.metrics.registry import METRICS, MetricInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kldeval.arrays import Array

    Floats = NDArray[np.float64]


def pixel_sums(
    pred: Array, gt: Array, weights: Array | None = None, *, bins: int = BINS, edges: Floats | None = None
) -> tuple[float, ...]:
    """The sums within bins of the probability of each pixel, and of the ground truth there.

    Raises:
        UsageProblem: fewer than one bin.
    """
    check_bins(bins)
    prob, occurred, own = _columns(pred, gt, weights)
    return sums_of(prob, occurred, own, bins=bins, edges=edges)


def adaptive_pixel_sums(
    pred: Array, gt: Array, weights: Array | None = None, *, bins: int = BINS, edges: Floats | None = None
) -> tuple[float, ...]:
    """`pixel_sums` in bins with equal numbers of pixels: between `edges`, or those of these pixels alone."""
    check_bins(bins)
    if edges is None:
        edges = quantile_edges(pixel_forecasts(pred, gt, weights), bins)
    return pixel_sums(pred, gt, weights, bins=bins, edges=edges)


def pixel_forecasts(pred: Array, gt: Array, weights: Array | None = None) -> Floats:
    """The probabilities (pixels, 1) of the pixels that count."""
    return _columns(pred, gt, weights)[0]


def _columns(pred: Array, gt: Array, weights: Array | None) -> tuple[Floats, Floats, Floats | None]:
    """The pixels of positive weight as (pixels, 1), and their weights."""
    import numpy as np

    arrays = [_host(array) for array in (pred, gt, *(() if weights is None else (weights,)))]
    prob, occurred, *own = (array.ravel() for array in np.broadcast_arrays(*arrays))
    if own:
        exists = own[0] > 0
        prob, occurred, own = prob[exists], occurred[exists], [own[0][exists]]
    return prob[:, None], occurred[:, None], own[0] if own else None


def _host(array: Array) -> Floats:
    """The array as numpy's, wherever it is."""
    import numpy as np

    if hasattr(array, "detach"):
        array = array.detach().cpu()
    return np.asarray(array, np.float64)


_PIXELS = MetricInfo(unit="", best="low", on="pixels", statistics=pixel_sums, finalize=expected_error)


@METRICS.add("binary-ece", _PIXELS)
def binary_ece(pred: Array, gt: Array, weights: Array | None = None, *, bins: int = BINS) -> float:
    """Expected calibration error of one probability a pixel: sum over bins of n_b / N |share occurred - mean p|.

    In 0..1; of two classes it looks at the probability of the second, not at that of the more probable one.

    Raises:
        RefusedMap: the shapes differ, or a value lies outside 0..1.
        UsageProblem: fewer than one bin.

    Source: C. Guo et al. (2017), https://proceedings.mlr.press/v70/guo17a.html; M. P. Naeini et al. (2015),
    https://doi.org/10.1609/aaai.v29i1.9602.

    >>> import numpy as np, kldeval
    >>> float(kldeval.binary_ece(np.asarray([0.75, 0.75]), np.asarray([0.0, 1.0])))
    0.25
    """
    return expected_error(pixel_sums(pred, gt, weights, bins=bins))


@METRICS.add("binary-mce", replace(_PIXELS, finalize=maximum_error))
def binary_mce(pred: Array, gt: Array, weights: Array | None = None, *, bins: int = BINS) -> float:
    """Maximum calibration error of one probability a pixel: the largest |share occurred - mean p| of a filled bin.

    Raises:
        RefusedMap: the shapes differ, or a value lies outside 0..1.
        UsageProblem: fewer than one bin.

    Source: M. P. Naeini et al. (2015), https://doi.org/10.1609/aaai.v29i1.9602.

    >>> import numpy as np, kldeval
    >>> float(kldeval.binary_mce(np.asarray([0.75, 0.75]), np.asarray([0.0, 1.0])))
    0.25
    """
    return maximum_error(pixel_sums(pred, gt, weights, bins=bins))


@METRICS.add("binary-ace", replace(_PIXELS, statistics=adaptive_pixel_sums, forecasts=pixel_forecasts))
def binary_ace(pred: Array, gt: Array, weights: Array | None = None, *, bins: int = BINS) -> float:
    """Adaptive calibration error of one probability a pixel: `binary-ece` in bins of equal numbers of pixels.

    The edges of the bins are quantiles of the probabilities over all maps of a run; equal ones stay in one bin.

    Raises:
        RefusedMap: the shapes differ, or a value lies outside 0..1.
        UsageProblem: fewer than one bin.

    Source: J. Nixon et al. (2019), https://arxiv.org/abs/1904.01685.

    >>> import numpy as np, kldeval
    >>> float(kldeval.binary_ace(np.asarray([0.75, 0.5]), np.asarray([0.0, 1.0]), bins=2))
    0.625
    """
    return expected_error(adaptive_pixel_sums(pred, gt, weights, bins=bins))


@METRICS.add("binary-rmsce", replace(_PIXELS, finalize=squared_error))
def binary_rmsce(pred: Array, gt: Array, weights: Array | None = None, *, bins: int = BINS) -> float:
    """Root mean squared calibration error of one probability a pixel: the root of sum n_b / N (share - mean p)^2.

    Raises:
        RefusedMap: the shapes differ, or a value lies outside 0..1.
        UsageProblem: fewer than one bin.

    Source: as `rmsce`, A. Kumar et al. (2019), https://arxiv.org/abs/1909.10155.

    >>> import numpy as np, kldeval
    >>> float(kldeval.binary_rmsce(np.asarray([0.75, 0.75]), np.asarray([0.0, 1.0])))
    0.25
    """
    return squared_error(pixel_sums(pred, gt, weights, bins=bins))


@METRICS.add("binary-rmsce-debiased", replace(_PIXELS, finalize=debiased_squared_error))
def binary_rmsce_debiased(pred: Array, gt: Array, weights: Array | None = None, *, bins: int = BINS) -> float:
    """Debiased root mean squared calibration error of one probability a pixel: without what chance adds.

    As `rmsce_debiased`, of the share of each bin that occurred.

    Raises:
        RefusedMap: the shapes differ, or a value lies outside 0..1.
        UsageProblem: fewer than one bin.

    Source: A. Kumar et al. (2019), https://arxiv.org/abs/1909.10155, equation (5).

    >>> import numpy as np, kldeval
    >>> float(kldeval.binary_rmsce_debiased(np.asarray([0.75, 0.75]), np.asarray([0.0, 1.0])))
    0.0
    """
    return debiased_squared_error(pixel_sums(pred, gt, weights, bins=bins))


@METRICS.add("binary-brier", replace(_PIXELS, finalize=mean_square))
def binary_brier(pred: Array, gt: Array, weights: Array | None = None, *, bins: int = BINS) -> float:
    """Brier score of one probability a pixel: the mean of (p - o)^2 over all pixels, in 0..1.

    binary-brier = binary-brier-reliability - binary-brier-resolution + binary-brier-uncertainty + binary-brier-within.
    The bins do not move it.

    Raises:
        RefusedMap: the shapes differ, or a value lies outside 0..1.
        UsageProblem: fewer than one bin.

    Source: G. W. Brier (1950), https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2, of one of two classes.

    >>> import numpy as np, kldeval
    >>> float(kldeval.binary_brier(np.asarray([0.75, 0.75]), np.asarray([0.0, 1.0])))
    0.3125
    """
    return mean_square(pixel_sums(pred, gt, weights, bins=bins))


@METRICS.add("binary-brier-reliability", replace(_PIXELS, finalize=reliability))
def binary_brier_reliability(pred: Array, gt: Array, weights: Array | None = None, *, bins: int = BINS) -> float:
    """Reliability term of `binary-brier`: how far probabilities are from shares that occur.

    Raises:
        RefusedMap: the shapes differ, or a value lies outside 0..1.
        UsageProblem: fewer than one bin.

    Source: as `brier_reliability`, Murphy (1973) and Stephenson et al. (2008).

    >>> import numpy as np, kldeval
    >>> float(kldeval.binary_brier_reliability(np.asarray([0.75, 0.75]), np.asarray([0.0, 1.0])))
    0.0625
    """
    return reliability(pixel_sums(pred, gt, weights, bins=bins))


@METRICS.add("binary-brier-resolution", replace(_PIXELS, best="high", finalize=resolution))
def binary_brier_resolution(pred: Array, gt: Array, weights: Array | None = None, *, bins: int = BINS) -> float:
    """Resolution term of `binary-brier`: how far these shares differ from bin to bin.

    Raises:
        RefusedMap: the shapes differ, or a value lies outside 0..1.
        UsageProblem: fewer than one bin.

    Source: as `brier_reliability`, Murphy (1973) and Stephenson et al. (2008).

    >>> import numpy as np, kldeval
    >>> float(kldeval.binary_brier_resolution(np.asarray([0.75, 0.75]), np.asarray([0.0, 1.0])))
    0.0
    """
    return resolution(pixel_sums(pred, gt, weights, bins=bins))


@METRICS.add("binary-brier-uncertainty", replace(_PIXELS, best="", finalize=uncertainty))
def binary_brier_uncertainty(pred: Array, gt: Array, weights: Array | None = None, *, bins: int = BINS) -> float:
    """Uncertainty term of `binary-brier`: the variance of the ground truth.

    Raises:
        RefusedMap: the shapes differ, or a value lies outside 0..1.
        UsageProblem: fewer than one bin.

    Source: as `brier_reliability`, Murphy (1973) and Stephenson et al. (2008).

    >>> import numpy as np, kldeval
    >>> float(kldeval.binary_brier_uncertainty(np.asarray([0.75, 0.75]), np.asarray([0.0, 1.0])))
    0.25
    """
    return uncertainty(pixel_sums(pred, gt, weights, bins=bins))


@METRICS.add("binary-brier-within", replace(_PIXELS, best="", finalize=within_bins))
def binary_brier_within(pred: Array, gt: Array, weights: Array | None = None, *, bins: int = BINS) -> float:
    """Rest term of `binary-brier`: variance of p within bins less twice its covariance with o.

    Raises:
        RefusedMap: the shapes differ, or a value lies outside 0..1.
        UsageProblem: fewer than one bin.

    Source: as `brier_reliability`, Murphy (1973) and Stephenson et al. (2008).

    >>> import numpy as np, kldeval
    >>> float(kldeval.binary_brier_within(np.asarray([0.75, 0.75]), np.asarray([0.0, 1.0])))
    0.0
    """
    return within_bins(pixel_sums(pred, gt, weights, bins=bins))
