"""Losses of class maps against labels, as torch computes them.

Goal: cross-entropy, likelihood, Brier score and accuracy of (C, H, W) maps, (N, C) rows or any other shape with a class
axis, against integer labels of the same shape without that axis, or soft labels of the same shape.
Conventions: `log_pred, target`; the prediction is given by its natural logarithms (`log_softmax` makes them of logits)
and is not normalised again; losses are in nats. `reduction`, over all positions:
none (0 where ignored), sum, or mean, which over integer labels divides by the sum of the labels' class weights and over
soft labels by the number of positions. A mean of maps is not the mean over their pixels when they ignore different
numbers: for that, add up `LabelTerms.totals()` of `label_losses`.
Sources: https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html and NLLLoss; label smoothing:
C. Szegedy et al. (2016), https://doi.org/10.1109/CVPR.2016.308; Brier score: G. W. Brier (1950),
https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from kldeval.grammar import Numbers, Registry
from kldeval.metrics.class_losses import (
    LabelRule,
    SmoothingOver,
    accuracy_terms,
    brier_terms,
    cross_entropy_terms,
    nll_terms,
)
from kldeval.metrics.registry import MetricInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kldeval.arrays import Array
    from kldeval.metrics.class_losses import LabelTerms


Reduction = Literal["none", "sum", "mean"]


def cross_entropy(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    class_weights: Iterable[float] | None = None,
    label_smoothing: float = 0.0,
    smoothing_over: SmoothingOver = "all",
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """Cross-entropy of the prediction under the labels, in nats: -sum over c of w_c t_c ln p_c at each position.

    An integer label y is t_y = 1. Smoothing by s makes it 1 - s + s / C and the others s / C (`all`, as torch), or
    1 - s and s / (C - 1) (`others`). Where w_c t_c = 0, ln p_c = -inf costs nothing (torch: nan, if t is soft).

    Args:
        log_pred: log-probabilities with C classes on `axis`.
        target: integer labels without that axis, or probabilities of the shape of `log_pred`.
        axis: the class axis.
        class_weights: w, one per class; None: all 1.
        label_smoothing: s, in 0..1.
        smoothing_over: `all` classes, or the `others` than the label's.
        ignore_index: the label of positions that do not count; None: all count. torch's default is -100.
        reduction: none, sum or mean.

    Returns:
        The loss of every position (none), else one number; the mean of no position is nan.

    Raises:
        RefusedMap: a label that is no class, naming it and its pixel; shapes that do not fit; labels that are no
            integers; soft labels beside `ignore_index`; too many or too few weights.
        UsageProblem: an axis that does not exist; a setting out of its range.

    >>> import numpy as np
    >>> from kldeval.normalization.softmax import log_softmax
    >>> logits, labels = np.asarray([[2.0, 0.0], [0.0, 0.0]]), np.asarray([255, 1])
    >>> bool(cross_entropy(log_softmax(logits, axis=0), labels, axis=0, ignore_index=255) == np.log(2))
    True
    """
    rule = LabelRule(
        axis=axis,
        class_weights=_numbers(class_weights),
        label_smoothing=label_smoothing,
        smoothing_over=smoothing_over,
        ignore_index=ignore_index,
    )
    return cross_entropy_terms(log_pred, target, rule).reduced(reduction)


def nll(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    class_weights: Iterable[float] | None = None,
    label_smoothing: float = 0.0,
    smoothing_over: SmoothingOver = "all",
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """Negative log-likelihood of integer labels under the prediction, in nats: -w_y ln p_y at each position.

    The same as `cross_entropy`, which see for the arguments, but for integer labels alone.

    Raises:
        RefusedMap: as `cross_entropy`, and where the labels are soft.
        UsageProblem: an axis that does not exist; a setting out of its range.

    >>> import numpy as np
    >>> bool(nll(np.log(np.asarray([[0.25, 0.75]])), np.asarray([0]), axis=1) == -np.log(0.25))
    True
    """
    rule = LabelRule(
        axis=axis,
        class_weights=_numbers(class_weights),
        label_smoothing=label_smoothing,
        smoothing_over=smoothing_over,
        ignore_index=ignore_index,
    )
    return nll_terms(log_pred, target, rule).reduced(reduction)


def brier(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    class_weights: Iterable[float] | None = None,
    label_smoothing: float = 0.0,
    smoothing_over: SmoothingOver = "all",
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """Brier score of the prediction under the labels: w sum over c of (p_c - t_c)^2 at each position, in 0..2.

    The original form, summed over all classes (for two classes twice that of one of them). The weight of a position is
    w = sum over c of w_c t_c before smoothing: that of its label, if it is an integer. Arguments as in `cross_entropy`.

    Raises:
        RefusedMap: as `cross_entropy`.
        UsageProblem: an axis that does not exist; a setting out of its range.

    >>> import numpy as np
    >>> float(brier(np.log(np.asarray([[0.5, 0.5]])), np.asarray([1]), axis=1))
    0.5
    """
    rule = LabelRule(
        axis=axis,
        class_weights=_numbers(class_weights),
        label_smoothing=label_smoothing,
        smoothing_over=smoothing_over,
        ignore_index=ignore_index,
    )
    return brier_terms(log_pred, target, rule).reduced(reduction)


def accuracy(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    class_weights: Iterable[float] | None = None,
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """Accuracy of the prediction: w at each position whose most probable class is that of the label, else 0.

    The first of equally probable classes counts, in the prediction as in soft labels. The mean is the weighted share
    of hits, in 0..1, for soft labels too. Arguments as in `cross_entropy`; smoothing has no say in it.

    Raises:
        RefusedMap: as `cross_entropy`.
        UsageProblem: an axis that does not exist; a setting out of its range.

    >>> import numpy as np
    >>> float(accuracy(np.log(np.asarray([[0.1, 0.9], [0.6, 0.4]])), np.asarray([1, 1]), axis=1))
    0.5
    """
    rule = LabelRule(axis=axis, class_weights=_numbers(class_weights), ignore_index=ignore_index)
    return accuracy_terms(log_pred, target, rule).reduced(reduction)


def _numbers(weights: Iterable[float] | None) -> tuple[float, ...] | None:
    return None if weights is None else tuple(float(weight) for weight in weights)


LABEL_METRICS: Registry[Callable[..., LabelTerms], MetricInfo] = Registry("metric of labels", MetricInfo)
"""Beside `METRICS`: `ce` is in both, and the ground truth decides which of them it is."""


@LABEL_METRICS.add("ce", MetricInfo(unit="nats", best="low", on="labels"))
def ce(
    log_pred: Array,
    target: Array,
    rule: LabelRule,
    *,
    class_weights: Numbers | None = None,
    label_smoothing: float = 0.0,
    smoothing_over: SmoothingOver = "all",
) -> LabelTerms:
    """Cross-entropy of the prediction under the labels, in nats: -sum over c of w_c t_c ln p_c; `F.cross_entropy`."""
    return cross_entropy_terms(log_pred, target, _with(rule, class_weights, label_smoothing, smoothing_over))


@LABEL_METRICS.add("nll", MetricInfo(unit="nats", best="low", on="labels"))
def label_nll(
    log_pred: Array,
    target: Array,
    rule: LabelRule,
    *,
    class_weights: Numbers | None = None,
    label_smoothing: float = 0.0,
    smoothing_over: SmoothingOver = "all",
) -> LabelTerms:
    """Negative log-likelihood of the labels under the prediction, in nats: -w_y ln p_y; `F.nll_loss`."""
    return nll_terms(log_pred, target, _with(rule, class_weights, label_smoothing, smoothing_over))


@LABEL_METRICS.add("brier", MetricInfo(unit="", best="low", on="labels"))
def label_brier(
    log_pred: Array,
    target: Array,
    rule: LabelRule,
    *,
    class_weights: Numbers | None = None,
    label_smoothing: float = 0.0,
    smoothing_over: SmoothingOver = "all",
) -> LabelTerms:
    """Brier score of the prediction under the labels, in 0..2: w sum over c of (p_c - t_c)^2."""
    return brier_terms(log_pred, target, _with(rule, class_weights, label_smoothing, smoothing_over))


@LABEL_METRICS.add("accuracy", MetricInfo(unit="", best="high", on="labels"))
def label_accuracy(
    log_pred: Array, target: Array, rule: LabelRule, *, class_weights: Numbers | None = None
) -> LabelTerms:
    """Accuracy of the prediction, in 0..1: the weighted share of positions whose most probable class is the label's."""
    return accuracy_terms(log_pred, target, _with(rule, class_weights))


def _with(
    rule: LabelRule, class_weights: Numbers | None, label_smoothing: float = 0.0, smoothing_over: SmoothingOver = "all"
) -> LabelRule:
    return replace(rule, class_weights=class_weights, label_smoothing=label_smoothing, smoothing_over=smoothing_over)
