"""The numeric body: from two stored maps, or batches of them, to the metrics of their densities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kldeval.arrays import namespace
from kldeval.metrics.registry import METRICS
from kldeval.normalization.density import Density
from kldeval.normalization.lazy_map import MAP, LazyMap, combine_blocks, over_map, slice_rows, weighted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kldeval.arrays import Array
    from kldeval.normalization.lazy_map import Problem
    from kldeval.settings.settings import Settings


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


def scaled(side: Side, settings: Settings, *, weights: Array | None = None, empty: str = "error") -> LazyMap:
    """The values of one side as floats on the scale of the settings, before any step.

    `empty` is what the command line calls it: a ground truth that is skipped or scored 0 is told apart afterwards.
    """
    policy = {"zero": "keep", "skip": "error"}.get(empty, empty)
    xp = namespace(side.array)
    dtype = getattr(xp, settings.dtype)
    # a weight of more bits would compute the sums in its own dtype, not in that of the signature
    weights = None if weights is None else xp.astype(weights, dtype, copy=False)
    values = LazyMap(side.array, dtype, weights, policy)
    full = side.full_scale if settings.scale == "unit" else None
    return values if full in (None, 1) else values.map(lambda x: x / full)


def measure(
    pred: LazyMap,
    gt: LazyMap,
    settings: Settings,
    *,
    shape: tuple[int, int] | None = None,
) -> Measured:
    """Every metric of densities on normalised values; `shape` is that of the map where its pixels were collapsed."""
    xp, axes = pred.xp, settings.axes
    calls = settings.on("density")
    terms = {key: _terms(call, settings.base) for key, call in calls.items()}
    # weights that a user names say what a pixel is worth; any others say how many pixels there are
    is_worth = settings.weights.name != "none"
    parts: dict[str, list[Array]] = {key: [] for key in (*terms, _COUNT, _MASS)}
    for p, q, weigh in _blocks(pred, gt):
        for key, terms_of in terms.items():
            parts[key].append(xp.sum(weigh(terms_of(p, q)), axis=axes, keepdims=True))
        for key, total in _uncovered(p, q, weigh, is_worth=is_worth).items():
            parts[key].append(total)
    sums = {key: combine_blocks(xp, found, MAP if key in (_COUNT, _MASS) else axes) for key, found in parts.items()}
    shape = shape or pred.source.shape[-2:]
    rows = shape[0] if gt.weights is None else _rows_that_exist(xp, gt.weights)
    reduce = partial(_reduce, xp, rows=rows, pixels=math.prod(shape), gt=gt, axes=axes)
    return Measured(
        {key: reduce(_final(call, sums[key]), settings.reduction) for key, call in calls.items()},
        reduce(sums[_COUNT], "sum"),
        reduce(sums[_MASS], "slices"),
        pred.problems,
        gt.problems,
    )


def pixelwise(pred: LazyMap, gt: LazyMap, settings: Settings) -> dict[str, Array]:
    """The pointwise terms of every metric of densities, times the weights, as maps (..., H, W)."""
    xp = pred.xp
    blocks = [(density(pred, rows), density(gt, rows), slice_rows(gt.weights, rows)) for rows in _rows(pred, gt)]
    return {
        key: xp.concat([weighted(xp, _terms(call, settings.base)(p, q), weights) for p, q, weights in blocks], axis=-2)
        for key, call in settings.on("density").items()
    }


def _rows(pred: LazyMap, gt: LazyMap) -> tuple[slice, ...]:
    """The blocks of both sides: those of the one that is a batch, where the other is a single map."""
    return max(pred, gt, key=lambda side: side.source.ndim).rows


def density(values: LazyMap, rows: slice) -> Density:
    """A block of normalised values as a density."""
    block = values.block(rows)
    known = False if values.is_positive else None
    return Density(log=block, has_zeros=known) if values.is_log else Density(prob=block, has_zeros=known)


_COUNT, _MASS = "n_uncovered", "uncovered_mass"


def _terms(call: Any, base: str) -> Callable[[Density, Density], Array]:
    entry = METRICS[call.name]
    function = partial(entry.function, **call.keywords)
    if base == "e" or entry.info.unit != "nats":
        return function
    return lambda pred, gt: function(pred, gt) / math.log(int(base))


def _final(call: Any, summed: Array) -> Array:
    """The metric of a distribution, where it is a function of the sum of its terms."""
    from_sum = METRICS[call.name].info.from_sum
    return from_sum(summed) if from_sum else summed


def _rows_that_exist(xp: Any, weights: Array) -> Array:
    """How many rows of a map have a pixel."""
    exist = xp.max(weights, axis=-1, keepdims=True) > 0
    return xp.sum(xp.astype(exist, weights.dtype), axis=MAP)


def _blocks(pred: LazyMap, gt: LazyMap) -> Iterator[tuple[Density, Density, Callable[[Array], Array]]]:
    """The densities of both sides, a block at a time, and what makes weighted terms of terms."""
    for rows in _rows(pred, gt):
        yield density(pred, rows), density(gt, rows), partial(weighted, gt.xp, weights=slice_rows(gt.weights, rows))


def _uncovered(pred: Density, gt: Density, weigh: Callable[[Array], Array], *, is_worth: bool) -> dict[str, Array]:
    """The number and the ground-truth mass of the pixels that have some where the prediction is exactly 0.

    A pixel counts its weight, or 1 where the weight `is_worth` and no number of pixels.
    """
    xp, mass = gt.xp, gt.prob
    nothing = xp.zeros_like(mass[..., :1, :1])
    if not pred.has_zeros:
        return {_COUNT: nothing, _MASS: nothing}
    bare = (mass > 0) & pred.is_zero
    count = weigh(xp.astype(bare, mass.dtype))
    count = xp.astype(count > 0, mass.dtype) if is_worth else count
    terms = {_COUNT: count, _MASS: weigh(xp.where(bare, mass, xp.zeros_like(mass)))}
    return {key: xp.sum(found, axis=MAP, keepdims=True) for key, found in terms.items()}


def _reduce(
    xp: Any, sums: Array, reduction: str, *, rows: Array | int, pixels: int, gt: LazyMap, axes: tuple[int, ...]
) -> Array:
    """From sums within distributions (keepdims) to one number per map (...).

    `mean` divides by the sum of the weights and `batchmean` by the rows that have a pixel: a mask is a smaller map.
    """
    total = over_map(xp.sum, sums)
    if reduction == "slices" and axes != MAP:
        return total / _distributions(gt, axes)
    if reduction == "mean":
        return total / (pixels if gt.weights is None else xp.sum(gt.weights, axis=MAP))
    return total / rows if reduction == "batchmean" else total


def _distributions(gt: LazyMap, axes: tuple[int, ...]) -> Array | float:
    """How many distributions a map holds: those with a pixel of positive weight."""
    shape = tuple(1 if axis in axes else gt.source.shape[axis] for axis in MAP)
    if gt.weights is None:
        return float(shape[0] * shape[1])
    xp = gt.xp
    present = xp.max(gt.weights, axis=axes, keepdims=True) > 0
    return xp.sum(xp.astype(xp.broadcast_to(present, (*present.shape[:-2], *shape)), gt.dtype), axis=MAP)
