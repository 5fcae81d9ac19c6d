"""What a ground truth says about a class map: labels or soft labels, checked against the prediction.

Arrays of positions keep the class axis, with length 1, so that they broadcast against the prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.arrays import device_of, namespace
from kldeval.errors import RefusedMap, UsageProblem
from kldeval.metrics.label_rule import along
from kldeval.metrics.pointwise import first_index
from kldeval.numeric import in_blocks, real_floats

if TYPE_CHECKING:
    from kldeval.arrays import Array
    from kldeval.metrics.label_rule import LabelRule


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
    label = xp.where(valid, label, xp.zeros_like(label))
    return Target(xp.expand_dims(label, axis=axis), xp.expand_dims(valid, axis=axis))


def check_target(log_pred: Array, target: Array, rule: LabelRule) -> None:
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


def one_hot(label: Array, pred: Array, axis: int) -> Array:
    """The labels as soft labels: 1 at the class of each position, else 0."""
    xp = namespace(label, pred)
    classes = xp.arange(pred.shape[axis], dtype=label.dtype, device=device_of(label))
    return xp.astype(along(classes, pred, axis) == label, pred.dtype)


def most_probable(pred: Array, axis: int) -> Array:
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
    """The labels as signed integers, and which of them count."""
    xp = namespace(target)
    if not xp.isdtype(target.dtype, ("integral", "bool")):
        msg = (
            f"labels of dtype {target.dtype} and shape {tuple(target.shape)} are no integers; "
            "soft labels would have the prediction's shape"
        )
        raise RefusedMap(msg)
    label = xp.astype(target, xp.int64)
    valid = xp.ones_like(label, dtype=xp.bool) if ignore_index is None else label != ignore_index
    _check_labels(label, valid, n_classes)
    return label, valid


def _check_labels(label: Array, valid: Array, n_classes: int) -> None:
    xp = namespace(label)
    strange = valid & ((label < 0) | (label >= n_classes))
    if bool(xp.any(strange)):
        place = first_index(strange)
        found = int(label[place])
        msg = (
            f"label {found} at pixel {place} is none of the {n_classes} classes 0..{n_classes - 1}; "
            f"if it marks pixels that do not count: --ignore-index {found} (ignore_index={found})"
        )
        raise RefusedMap(msg)
