"""The losses on labels: each takes log-probabilities, a ground truth and a rule, and gives the loss of every position.

Integer labels lack the class axis of the prediction, soft labels have it. A class weight multiplies the loss of a
position with that label. The mean follows torch: over integer labels it divides by the sum of the weights, over soft
labels by the number of positions. Nothing as large as the prediction is made on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.arrays import namespace, quiet
from kldeval.errors import RefusedMap
from kldeval.metrics.label_terms import LabelTerms
from kldeval.metrics.pointwise import expected
from kldeval.metrics.targets import most_probable, one_hot, read_target
from kldeval.numeric import in_blocks, real_floats

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.arrays import Array
    from kldeval.metrics.label_rule import LabelRule
    from kldeval.metrics.targets import Target


def cross_entropy_terms(log_pred: Array, target: Array, rule: LabelRule) -> LabelTerms:
    """The cross-entropy of every position: -sum over c of w_c t_c ln p_c, in nats.

    Raises:
        UsageProblem: the prediction has no such class axis.
        RefusedMap: prediction, ground truth and rule do not fit one another.
    """
    case = _make_case(log_pred, target, rule)
    if case.truth.soft is None and not rule.label_smoothing:
        log_prob = namespace(case.log_pred).take_along_axis(case.log_pred, case.truth.label, axis=rule.axis)
        return case.terms(-expected(case.importance(), log_prob))

    def of_block(log_pred: Array, soft: Array) -> Array:
        share = soft if case.weights is None else case.weights * soft
        return -namespace(log_pred).sum(expected(share, log_pred), axis=rule.axis, keepdims=True)

    return case.terms(case.over_classes(of_block))


def nll_terms(log_pred: Array, target: Array, rule: LabelRule) -> LabelTerms:
    """The negative log-likelihood of every position: -w_y ln p_y, in nats; the cross-entropy of integer labels.

    Raises:
        UsageProblem: the prediction has no such class axis.
        RefusedMap: as for `cross_entropy_terms`, and where the labels are soft.
    """
    refuse_soft_labels(log_pred, target)
    return cross_entropy_terms(log_pred, target, rule)


def refuse_soft_labels(log_pred: Array, target: Array) -> None:
    """Refuse soft labels, of which there is no likelihood.

    Raises:
        RefusedMap: the ground truth has the shape of the prediction.
    """
    if tuple(target.shape) == tuple(log_pred.shape):
        msg = (
            f"nll takes integer labels, and a ground truth of the prediction's shape {tuple(target.shape)} holds soft "
            "labels; use the cross-entropy"
        )
        raise RefusedMap(msg)


def brier_terms(log_pred: Array, target: Array, rule: LabelRule) -> LabelTerms:
    """The Brier score of every position: w sum over c of (p_c - t_c)^2, with w = sum over c of w_c t_c unsmoothed.

    Raises:
        UsageProblem: the prediction has no such class axis.
        RefusedMap: prediction, ground truth and rule do not fit one another.
    """
    case = _make_case(log_pred, target, rule)

    def of_block(log_pred: Array, soft: Array) -> Array:
        xp = namespace(log_pred)
        return xp.sum((xp.exp(log_pred) - soft) ** 2, axis=rule.axis, keepdims=True)

    return case.terms(case.importance() * case.over_classes(of_block))


def accuracy_terms(log_pred: Array, target: Array, rule: LabelRule) -> LabelTerms:
    """Whether the most probable class of every position (the first of equals) is that of the label: w or 0.

    Of soft labels the most probable one counts, with w = sum over c of w_c t_c, and the mean divides by the sum of w
    for them too, so that it stays a share. Smoothing does not move the most probable label and is not looked at.

    Raises:
        UsageProblem: the prediction has no such class axis.
        RefusedMap: prediction, ground truth and rule do not fit one another.
    """
    case = _make_case(log_pred, target, rule)
    best = most_probable(case.log_pred, rule.axis)
    importance = case.importance()
    return case.terms(importance * namespace(best).astype(best == case.truth.label, importance.dtype), importance)


@dataclass(frozen=True, slots=True)
class _Case:
    """A prediction and its ground truth, checked against each other; the class weights lie along the class axis."""

    log_pred: Array
    truth: Target
    rule: LabelRule
    weights: Array | None

    def importance(self) -> Array:
        """The weight of every position, sum over c of w_c t_c; of an integer label y it is w_y."""
        label, weights, xp = self.truth.label, self.weights, namespace(self.log_pred)
        if weights is None:
            return xp.ones_like(label, dtype=self.log_pred.dtype)
        if self.truth.soft is None:
            chosen = xp.take(xp.reshape(weights, (-1,)), xp.reshape(label, (-1,)), axis=0)
            return xp.reshape(chosen, tuple(label.shape))
        axis = self.rule.axis
        return in_blocks(lambda soft: xp.sum(weights * soft, axis=axis, keepdims=True), self.truth.soft, axis=axis)

    def over_classes(self, of_block: Callable[[Array, Array], Array]) -> Array:
        """`of_block(log_pred, soft labels)` with its sum over the classes; labels are made soft a block at a time."""
        rule, soft = self.rule, self.truth.soft

        def of_target(pred: Array, target: Array) -> Array:
            return of_block(pred, rule.smoothed(one_hot(target, pred, rule.axis) if soft is None else target))

        with quiet():
            return in_blocks(of_target, self.log_pred, self.truth.label if soft is None else soft, axis=rule.axis)

    def terms(self, loss: Array, weight: Array | None = None) -> LabelTerms:
        """The terms of a weighted loss; the weight, if not given, is what torch's mean divides by."""
        xp, truth = namespace(loss), self.truth
        if weight is None:
            weight = xp.ones_like(loss) if truth.soft is not None else self.importance()
        nothing = xp.zeros_like(loss)
        loss, weight = xp.where(truth.valid, loss, nothing), xp.where(truth.valid, weight, nothing)
        arrays = (loss, weight, truth.label, truth.valid)
        loss, weight, label, valid = (xp.squeeze(array, axis=self.rule.axis) for array in arrays)
        return LabelTerms(loss, weight, label, valid, n_classes=self.log_pred.shape[self.rule.axis])


def _make_case(log_pred: Array, target: Array, rule: LabelRule) -> _Case:
    log_pred = real_floats(log_pred)
    return _Case(log_pred, read_target(log_pred, target, rule), rule, rule.weights_beside(log_pred))
