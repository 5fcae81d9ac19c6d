"""The metrics of class maps against labels, by the name that a user types.

Goal: what a segmentation or classification loss prints, with its parameters in the text that names it.
Conventions: each takes log-probabilities, a ground truth of labels or soft labels, and the rule of the run (the class
axis and the label that does not count); its keyword-only arguments are the parameters. It gives the loss and the weight
of every position, whose sums a reduction needs; see `label_losses` for what is divided by what.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.metrics.label_losses import accuracy_terms, brier_terms, cross_entropy_terms, nll_terms
from kldeval.metrics.label_rule import SmoothingOver  # noqa: TC001 - the registry reads the types of parameters
from kldeval.metrics.registry import MetricInfo
from kldeval.names import Numbers, Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.arrays import Array
    from kldeval.metrics.label_rule import LabelRule
    from kldeval.metrics.label_terms import LabelTerms

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
def nll(
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
def brier(
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
def accuracy(log_pred: Array, target: Array, rule: LabelRule, *, class_weights: Numbers | None = None) -> LabelTerms:
    """Accuracy of the prediction, in 0..1: the weighted share of positions whose most probable class is the label's."""
    return accuracy_terms(log_pred, target, _with(rule, class_weights))


def _with(
    rule: LabelRule, class_weights: Numbers | None, label_smoothing: float = 0.0, smoothing_over: SmoothingOver = "all"
) -> LabelRule:
    return replace(rule, class_weights=class_weights, label_smoothing=label_smoothing, smoothing_over=smoothing_over)
