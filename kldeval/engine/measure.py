"""The numeric body: from two stored maps, or batches of them, to the metrics of their densities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kldeval.arrays import namespace
from kldeval.density import Density
from kldeval.maps.values import MAP, Values, joined, part, weighted, weighted_sum
from kldeval.metrics.registry import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kldeval.arrays import Array
    from kldeval.maps.values import Problem
    from kldeval.settings import Settings


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a pair before normalising: maps (..., H, W) and the value that `--scale unit` makes 1 (or None)."""

    array: Array
    full_scale: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """The numbers of maps (...): a value per metric key, the uncovered pixels, and what stands against using them.

    `n_pixels` is over how many a metric of pixels is averaged.
    """

    values: Mapping[str, Array]
    n_uncovered: Array
    uncovered_mass: Array
    pred_problems: tuple[Problem, ...]
    gt_problems: tuple[Problem, ...]
    n_pixels: Array | None = None


def scaled(side: Side, settings: Settings, *, weights: Array | None = None, empty: str = "error") -> Values:
    """The values of one side as floats on the scale of the settings, before any step.

    `empty` is what the command line calls it: a ground truth that is skipped or scored 0 is told apart afterwards.
    """
    policy = {"zero": "keep", "skip": "error"}.get(empty, empty)
    xp = namespace(side.array)
    dtype = getattr(xp, settings.dtype)
    # a weight of more bits would compute the sums in its own dtype, not in that of the signature
    weights = None if weights is None else xp.astype(weights, dtype, copy=False)
    values = Values(side.array, dtype, weights, policy)
    full = side.full_scale if settings.scale == "unit" else None
    return values if full in (None, 1) else values.map(lambda x: x / full)


def measure(pred: Values, gt: Values, settings: Settings, *, shape: tuple[int, int] | None = None) -> Measured:
    """Every metric of densities on normalised values; `shape` is the map's where its pixels were collapsed."""
    xp = pred.xp
    calls = settings.on("density")
    terms = {key: (_terms(call, settings.base), gt.weights) for key, call in calls.items()}
    terms[_MASS] = _uncovered_mass, gt.weights
    collapsed = shape is not None and shape != tuple(pred.source.shape[-2:])
    # weights that a user names say what a pixel is worth; any others say how many pixels there are
    is_worth = settings.weights.name != "none" and not collapsed
    terms[_COUNT] = _uncovered_pixels, _one_each(xp, gt.weights) if is_worth else gt.weights
    sums = _sums(pred, gt, terms, settings.axes)
    height, width = shape or pred.source.shape[-2:]
    rows = height if collapsed else _rows_that_exist(xp, gt.weights, height)
    reduce = partial(_reduce, xp, rows=rows, pixels=height * width, gt=gt, axes=settings.axes)
    return Measured(
        {key: reduce(_final(call, sums[key]), settings.reduction) for key, call in calls.items()},
        reduce(sums[_COUNT], "sum"),
        reduce(sums[_MASS], "slices"),
        pred.problems,
        gt.problems,
    )


def pixelwise(pred: Values, gt: Values, settings: Settings) -> dict[str, Array]:
    """The pointwise terms of every metric of densities, times the weights, as maps (..., H, W)."""
    xp = pred.xp
    blocks = [(density(pred, rows), density(gt, rows), part(gt.weights, rows)) for rows in _rows(pred, gt)]
    return {
        key: xp.concat([weighted(xp, _terms(call, settings.base)(p, q), weights) for p, q, weights in blocks], axis=-2)
        for key, call in settings.on("density").items()
    }


def _rows(pred: Values, gt: Values) -> tuple[slice, ...]:
    """The blocks of both sides: those of the one that is a batch, where the other is a single map."""
    return max(pred, gt, key=lambda side: side.source.ndim).rows


def density(values: Values, rows: slice) -> Density:
    """A block of normalised values as a density."""
    block = values.block(rows)
    return Density(log=block) if values.is_log else Density(prob=block)


_COUNT, _MASS = "n_uncovered", "uncovered_mass"


def _terms(call: Any, base: str) -> Callable[[Density, Density], Array]:
    entry = METRICS[call.name]
    function = partial(entry.function, **call.keywords)
    if base == "e" or entry.traits.get("unit") != "nats":
        return function
    return lambda pred, gt: function(pred, gt) / math.log(int(base))


def _bare(pred: Density, gt: Density) -> Array:
    return (gt.prob > 0) & pred.is_zero


def _uncovered_pixels(pred: Density, gt: Density) -> Array:
    return gt.xp.astype(_bare(pred, gt), gt.prob.dtype)


def _uncovered_mass(pred: Density, gt: Density) -> Array:
    xp = gt.xp
    return xp.where(_bare(pred, gt), gt.prob, xp.zeros_like(gt.prob))


Terms = tuple["Callable[[Density, Density], Array]", "Array | None"]
"""What is summed at each pixel, and with which weights."""


def _final(call: Any, summed: Array) -> Array:
    """The metric of a distribution, where it is a function of the sum of its terms."""
    final = METRICS[call.name].traits.get("final")
    return final(summed) if final else summed


def _one_each(xp: Any, weights: Array | None) -> Array | None:
    """1 for each pixel that exists, else 0."""
    return None if weights is None else xp.astype(weights > 0, weights.dtype)


def _rows_that_exist(xp: Any, weights: Array | None, height: int) -> Array | int:
    """How many rows of a map have a pixel."""
    if weights is None:
        return height
    return xp.sum(_one_each(xp, xp.max(weights, axis=-1, keepdims=True)), axis=MAP)


def _sums(pred: Values, gt: Values, terms: Mapping[str, Terms], axes: tuple[int, ...]) -> dict[str, Array]:
    """The weighted sum of each kind of terms over `axes`, in one walk over the blocks."""
    xp = pred.xp
    parts: dict[str, list[Array]] = {key: [] for key in terms}
    for rows in _rows(pred, gt):
        p, q = density(pred, rows), density(gt, rows)
        for key, (terms_of, weights) in terms.items():
            parts[key].append(weighted_sum(xp, terms_of(p, q), part(weights, rows), axes))
    return {key: joined(xp, sums, axes) for key, sums in parts.items()}


def _reduce(
    xp: Any, sums: Array, reduction: str, *, rows: Array | int, pixels: int, gt: Values, axes: tuple[int, ...]
) -> Array:
    """From sums within distributions (keepdims) to one number per map (...).

    `mean` divides by the sum of the weights and `batchmean` by the rows that have a pixel: a mask is a smaller map.
    """
    total = xp.sum(sums, axis=MAP)
    if reduction == "slices" and axes != MAP:
        return total / _distributions(xp, sums, gt, axes)
    if reduction == "mean":
        return total / (pixels if gt.weights is None else xp.sum(gt.weights, axis=MAP))
    return total / rows if reduction == "batchmean" else total


def _distributions(xp: Any, sums: Array, gt: Values, axes: tuple[int, ...]) -> Array | float:
    """How many distributions a map holds: those with a pixel of positive weight."""
    if gt.weights is None:
        return float(sums.shape[-1] * sums.shape[-2])
    present = xp.max(gt.weights, axis=axes, keepdims=True) > 0
    return xp.sum(xp.astype(xp.broadcast_to(present, sums.shape), sums.dtype), axis=MAP)
