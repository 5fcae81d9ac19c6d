"""How labels are scored: the settings that every loss on labels shares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kldeval.arrays import device_of, namespace
from kldeval.errors import RefusedMap, UsageProblem
from kldeval.metrics.pointwise import check_choice

if TYPE_CHECKING:
    from kldeval.arrays import Array

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

    def smoothed(self, target: Array) -> Array:
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


def along(vector: Array, pred: Array, axis: int) -> Array:
    """A vector with one element per class, laid along the class axis of the prediction."""
    shape = [1] * pred.ndim
    shape[axis] = -1
    return namespace(vector).reshape(vector, tuple(shape))
