"""What the losses of pixels share: agreement of shapes and ranges, 0 ln 0, and the reductions of torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.arrays import computed_in, in_blocks, namespace, quiet
from kldeval.errors import RefusedMap, UsageProblem
from kldeval.grammar import did_you_mean

if TYPE_CHECKING:
    from kldeval.arrays import Array, Namespace


CLOSE, LOOSE = 1e-3, 0.05
"""How far the sum of probabilities may be from 1: in single precision, and in half."""


def reduced(values: Array, reduction: str, *, batch: bool = False) -> Array:
    """The values themselves (none), their sum, their mean, or (batchmean) their sum over the length of axis 0.

    Raises:
        UsageProblem: another reduction, or batchmean of a single number.
    """
    check_choice("reduction", reduction, ("none", "sum", "mean", "batchmean") if batch else ("none", "sum", "mean"))
    xp = namespace(values)
    if reduction == "none":
        return values
    if reduction == "batchmean" and not values.ndim:
        msg = "reduction batchmean divides by the length of axis 0, which a single number does not have; use sum"
        raise UsageProblem(msg)
    divisor = {"sum": 1, "mean": math.prod(values.shape), "batchmean": (*values.shape, 1)[0]}[reduction]
    # a division by nothing is nan, as in torch
    return xp.sum(values) / divisor if divisor else xp.sum(values) * math.nan


def check_choice(parameter: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of the choices.

    Raises:
        UsageProblem: naming the parameter, the value and the choices.
    """
    if value not in choices:
        msg = f"{parameter} {value!r} is not one of {', '.join(choices)}{did_you_mean(str(value), choices)}"
        raise UsageProblem(msg)


def check_same_shape(pred: Array, target: Array) -> None:
    """Refuse maps of different shapes.

    Raises:
        RefusedMap: naming both shapes.
    """
    if tuple(pred.shape) != tuple(target.shape):
        msg = (
            f"the prediction has the shape {tuple(pred.shape)} and the ground truth {tuple(target.shape)}; "
            "they must be equal"
        )
        raise RefusedMap(msg)


def check_probabilities(array: Array, what: str, way_out: str) -> None:
    """Refuse values outside 0..1, and nan.

    Raises:
        RefusedMap: naming the first such value and its index.
    """
    xp = namespace(array)
    outside = ~((array >= 0) & (array <= 1))
    if bool(xp.any(outside)):
        place = first_index(outside)
        msg = f"the {what} holds {float(array[place])} at index {place}, and a probability lies in 0..1; {way_out}"
        raise RefusedMap(msg)


def check_log_probabilities(array: Array, axis: int, way_out: str) -> None:
    """Refuse what cannot be the logarithms of distributions along an axis: some above 0, or of a sum that is not 1.

    Raises:
        RefusedMap: naming the value, or the sum, and its index.
    """
    xp = namespace(array)
    if not -array.ndim <= axis < array.ndim or not math.prod(array.shape):
        return
    tolerance = LOOSE if array.dtype in _half_types(xp) else CLOSE
    values = computed_in(array)
    with quiet():
        sums = in_blocks(lambda block: xp.sum(xp.exp(block), axis=axis, keepdims=True), values, axis=axis)
    strange = xp.abs(sums - 1) > tolerance
    if bool(xp.any(strange)):
        place = first_index(strange)
        msg = (
            f"the prediction holds no log-probabilities: at index {place} their exponentials add up to "
            f"{float(sums[place]):.6g} along axis {axis} and not to 1; "
            f"take log_softmax of scores, or check=False; {way_out}"
        )
        raise RefusedMap(msg)


def check_no_scores(array: Array, way_out: str) -> None:
    """Refuse values above 0, of which none is the logarithm of a probability.

    Raises:
        RefusedMap: naming the first such value and its index.
    """
    xp = namespace(array)
    above = array > (LOOSE if array.dtype in _half_types(xp) else CLOSE)
    if bool(xp.any(above)):
        place = first_index(above)
        found = f"the prediction holds {float(array[place]):.6g} at index {place}"
        msg = f"{found}, and a log-probability is at most 0; {way_out}"
        raise RefusedMap(msg)


def _half_types(xp: Namespace) -> list[object]:
    return [getattr(xp, name) for name in ("float16", "bfloat16") if hasattr(xp, name)]


def first_index(found: Array) -> tuple[int, ...]:
    """The index of the first true element of `found`, in the order of storage."""
    import numpy as np

    xp = namespace(found)
    place = int(xp.argmax(xp.astype(xp.reshape(found, (-1,)), xp.int64)))
    return tuple(int(part) for part in np.unravel_index(place, tuple(found.shape)))


def expected(weight: Array, log_prob: Array) -> Array:
    """Weight * log_prob, and 0 where a weight of 0 meets a logarithm of 0: what never happens costs nothing."""
    xp = namespace(log_prob)
    nothing = (weight == 0) & (log_prob == -xp.inf)
    return weight * xp.where(nothing, xp.zeros_like(log_prob), log_prob)
