"""The losses on labels: each takes log-probabilities, a ground truth and a rule, and gives the loss of every position.

Integer labels lack the class axis of the prediction, soft labels have it. A class weight multiplies the loss of a
position with that label. The mean follows torch: over integer labels it divides by the sum of the weights, over soft
labels by the number of positions. Nothing as large as the prediction is made on the way.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from kldeval.arrays import BLOCK_ELEMENTS, device_of, in_blocks, namespace, quiet, real_floats
from kldeval.dataclass import dataclass
from kldeval.errors import RefusedMap, UsageProblem
from kldeval.metrics.checks import check_choice, expected, first_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.arrays import AnyArray, Array


def cross_entropy_terms(log_pred: Array, target: Array, rule: LabelRule) -> LabelTerms:
    """The cross-entropy of every position: -sum over c of w_c t_c ln p_c, in nats.

    Raises:
        UsageProblem: the prediction has no such class axis.
        RefusedMap: prediction, ground truth and rule do not fit one another.
    """
    case = _make_case(log_pred, target, rule)
    if case.truth.soft is None and not rule.label_smoothing:
        log_prob = namespace(case.log_pred).take_along_axis(case.log_pred, case.truth.label, axis=rule.axis)
        return case.terms_at_labels(log_prob)

    def of_block(log_pred: Array, soft: Array) -> AnyArray:
        share = soft if case.weights is None else case.weights * soft
        return -namespace(log_pred).sum(expected(share, log_pred), axis=rule.axis, keepdims=True)

    return case.terms(case.over_classes(of_block))


def cross_entropy_at_labels(log_prob: Array, truth: Target, rule: LabelRule, n_classes: int) -> LabelTerms:
    """The cross-entropy of integer labels without smoothing, given ln p at the label of each position alone.

    `log_prob` is 1 long on the class axis; the class weights of the rule were checked against `n_classes` before.
    """
    xp, weights = namespace(log_prob), rule.class_weights
    beside = None if weights is None else xp.asarray(weights, dtype=log_prob.dtype, device=device_of(log_prob))
    return _Case(log_prob, truth, rule, beside, n_classes).terms_at_labels(log_prob)


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

    def of_block(log_pred: Array, soft: Array) -> AnyArray:
        xp = namespace(log_pred)
        return xp.sum((xp.exp(log_pred) - soft) ** 2, axis=rule.axis, keepdims=True)

    return case.terms(case.importance() * case.over_classes(of_block))


def rps_terms(log_pred: Array, target: Array, rule: LabelRule, *, normalized: bool = False) -> LabelTerms:
    """The ranked probability score of every position: sum over c of (sum over k <= c of p_k - t_k)^2.

    `normalized` divides it by the number of classes minus one.

    Raises:
        UsageProblem: the prediction has no such class axis.
        RefusedMap: prediction, ground truth and rule do not fit one another.
    """
    case = _make_case(log_pred, target, rule)
    divisor = max(1, log_pred.shape[rule.axis] - 1) if normalized else 1

    def of_block(log_pred: Array, soft: Array) -> AnyArray:
        xp = namespace(log_pred)
        gaps = xp.cumulative_sum(xp.exp(log_pred) - soft, axis=rule.axis)
        return xp.sum(gaps**2, axis=rule.axis, keepdims=True) / divisor

    return case.terms(case.over_classes(of_block))


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
    n_classes: int

    def importance(self) -> AnyArray:
        """The weight of every position, sum over c of w_c t_c; of an integer label y it is w_y."""
        label, weights, xp = self.truth.label, self.weights, namespace(self.log_pred)
        if weights is None:
            return xp.ones_like(label, dtype=self.log_pred.dtype)
        if self.truth.soft is None:
            chosen = xp.take(xp.reshape(weights, (-1,)), xp.reshape(label, (-1,)), axis=0)
            return xp.reshape(chosen, tuple(label.shape))
        axis = self.rule.axis
        return in_blocks(lambda soft: xp.sum(weights * soft, axis=axis, keepdims=True), self.truth.soft, axis=axis)

    def over_classes(self, of_block: Callable[[Array, Array], Array]) -> AnyArray:
        """`of_block(log_pred, soft labels)` with its sum over the classes; labels are made soft a block at a time."""
        rule, soft = self.rule, self.truth.soft

        def of_target(pred: Array, target: Array) -> AnyArray:
            return of_block(pred, rule.smoothed(one_hot(target, pred, rule.axis) if soft is None else target))

        with quiet():
            return in_blocks(of_target, self.log_pred, self.truth.label if soft is None else soft, axis=rule.axis)

    def terms_at_labels(self, log_prob: Array) -> LabelTerms:
        """The terms of -w_y ln p_y, given ln p_y; of integer labels."""
        importance = self.importance()
        return self.terms(-expected(importance, log_prob), importance)

    def terms(self, loss: Array, weight: Array | None = None) -> LabelTerms:
        """The terms of a weighted loss; the weight, if not given, is what torch's mean divides by."""
        xp, truth = namespace(loss), self.truth
        if weight is None:
            weight = xp.ones_like(loss) if truth.soft is not None else self.importance()
        nothing = xp.zeros_like(loss)
        loss, weight = xp.where(truth.valid, loss, nothing), xp.where(truth.valid, weight, nothing)
        arrays = (loss, weight, truth.label, truth.valid)
        loss, weight, label, valid = (xp.squeeze(array, axis=self.rule.axis) for array in arrays)
        return LabelTerms(loss, weight, label, valid, n_classes=self.n_classes)


def _make_case(log_pred: Array, target: Array, rule: LabelRule) -> _Case:
    log_pred = real_floats(log_pred)
    truth = read_target(log_pred, target, rule)
    return _Case(log_pred, truth, rule, rule.weights_beside(log_pred), log_pred.shape[rule.axis])


SmoothingOver = Literal["all", "others"]
"""Over which classes label smoothing spreads: all K, the true one among them (torch), or the other K - 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRule:
    """The settings of a loss on labels.

    Args:
        axis: the class axis of the prediction.
        class_weights: a factor for the loss of every class; None: all 1.
        label_smoothing: the share of the target's mass that is spread evenly, in 0..1.
        smoothing_over: over which classes it is spread.
        ignore_index: the label of pixels that do not count; None: every pixel counts.

    Raises:
        UsageProblem: a weight that is negative or not finite, a share outside 0..1, another spread.

    >>> LabelRule(axis=0, label_smoothing=0.1).smoothing_over
    'all'
    """

    axis: int
    class_weights: tuple[float, ...] | None = None
    label_smoothing: float = 0.0
    smoothing_over: SmoothingOver = "all"
    ignore_index: int | None = None

    def __post_init__(self) -> None:
        check_choice("smoothing_over", self.smoothing_over, ("all", "others"))
        if not 0 <= self.label_smoothing <= 1:
            msg = f"label_smoothing {self.label_smoothing} is a share of the target and lies in 0..1"
            raise UsageProblem(msg)
        for number, weight in enumerate(self.class_weights or ()):
            if not 0 <= weight < math.inf:
                msg = f"the weight of class {number} is {weight}; a class weight is finite and not negative"
                raise UsageProblem(msg)

    def weights_beside(self, pred: Array) -> Array | None:
        """The class weights as an array that broadcasts against the prediction, or None.

        Raises:
            RefusedMap: there are more or fewer weights than classes.
        """
        self.check_weights(pred)
        if self.class_weights is None:
            return None
        weights = namespace(pred).asarray(self.class_weights, dtype=pred.dtype, device=device_of(pred))
        return along(weights, pred, self.axis)

    def check_weights(self, pred: Array) -> None:
        """Refuse class weights that are not one for each class of the prediction.

        Raises:
            RefusedMap: there are more or fewer weights than classes.
        """
        n_classes = pred.shape[self.axis]
        if self.class_weights is not None and len(self.class_weights) != n_classes:
            msg = (
                f"{len(self.class_weights)} class weights do not fit a prediction of shape {tuple(pred.shape)}, "
                f"which has {n_classes} classes on axis {self.axis}"
            )
            raise RefusedMap(msg)

    def smoothed(self, target: Array) -> AnyArray:
        """Soft targets with a share of their mass spread over the classes.

        Raises:
            RefusedMap: there is no other class to spread over.
        """
        if not self.label_smoothing:
            return target
        n_classes, share = target.shape[self.axis], self.label_smoothing
        if self.smoothing_over == "all":
            return target * (1 - share) + share / n_classes
        if n_classes == 1:
            msg = f"smoothing over the other classes needs two; the target of shape {tuple(target.shape)} has one"
            raise RefusedMap(msg)
        return target * (1 - share) + (1 - target) * (share / (n_classes - 1))


def along(vector: Array, pred: Array, axis: int) -> AnyArray:
    """A vector with one element per class, laid along the class axis of the prediction."""
    shape = [1] * pred.ndim
    shape[axis] = -1
    return namespace(vector).reshape(vector, tuple(shape))


@dataclass(frozen=True, slots=True)
class LabelTerms:
    """The weighted loss of every position of a class map, and what the position counts in a mean; 0 where ignored.

    The arrays have the shape of the labels. `label` is the class of each position (of soft labels the most probable),
    and 0 where `valid` is false. Totals add up: the mean over all pixels of a data set is the quotient of their sums.
    """

    loss: Array
    weight: Array
    label: Array
    valid: Array
    n_classes: int

    def totals(self) -> tuple[Array, Array]:
        """The sums of loss and weight; their quotient is the mean of this map."""
        xp = namespace(self.loss)
        return xp.sum(self.loss), xp.sum(self.weight)

    def class_totals(self) -> tuple[AnyArray, AnyArray, AnyArray]:
        """The sums of loss and weight and the number of valid positions, each with one element per class of label."""
        xp = namespace(self.loss)
        loss, weight, label, valid = (
            xp.reshape(array, (-1, 1)) for array in (self.loss, self.weight, self.label, self.valid)
        )
        classes = xp.arange(self.n_classes, dtype=label.dtype, device=device_of(label))

        def sums(rows: slice) -> tuple[AnyArray, AnyArray, AnyArray]:
            chosen = (label[rows, :] == classes) & valid[rows, :]
            parts = (xp.where(chosen, part[rows, :], xp.zeros_like(part[rows, :])) for part in (loss, weight))
            return (*(xp.sum(part, axis=0) for part in parts), xp.sum(xp.astype(chosen, xp.int64), axis=0))

        n, step = loss.shape[0], max(1, BLOCK_ELEMENTS // self.n_classes)
        blocks = [sums(slice(start, min(n, start + step))) for start in range(0, max(1, n), step)]
        totals = (xp.sum(xp.stack(list(column)), axis=0) for column in zip(*blocks, strict=True))
        return next(totals), next(totals), next(totals)

    def reduced(self, reduction: str) -> AnyArray:
        """The loss of every position (none), the sum, or the mean, which is nan where no position counts.

        Raises:
            UsageProblem: another reduction.
        """
        check_choice("reduction", reduction, ("none", "sum", "mean"))
        if reduction == "none":
            return self.loss
        total, weight = self.totals()
        if reduction == "sum":
            return total
        xp = namespace(total)
        with quiet():  # smoothed labels have a loss where the weights of their classes are 0
            return xp.where(weight == 0, xp.full_like(total, xp.nan), total / weight)


def uncovered_mass(log_pred: Array, target: Array, terms: LabelTerms) -> AnyArray:
    """The share of each row's labels on classes of probability exactly 0, where the row counts.

    Rows are positions; `terms`, of any metric, say which class each has and which of them count.
    """
    xp = namespace(log_pred)
    if target.shape == log_pred.shape:
        soft = xp.astype(target, log_pred.dtype)
        return xp.sum(xp.where(log_pred == -xp.inf, soft, xp.zeros_like(soft)), axis=-1)
    chosen = xp.take_along_axis(log_pred, xp.expand_dims(terms.label, axis=-1), axis=-1)[..., 0]
    return xp.astype((chosen == -xp.inf) & terms.valid, log_pred.dtype)


@dataclass(frozen=True, slots=True)
class Target:
    """The ground truth of a class map.

    `label` is the class of every position (of soft labels the most probable, the first of equals; where ignored 0),
    `valid` says where it counts, and `soft` holds the probabilities of soft labels (None: integer labels).
    """

    label: Array
    valid: Array
    soft: Array | None = None


def read_target(log_pred: Array, target: Array, rule: LabelRule) -> Target:
    """The target of a prediction: integer labels without its class axis, or soft labels of its shape.

    Raises:
        UsageProblem: the prediction has no such class axis.
        RefusedMap: the shapes do not fit, labels are no integers or no class, or soft labels meet an ignore index.
    """
    axis = _checked_axis(log_pred, target, rule)
    if target.shape == log_pred.shape:
        return _soft_target(target, rule)
    label, valid = _label_and_valid(target, log_pred.shape[axis], rule.ignore_index)
    xp = namespace(label)
    label = xp.astype(xp.where(valid, label, xp.zeros_like(label)), xp.int64, copy=False)
    return Target(xp.expand_dims(label, axis=axis), xp.expand_dims(valid, axis=axis))


def check_labels(log_pred: Array, target: Array, rule: LabelRule) -> None:
    """Refuse a ground truth that is none for the prediction, of which the shape alone is looked at.

    Raises:
        UsageProblem, RefusedMap: as `read_target`.
    """
    axis = _checked_axis(log_pred, target, rule)
    if target.shape == log_pred.shape:
        _refuse_ignored_soft(target, rule)
    else:
        _label_and_valid(target, log_pred.shape[axis], rule.ignore_index)


def _checked_axis(log_pred: Array, target: Array, rule: LabelRule) -> int:
    """The class axis counted from the first, if both shapes fit it."""
    shape, axis = tuple(log_pred.shape), rule.axis
    if not -len(shape) <= axis < len(shape):
        msg = f"class axis {axis} does not exist in a prediction of shape {shape}"
        raise UsageProblem(msg)
    axis %= len(shape)
    positions = shape[:axis] + shape[axis + 1 :]
    if tuple(target.shape) not in (shape, positions):
        msg = (
            f"the ground truth has the shape {tuple(target.shape)}; a prediction of shape {shape} with its classes on "
            f"axis {axis} takes integer labels of shape {positions} or soft labels of shape {shape}"
        )
        raise RefusedMap(msg)
    return axis


def one_hot(label: Array, pred: Array, axis: int) -> AnyArray:
    """The labels as soft labels: 1 at the class of each position, else 0."""
    xp = namespace(label, pred)
    classes = xp.arange(pred.shape[axis], dtype=label.dtype, device=device_of(label))
    return xp.astype(along(classes, pred, axis) == label, pred.dtype)


def most_probable(pred: Array, axis: int) -> AnyArray:
    """The class of the largest value at each position, the first of equals."""
    xp = namespace(pred)
    # in blocks, because numpy's argmax copies what is not contiguous along the axis
    return in_blocks(lambda block: xp.argmax(block, axis=axis, keepdims=True), pred, axis=axis)


def _refuse_ignored_soft(target: Array, rule: LabelRule) -> None:
    if rule.ignore_index is not None:
        msg = (
            f"ignore index {rule.ignore_index} is a label, and a ground truth of the prediction's shape "
            f"{tuple(target.shape)} holds soft labels; leave it out"
        )
        raise RefusedMap(msg)


def _soft_target(target: Array, rule: LabelRule) -> Target:
    _refuse_ignored_soft(target, rule)
    xp, soft = namespace(target), real_floats(target)
    label = most_probable(soft, rule.axis)
    return Target(label, xp.ones_like(label, dtype=xp.bool), soft)


def _label_and_valid(target: Array, n_classes: int, ignore_index: int | None) -> tuple[Array, Array]:
    """The labels as integers, and which of them count."""
    xp = namespace(target)
    if not xp.isdtype(target.dtype, ("integral", "bool")):
        msg = (
            f"labels of dtype {target.dtype} and shape {tuple(target.shape)} are no integers; "
            "soft labels would have the prediction's shape"
        )
        raise RefusedMap(msg)
    # numpy compares integers of any type with any number, eight times as fast where they are of one byte
    is_compared = xp.__name__ == "numpy" and xp.isdtype(target.dtype, "integral")
    label = target if is_compared else xp.astype(target, xp.int64)
    valid = xp.ones_like(label, dtype=xp.bool) if ignore_index is None else label != ignore_index
    _check_labels(label, valid, n_classes)
    return label, valid


def _check_labels(label: Array, valid: Array, n_classes: int) -> None:
    xp = namespace(label)
    strange = valid & ((label < 0) | (label >= n_classes))
    if bool(xp.any(strange)):
        place = first_index(strange)
        found = int(label[place])
        way_out = f"if it marks pixels that do not count: --ignore-index {found} (ignore_index={found})"
        if found == n_classes and bool(xp.all(~strange | (label == n_classes))):
            way_out = f"if 0 is unlabelled and the classes are 1..C: --reduce-zero-label; {way_out}"
        msg = f"label {found} at pixel {place} is none of the {n_classes} classes 0..{n_classes - 1}; {way_out}"
        raise RefusedMap(msg)
