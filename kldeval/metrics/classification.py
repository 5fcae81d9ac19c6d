"""The metrics of class maps against labels, by the name that a user types.

Goal: what a segmentation or classification loss prints, with its parameters in the text that names it.
Conventions: each takes log-probabilities, a ground truth of labels or soft labels, and the rule of the run (the class
axis and the label that does not count); its keyword-only arguments are the parameters. It gives the loss and the weight
of every position, whose sums a reduction needs; see `label_losses` for what is divided by what.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.grammar import Numbers  # noqa: TC001 - the same
from kldeval.metrics.class_losses import (
    SmoothingOver,
    accuracy_terms,
    brier_terms,
    cross_entropy_terms,
    nll_terms,
)
from kldeval.metrics.registry import LABEL_METRICS, MetricInfo

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array
    from kldeval.metrics.class_losses import LabelRule, LabelTerms


@LABEL_METRICS.add("ce", MetricInfo(unit="nats", best="low", on="labels", function="cross_entropy", takes="logits"))
def ce(
    log_pred: Array,
    target: Array,
    rule: LabelRule,
    *,
    class_weights: Numbers | None = None,
    label_smoothing: float = 0.0,
    smoothing_over: SmoothingOver = "all",
) -> LabelTerms:
    """Cross-entropy of the prediction under the labels, in nats: -sum over c of w_c t_c ln p_c at each position.

    An integer label y is t_y = 1. Smoothing by s makes it 1 - s + s / C and the others s / C (`all`, as torch), or
    1 - s and s / (C - 1) (`others`). Where w_c t_c = 0, ln p_c = -inf costs nothing (torch: nan, if t is soft). The
    library function takes logits, of which it makes p by a softmax, as `F.cross_entropy` does; `nll` takes logarithms.

    The mean over integer labels divides by the sum of the labels' class weights, over soft labels by the number of
    positions; where none counts it is nan.

    Raises:
        RefusedMap: a label that is no class, naming it and its pixel; shapes that do not fit; labels that are no
            integers; soft labels beside `ignore_index`; too many or too few weights.
        UsageProblem: an axis that does not exist; a setting out of its range.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html; label smoothing:
    C. Szegedy et al. (2016), https://doi.org/10.1109/CVPR.2016.308.

    >>> import numpy as np, kldeval
    >>> logits, labels = np.asarray([[2.0, 0.0], [0.0, 0.0]]), np.asarray([255, 1])
    >>> bool(kldeval.cross_entropy(logits, labels, axis=0, ignore_index=255) == np.log(2))
    True
    """
    return cross_entropy_terms(log_pred, target, _with(rule, class_weights, label_smoothing, smoothing_over))


@LABEL_METRICS.add("nll", MetricInfo(unit="nats", best="low", on="labels"))
def nll(
    log_pred: Array,
    target: Array,
    rule: LabelRule,
    *,
    class_weights: Numbers | None = None,
    label_smoothing: float = 0.0,
    smoothing_over: SmoothingOver = "all",
) -> LabelTerms:
    """Negative log-likelihood of integer labels under the prediction, in nats: -w_y ln p_y at each position.

    As `cross_entropy`, but the library function takes log-probabilities, as `F.nll_loss` does, and no soft labels.

    Raises:
        RefusedMap: as `cross_entropy`; soft labels; exponentials that do not add up to 1, unless `check` is False.
        UsageProblem: an axis that does not exist; a setting out of its range.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.NLLLoss.html

    >>> import numpy as np, kldeval
    >>> bool(kldeval.nll(np.log(np.asarray([[0.25, 0.75]])), np.asarray([0]), axis=1) == -np.log(0.25))
    True
    """
    return nll_terms(log_pred, target, _with(rule, class_weights, label_smoothing, smoothing_over))


@LABEL_METRICS.add("brier", MetricInfo(unit="", best="low", on="labels"))
def brier(
    log_pred: Array,
    target: Array,
    rule: LabelRule,
    *,
    class_weights: Numbers | None = None,
    label_smoothing: float = 0.0,
    smoothing_over: SmoothingOver = "all",
) -> LabelTerms:
    """Brier score of the prediction under the labels: w sum over c of (p_c - t_c)^2 at each position, in 0..2.

    The original form, summed over all classes (for two classes twice that of one of them). The weight of a position is
    w = sum over c of w_c t_c before smoothing: that of its label, if it is an integer. The library function takes
    log-probabilities.

    Raises:
        RefusedMap: as `cross_entropy`; exponentials that do not add up to 1, unless `check` is False.
        UsageProblem: an axis that does not exist; a setting out of its range.

    Source: G. W. Brier (1950), https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    >>> import numpy as np, kldeval
    >>> float(kldeval.brier(np.log(np.asarray([[0.5, 0.5]])), np.asarray([1]), axis=1))
    0.5
    """
    return brier_terms(log_pred, target, _with(rule, class_weights, label_smoothing, smoothing_over))


@LABEL_METRICS.add("accuracy", MetricInfo(unit="", best="high", on="labels", takes="scores"))
def accuracy(log_pred: Array, target: Array, rule: LabelRule, *, class_weights: Numbers | None = None) -> LabelTerms:
    """Accuracy of the prediction, in 0..1: the weighted share of positions whose most probable class is the label's.

    The first of equally probable classes counts, in the prediction as in soft labels, for which the mean divides by the
    sum of the weights too. The library function takes logits, probabilities or their logarithms: only their order
    matters.

    Raises:
        RefusedMap: as `cross_entropy`.
        UsageProblem: an axis that does not exist; a setting out of its range.

    >>> import numpy as np, kldeval
    >>> float(kldeval.accuracy(np.log(np.asarray([[0.1, 0.9], [0.6, 0.4]])), np.asarray([1, 1]), axis=1))
    0.5
    """
    return accuracy_terms(log_pred, target, _with(rule, class_weights))


def _with(
    rule: LabelRule, class_weights: Numbers | None, label_smoothing: float = 0.0, smoothing_over: SmoothingOver = "all"
) -> LabelRule:
    return replace(rule, class_weights=class_weights, label_smoothing=label_smoothing, smoothing_over=smoothing_over)
