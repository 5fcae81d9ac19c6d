"""The losses of a class map position by position, and everything that is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.arrays import namespace, quiet
from kldeval.metrics.pointwise import check_choice

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        nothing = xp.zeros_like(self.loss)

        def of_class(number: int) -> tuple[Array, Array, Array]:
            chosen = (self.label == number) & self.valid
            parts = xp.where(chosen, self.loss, nothing), xp.where(chosen, self.weight, nothing)
            return xp.sum(parts[0]), xp.sum(parts[1]), xp.sum(xp.astype(chosen, xp.int64))

        rows = [of_class(number) for number in range(self.n_classes)]
        loss, weight, count = (xp.stack(list(column)) for column in zip(*rows, strict=True))
        return loss, weight, count

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


def joined_terms(parts: Sequence[LabelTerms]) -> LabelTerms:
    """The terms of a map from those of blocks of its positions."""
    xp = namespace(parts[0].loss)
    columns = zip(*((part.loss, part.weight, part.label, part.valid) for part in parts), strict=True)
    loss, weight, label, valid = (xp.concat(column) for column in columns)
    return LabelTerms(loss, weight, label, valid, n_classes=parts[0].n_classes)


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
