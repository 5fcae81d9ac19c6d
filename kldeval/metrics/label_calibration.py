"""Calibration of class maps against labels: the metrics by the names that a user types.

Goal: how far the predicted probabilities of classes are from the shares that occur, pooled over all positions.
Conventions: as `kldeval.metrics.calibration`; `ece`, `mce` and `rmsce` look at the most probable class of each
position, the others at every class. Of soft labels the most probable class is the label. The library functions take
log-probabilities, and their number is that of all positions together. Probabilities and their bins are worked out in
float64 in every array library, whatever type the log-probabilities have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.arrays import namespace
from kldeval.metrics.calibration import (
    BINS,
    check_bins,
    debiased_squared_error,
    expected_error,
    maximum_error,
    quantile_edges,
    reliability,
    resolution,
    squared_error,
    sums_of,
    uncertainty,
    within_bins,
)
from kldeval.metrics.class_losses import accuracy_terms, most_probable, rps_terms
from kldeval.metrics.registry import LABEL_METRICS, MetricInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kldeval.arrays import Array
    from kldeval.metrics.class_losses import LabelRule, LabelTerms

    Floats = NDArray[np.float64]


def top_label_sums(
    log_pred: Array, target: Array, rule: LabelRule, weights: Floats | None = None, *, bins: int = BINS, **_: object
) -> tuple[float, ...]:
    """The sums within bins of the largest probability of each position, and whether its class is the label.

    Raises:
        RefusedMap: prediction, ground truth and rule do not fit one another.
        UsageProblem: fewer than one bin.
    """
    import numpy as np

    check_bins(bins)
    prob, label, valid = _positions(log_pred, target, rule)
    best = _host(most_probable(log_pred, rule.axis)).reshape(-1)[valid]
    top = prob[np.arange(len(prob)), best][:, None]
    return sums_of(top, (best == label).astype(np.float64)[:, None], _valid(weights, valid), bins=bins)


def class_sums(
    log_pred: Array,
    target: Array,
    rule: LabelRule,
    weights: Floats | None = None,
    *,
    bins: int = BINS,
    edges: Floats | None = None,
) -> tuple[float, ...]:
    """The sums within bins of the probability of each class at each position, and whether it is the label.

    Raises:
        RefusedMap: prediction, ground truth and rule do not fit one another.
        UsageProblem: fewer than one bin.
    """
    import numpy as np

    check_bins(bins)
    prob, label, valid = _positions(log_pred, target, rule)
    occurred = (label[:, None] == np.arange(prob.shape[1])).astype(np.float64)
    return sums_of(prob, occurred, _valid(weights, valid), bins=bins, edges=edges)


def adaptive_class_sums(
    log_pred: Array,
    target: Array,
    rule: LabelRule,
    weights: Floats | None = None,
    *,
    bins: int = BINS,
    edges: Floats | None = None,
) -> tuple[float, ...]:
    """`class_sums` in bins with equal numbers of positions: between `edges`, or those of these positions alone."""
    check_bins(bins)
    if edges is None:
        edges = quantile_edges(class_forecasts(log_pred, target, rule, weights), bins)
    return class_sums(log_pred, target, rule, weights, bins=bins, edges=edges)


def class_forecasts(log_pred: Array, target: Array, rule: LabelRule, weights: Floats | None = None) -> Floats:
    """The probabilities (positions, classes) of the positions that count, of which quantiles are taken."""
    prob, _, valid = _positions(log_pred, target, rule)
    own = _valid(weights, valid)
    return prob if own is None else prob[own > 0]


_TOP = MetricInfo(unit="", best="low", on="labels", statistics=top_label_sums, finalize=expected_error)
_CLASSES = replace(_TOP, statistics=class_sums)


@LABEL_METRICS.add("ece", _TOP)
def ece(log_pred: Array, target: Array, rule: LabelRule, *, bins: int = BINS) -> LabelTerms:
    """Expected calibration error of the most probable class: sum over bins of n_b / N |accuracy_b - confidence_b|.

    In 0..1.

    Raises:
        RefusedMap: as `cross_entropy`.
        UsageProblem: an axis that does not exist; fewer than one bin.

    Source: C. Guo et al. (2017), https://proceedings.mlr.press/v70/guo17a.html; M. P. Naeini et al. (2015),
    https://doi.org/10.1609/aaai.v29i1.9602.

    >>> import numpy as np, kldeval
    >>> pred = np.log(np.asarray([[0.75, 0.25], [0.75, 0.25]]))
    >>> float(kldeval.ece(pred, np.asarray([0, 1]), axis=1))
    0.25
    """
    return _everywhere(expected_error(top_label_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule)


@LABEL_METRICS.add("mce", replace(_TOP, finalize=maximum_error))
def mce(log_pred: Array, target: Array, rule: LabelRule, *, bins: int = BINS) -> LabelTerms:
    """Maximum calibration error of the most probable class: the largest |accuracy_b - confidence_b| of a filled bin.

    Raises:
        RefusedMap: as `cross_entropy`.
        UsageProblem: an axis that does not exist; fewer than one bin.

    Source: M. P. Naeini et al. (2015), https://doi.org/10.1609/aaai.v29i1.9602.

    >>> import numpy as np, kldeval
    >>> float(kldeval.mce(np.log(np.asarray([[0.75, 0.25]])), np.asarray([1]), axis=1))
    0.75
    """
    return _everywhere(maximum_error(top_label_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule)


@LABEL_METRICS.add("rmsce", replace(_TOP, finalize=squared_error))
def rmsce(log_pred: Array, target: Array, rule: LabelRule, *, bins: int = BINS) -> LabelTerms:
    """Root mean squared calibration error: the root of sum over bins of n_b / N (accuracy_b - confidence_b)^2.

    Of the most probable class, in 0..1; above 0 even where the model is calibrated, because shares vary by chance.

    Raises:
        RefusedMap: as `cross_entropy`.
        UsageProblem: an axis that does not exist; fewer than one bin.

    Source: A. Kumar, P. Liang, T. Ma (2019), https://arxiv.org/abs/1909.10155; D. Hendrycks et al. (2019),
    https://arxiv.org/abs/1812.04606.

    >>> import numpy as np, kldeval
    >>> pred = np.log(np.asarray([[0.75, 0.25], [0.75, 0.25]]))
    >>> float(kldeval.rmsce(pred, np.asarray([0, 1]), axis=1))
    0.25
    """
    return _everywhere(squared_error(top_label_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule)


@LABEL_METRICS.add("rmsce-debiased", replace(_TOP, finalize=debiased_squared_error))
def rmsce_debiased(log_pred: Array, target: Array, rule: LabelRule, *, bins: int = BINS) -> LabelTerms:
    """Debiased root mean squared calibration error: `rmsce` without what the chance in each bin adds to it.

    The root of sum over bins of n_b / N ((accuracy_b - confidence_b)^2 - accuracy_b (1 - accuracy_b) / (n_b - 1)), or 0
    where that sum is negative. A bin of a single position adds nothing.

    Raises:
        RefusedMap: as `cross_entropy`.
        UsageProblem: an axis that does not exist; fewer than one bin.

    Source: A. Kumar, P. Liang, T. Ma (2019), https://arxiv.org/abs/1909.10155, equation (5).

    >>> import numpy as np, kldeval
    >>> pred = np.log(np.asarray([[0.75, 0.25], [0.75, 0.25]]))
    >>> float(kldeval.rmsce_debiased(pred, np.asarray([0, 1]), axis=1))
    0.0
    """
    return _everywhere(
        debiased_squared_error(top_label_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule
    )


@LABEL_METRICS.add("ace", replace(_CLASSES, statistics=adaptive_class_sums, forecasts=class_forecasts))
def ace(log_pred: Array, target: Array, rule: LabelRule, *, bins: int = BINS) -> LabelTerms:
    """Adaptive calibration error: the mean over classes of sum over bins of n_b / N |share occurred - mean p|.

    As `classwise-ece`, in bins that hold equal numbers of positions, for each class its own: their edges are quantiles
    of its probabilities over all maps of a run, and equal probabilities stay in one bin.

    Raises:
        RefusedMap: as `cross_entropy`.
        UsageProblem: an axis that does not exist; fewer than one bin.

    Source: J. Nixon et al. (2019), https://arxiv.org/abs/1904.01685.

    >>> import numpy as np, kldeval
    >>> pred = np.log(np.asarray([[0.75, 0.25], [0.5, 0.5]]))
    >>> float(kldeval.ace(pred, np.asarray([0, 1]), axis=1, bins=2))
    0.375
    """
    return _everywhere(expected_error(adaptive_class_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule)


@LABEL_METRICS.add("classwise-ece", _CLASSES)
def classwise_ece(log_pred: Array, target: Array, rule: LabelRule, *, bins: int = BINS) -> LabelTerms:
    """Class-wise calibration error: the mean over classes of sum over bins of n_b / N |share occurred - mean p|.

    Every class is a forecast at every position, not the most probable one alone.

    Raises:
        RefusedMap: as `cross_entropy`.
        UsageProblem: an axis that does not exist; fewer than one bin.

    Source: J. Nixon et al. (2019), static calibration error, https://arxiv.org/abs/1904.01685; M. Kull et al. (2019),
    https://arxiv.org/abs/1910.12656.

    >>> import numpy as np, kldeval
    >>> pred = np.log(np.asarray([[0.75, 0.25], [0.75, 0.25]]))
    >>> float(kldeval.classwise_ece(pred, np.asarray([0, 1]), axis=1))
    0.25
    """
    return _everywhere(expected_error(class_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule)


@LABEL_METRICS.add("brier-reliability", replace(_CLASSES, finalize=reliability))
def brier_reliability(log_pred: Array, target: Array, rule: LabelRule, *, bins: int = BINS) -> LabelTerms:
    """Reliability term of the Brier score: how far probabilities are from the shares that occur, in binned squares.

    brier = brier-reliability - brier-resolution + brier-uncertainty + brier-within, summed over the classes.

    Raises:
        RefusedMap: as `cross_entropy`.
        UsageProblem: an axis that does not exist; fewer than one bin.

    Source: A. H. Murphy (1973), https://doi.org/10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; D. B. Stephenson,
    C. A. S. Coelho, I. T. Jolliffe (2008), https://doi.org/10.1175/2007WAF2006116.1.

    >>> import numpy as np, kldeval
    >>> pred = np.log(np.asarray([[0.75, 0.25], [0.75, 0.25]]))
    >>> float(kldeval.brier_reliability(pred, np.asarray([0, 1]), axis=1))
    0.125
    """
    return _everywhere(reliability(class_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule)


@LABEL_METRICS.add("brier-resolution", replace(_CLASSES, best="high", finalize=resolution))
def brier_resolution(log_pred: Array, target: Array, rule: LabelRule, *, bins: int = BINS) -> LabelTerms:
    """Resolution term of the Brier score: how far the shares that occur differ from bin to bin; higher is better.

    Raises:
        RefusedMap: as `cross_entropy`.
        UsageProblem: an axis that does not exist; fewer than one bin.

    Source: as `brier_reliability`.

    >>> import numpy as np, kldeval
    >>> pred = np.log(np.asarray([[0.75, 0.25], [0.75, 0.25]]))
    >>> float(kldeval.brier_resolution(pred, np.asarray([0, 1]), axis=1))
    0.0
    """
    return _everywhere(resolution(class_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule)


@LABEL_METRICS.add("brier-uncertainty", replace(_CLASSES, best="", finalize=uncertainty))
def brier_uncertainty(log_pred: Array, target: Array, rule: LabelRule, *, bins: int = BINS) -> LabelTerms:
    """Uncertainty term of the Brier score: what the labels alone decide, whatever is predicted.

    Raises:
        RefusedMap: as `cross_entropy`.
        UsageProblem: an axis that does not exist; fewer than one bin.

    Source: as `brier_reliability`.

    >>> import numpy as np, kldeval
    >>> pred = np.log(np.asarray([[0.75, 0.25], [0.75, 0.25]]))
    >>> float(kldeval.brier_uncertainty(pred, np.asarray([0, 1]), axis=1))
    0.5
    """
    return _everywhere(uncertainty(class_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule)


@LABEL_METRICS.add("brier-within", replace(_CLASSES, best="", finalize=within_bins))
def brier_within(log_pred: Array, target: Array, rule: LabelRule, *, bins: int = BINS) -> LabelTerms:
    """Rest of the Brier score that bins hide: the variance of p within bins minus twice its covariance with o.

    Raises:
        RefusedMap: as `cross_entropy`.
        UsageProblem: an axis that does not exist; fewer than one bin.

    Source: Stephenson et al. (2008), as `brier_reliability`.

    >>> import numpy as np, kldeval
    >>> pred = np.log(np.asarray([[0.75, 0.25], [0.75, 0.25]]))
    >>> float(kldeval.brier_within(pred, np.asarray([0, 1]), axis=1))
    0.0
    """
    return _everywhere(within_bins(class_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule)


@LABEL_METRICS.add("rps", MetricInfo(unit="", best="low", on="labels"))
def rps(log_pred: Array, target: Array, rule: LabelRule, *, normalized: bool = False) -> LabelTerms:
    """Ranked probability score of ordered classes: sum over c of (P(class <= c) - [label <= c])^2 at each position.

    In 0..C - 1, or `normalized` by C - 1 in 0..1. Soft labels are cumulated as they are.

    Raises:
        RefusedMap: as `cross_entropy`.
        UsageProblem: an axis that does not exist.

    Source: E. S. Epstein (1969), https://doi.org/10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2.

    >>> import numpy as np, kldeval
    >>> float(kldeval.rps(np.log(np.asarray([[0.5, 0.25, 0.25]])), np.asarray([0]), axis=1))
    0.3125
    """
    return rps_terms(log_pred, target, rule, normalized=normalized)


def _host(array: Array) -> NDArray[np.float64]:
    """The array as numpy's, wherever it is."""
    import numpy as np

    if hasattr(array, "detach"):
        array = array.detach().cpu()
    return np.asarray(array)


def _valid(weights: Floats | None, valid: NDArray[np.bool_]) -> Floats | None:
    import numpy as np

    return None if weights is None else np.asarray(weights, np.float64).reshape(-1)[valid]


def _positions(log_pred: Array, target: Array, rule: LabelRule) -> tuple[Floats, NDArray[np.int64], NDArray[np.bool_]]:
    """The probabilities of the positions that count (positions, classes), their labels, and which count."""
    import numpy as np

    terms = accuracy_terms(log_pred, target, rule)
    valid = _host(terms.valid).reshape(-1).astype(bool)
    rows = np.moveaxis(_host(log_pred), rule.axis, -1).reshape(-1, terms.n_classes)[valid]
    # in float64 whatever they are stored as: the exponentials of two float32 may be equal in one library and not in
    # another, and equal probabilities stay in one bin
    return np.exp(rows.astype(np.float64)), _host(terms.label).reshape(-1)[valid].astype(np.int64), valid


def _everywhere(value: float, log_pred: Array, target: Array, rule: LabelRule) -> LabelTerms:
    """The number at every position that counts, so that any mean of it is that number."""
    terms = accuracy_terms(log_pred, target, rule)
    xp = namespace(terms.loss)
    weight = xp.astype(terms.valid, terms.loss.dtype)
    return replace(terms, loss=xp.where(terms.valid, value, xp.zeros_like(terms.loss)), weight=weight)
