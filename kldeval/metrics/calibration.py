"""Calibration of class maps: whether classes of a predicted probability occur as often as it says.

Goal: the calibration errors of the literature and the decomposition of the Brier score, exact over a whole data set.
Conventions: probabilities fall into bins of equal width, (a, b], and 0 into the first. A metric is made of sums within
the bins, which add up over blocks and maps (`MetricInfo.statistics`): `--maps pixels` pools all pixels before the
number is worked out. The mean over maps of each map's number is another, and higher, since a map has fewer pixels.
Of soft labels the most probable class is the label.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kldeval.arrays import namespace
from kldeval.errors import UsageProblem
from kldeval.metrics.class_losses import accuracy_terms, most_probable, rps_terms
from kldeval.metrics.registry import LABEL_METRICS, MetricInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kldeval.arrays import Array
    from kldeval.metrics.class_losses import LabelRule, LabelTerms

    Floats = NDArray[np.float64]

BINS = 15
"""As many as Guo et al. and torchmetrics take."""

FORECASTS = ("n", "p", "o", "pp", "po")
"""What is summed of each class in each bin: the number of positions, the probability, whether it occurred, products."""


class Forecasts(NamedTuple):
    """Sums within bins, each of shape (classes, bins): see `FORECASTS`."""

    n: Floats
    p: Floats
    o: Floats
    pp: Floats
    po: Floats

    @property
    def total(self) -> float:
        """The number of positions."""
        return float(self.n[0].sum())


def top_label_sums(log_pred: Array, target: Array, rule: LabelRule, *, bins: int = BINS) -> tuple[float, ...]:
    """For each bin the number of positions, the sum of their largest probabilities, and how many were right.

    Raises:
        RefusedMap: prediction, ground truth and rule do not fit one another.
        UsageProblem: fewer than one bin.
    """
    _check_bins(bins)
    prob, label, valid = _positions(log_pred, target, rule)
    best = _host(most_probable(log_pred, rule.axis)).reshape(-1)[valid]
    top = prob[np.arange(len(prob)), best]
    where = _bin_of(top, bins)
    columns = (None, top, (best == label).astype(np.float64))
    return tuple(float(x) for column in columns for x in np.bincount(where, column, bins))


def forecast_sums(log_pred: Array, target: Array, rule: LabelRule, *, bins: int = BINS) -> tuple[float, ...]:
    """The number of positions, that times the number of classes, and the sums of `FORECASTS` by class and bin.

    Raises:
        RefusedMap: prediction, ground truth and rule do not fit one another.
        UsageProblem: fewer than one bin.
    """
    _check_bins(bins)
    prob, label, _ = _positions(log_pred, target, rule)
    n, classes = prob.shape
    occurred = (label[:, None] == np.arange(classes)).astype(np.float64)
    where = (_bin_of(prob, bins) + bins * np.arange(classes)).ravel()
    columns = (None, prob, occurred, prob * prob, prob * occurred)
    sums = [np.bincount(where, None if x is None else x.ravel(), bins * classes) for x in columns]
    return (float(n), float(n * classes), *(float(x) for column in sums for x in column))


def forecasts_of(sums: Sequence[float]) -> Forecasts:
    """The sums by class and bin; those of no position have one empty bin."""
    n, n_classes, *rest = sums
    classes = round(n_classes / n) if n else 1
    return Forecasts(*np.asarray(rest).reshape(len(FORECASTS), classes, -1))


def expected_error(sums: Sequence[float]) -> float:
    """The expected calibration error of `top_label_sums`."""
    n, confidence, right = np.asarray(sums).reshape(3, -1)
    return float(np.abs(right - confidence).sum() / n.sum()) if n.sum() else math.nan


def maximum_error(sums: Sequence[float]) -> float:
    """The maximum calibration error of `top_label_sums`: the largest gap of a bin that is not empty."""
    n, confidence, right = np.asarray(sums).reshape(3, -1)
    filled = n > 0
    return float((np.abs(right - confidence)[filled] / n[filled]).max()) if filled.any() else math.nan


def classwise_error(sums: Sequence[float]) -> float:
    """The class-wise calibration error of `forecast_sums`: the mean over classes of each one's expected error."""
    found = forecasts_of(sums)
    return float(np.abs(found.p - found.o).sum(axis=1).mean() / found.total) if found.total else math.nan


def reliability(sums: Sequence[float]) -> float:
    """Reliability of `forecast_sums`, summed over classes: sum over bins of n (mean p - share occurred)^2 / N."""
    found = forecasts_of(sums)
    return (
        float(((found.p - found.o) ** 2 / np.where(found.n, found.n, 1.0)).sum() / found.total)
        if found.total
        else math.nan
    )


def resolution(sums: Sequence[float]) -> float:
    """Resolution of `forecast_sums`, summed over classes: sum over bins of n (share occurred - base rate)^2 / N."""
    found = forecasts_of(sums)
    if not found.total:
        return math.nan
    base = found.o.sum(axis=1, keepdims=True) / found.total
    return float(((found.o - found.n * base) ** 2 / np.where(found.n, found.n, 1.0)).sum() / found.total)


def uncertainty(sums: Sequence[float]) -> float:
    """Uncertainty of `forecast_sums`, summed over classes: base rate (1 - base rate)."""
    found = forecasts_of(sums)
    if not found.total:
        return math.nan
    base = found.o.sum(axis=1) / found.total
    return float((base * (1 - base)).sum())


def within_bins(sums: Sequence[float]) -> float:
    """What bins hide of `forecast_sums`, summed over classes: the variance within bins minus twice the covariance."""
    found = forecasts_of(sums)
    if not found.total:
        return math.nan
    n = np.where(found.n, found.n, 1.0)
    variance = found.pp - found.p**2 / n
    covariance = found.po - found.p * found.o / n
    return float((variance - 2 * covariance).sum() / found.total)


_LOW = MetricInfo(unit="", best="low", on="labels", statistics=top_label_sums, finalize=expected_error)
_FORECASTS = replace(_LOW, statistics=forecast_sums, finalize=classwise_error)


@LABEL_METRICS.add("ece", _LOW)
def ece(log_pred: Array, target: Array, rule: LabelRule, *, bins: int = BINS) -> LabelTerms:
    """Expected calibration error of the most probable class: sum over bins of n_b / N |accuracy_b - confidence_b|.

    In 0..1. The library function takes log-probabilities, and its number is that of all positions together.

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


@LABEL_METRICS.add("mce", replace(_LOW, finalize=maximum_error))
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


@LABEL_METRICS.add("classwise-ece", _FORECASTS)
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
    return _everywhere(classwise_error(forecast_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule)


@LABEL_METRICS.add("brier-reliability", replace(_FORECASTS, finalize=reliability))
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
    return _everywhere(reliability(forecast_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule)


@LABEL_METRICS.add("brier-resolution", replace(_FORECASTS, best="high", finalize=resolution))
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
    return _everywhere(resolution(forecast_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule)


@LABEL_METRICS.add("brier-uncertainty", replace(_FORECASTS, best="", finalize=uncertainty))
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
    return _everywhere(uncertainty(forecast_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule)


@LABEL_METRICS.add("brier-within", replace(_FORECASTS, best="", finalize=within_bins))
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
    return _everywhere(within_bins(forecast_sums(log_pred, target, rule, bins=bins)), log_pred, target, rule)


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


def _check_bins(bins: int) -> None:
    if bins < 1:
        msg = f"bins={bins}: a calibration error needs one bin at least, {BINS} are usual"
        raise UsageProblem(msg)


def _host(array: Array) -> NDArray[np.float64]:
    """The array as numpy's, wherever it is."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
    return np.asarray(array)


def _positions(log_pred: Array, target: Array, rule: LabelRule) -> tuple[Floats, NDArray[np.int64], NDArray[np.bool_]]:
    """The probabilities of the positions that count (positions, classes), their labels, and which count."""
    terms = accuracy_terms(log_pred, target, rule)
    xp = namespace(log_pred)
    valid = _host(terms.valid).reshape(-1).astype(bool)
    rows = _host(xp.exp(xp.moveaxis(log_pred, rule.axis, -1))).reshape(-1, terms.n_classes)
    return rows[valid].astype(np.float64), _host(terms.label).reshape(-1)[valid].astype(np.int64), valid


def _bin_of(prob: Floats, bins: int) -> NDArray[np.intp]:
    """The bin of each probability: (a, b], and 0 in the first."""
    upper = np.arange(1, bins + 1) / bins
    return np.minimum(np.searchsorted(upper, prob, side="left"), bins - 1)


def _everywhere(value: float, log_pred: Array, target: Array, rule: LabelRule) -> LabelTerms:
    """The number at every position that counts, so that any mean of it is that number."""
    terms = accuracy_terms(log_pred, target, rule)
    xp = namespace(terms.loss)
    weight = xp.astype(terms.valid, terms.loss.dtype)
    return replace(terms, loss=xp.where(terms.valid, value, xp.zeros_like(terms.loss)), weight=weight)
