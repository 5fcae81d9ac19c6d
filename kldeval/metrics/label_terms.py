"""The losses of a class map position by position, and everything that is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.arrays import device_of, namespace, quiet
from kldeval.metrics.pointwise import check_choice
from kldeval.numeric import BLOCK_ELEMENTS

if TYPE_CHECKING:
    from kldeval.arrays import Array


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

    def class_totals(self) -> tuple[Array, Array, Array]:
        """The sums of loss and weight and the number of valid positions, each with one element per class of label."""
        xp = namespace(self.loss)
        loss, weight, label, valid = (
            xp.reshape(array, (-1, 1)) for array in (self.loss, self.weight, self.label, self.valid)
        )
        classes = xp.arange(self.n_classes, dtype=label.dtype, device=device_of(label))

        def sums(rows: slice) -> tuple[Array, Array, Array]:
            chosen = (label[rows, :] == classes) & valid[rows, :]
            parts = (xp.where(chosen, part[rows, :], xp.zeros_like(part[rows, :])) for part in (loss, weight))
            return (*(xp.sum(part, axis=0) for part in parts), xp.sum(xp.astype(chosen, xp.int64), axis=0))

        n, step = loss.shape[0], max(1, BLOCK_ELEMENTS // self.n_classes)
        blocks = [sums(slice(start, min(n, start + step))) for start in range(0, max(1, n), step)]
        totals = (xp.sum(xp.stack(list(column)), axis=0) for column in zip(*blocks, strict=True))
        return next(totals), next(totals), next(totals)

    def reduced(self, reduction: str) -> Array:
        """The loss of every position (none), the sum, or the mean, which is nan where no position counts.

        Raises:
            UsageProblem: another reduction.
        """
        check_choice("reduction", reduction, ("none", "sum", "mean"))
        if reduction == "none":
            return self.loss
        total, weight = self.totals()
        with quiet():
            return total if reduction == "sum" else total / weight


def uncovered_mass(log_pred: Array, target: Array, terms: LabelTerms) -> Array:
    """The share of each row's labels on classes of probability exactly 0, where the row counts.

    Rows are positions; `terms`, of any metric, say which class each has and which of them count.
    """
    xp = namespace(log_pred)
    if target.shape == log_pred.shape:
        soft = xp.astype(target, log_pred.dtype)
        return xp.sum(xp.where(log_pred == -xp.inf, soft, xp.zeros_like(soft)), axis=-1)
    chosen = xp.take_along_axis(log_pred, xp.expand_dims(terms.label, axis=-1), axis=-1)[..., 0]
    return xp.astype((chosen == -xp.inf) & terms.valid, log_pred.dtype)
