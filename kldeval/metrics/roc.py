"""Areas under ROC curves of weighted positives and negatives, exact for tied values."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from kldeval.arrays import counted_in, device_of, namespace
from kldeval.metrics.fixated_map import STEPS, rounded_tenths, tenths
from kldeval.weighting import divide

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.arrays import AnyArray as Array
    from kldeval.arrays import Namespace
    from kldeval.metrics.fixated_map import FixatedMap


def area_under_roc(values: Array, positives: Array, negatives: Array, *, ascending: bool = False) -> Array:
    """P(positive > negative) + P(equal) / 2, where each cell holds a weight of positives and one of negatives.

    This is the Mann-Whitney statistic, and the area under the ROC curve with straight lines across ties. Cells are
    (..., H, W); cells of equal value need not be merged. It costs one sort, or none where the cells (..., 1, L) are
    distinct and `ascending`. Without positives, without negatives, or with a nan among the values the area is nan.

    >>> import numpy as np
    >>> float(area_under_roc(np.asarray([[0.0, 1.0, 1.0]]), np.asarray([[0, 0, 1]]), np.asarray([[1, 1, 0]])))
    0.75
    """
    if ascending:
        return _ascending_area(values, positives, negatives)
    return _map_by_map(_mann_whitney, values, positives, negatives)


def area_at_steps(seen: FixatedMap, positives: Array, negatives: Array, *, rounded: bool = False) -> Array:
    """The trapezoid through (0, 0), the ROC points at ten equal steps below the map's maximum, and (1, 1).

    A threshold is compared as 10 (S - min) >= k (max - min), which 8-bit levels pass without rounding; if
    `rounded` as (S - min) / (max - min) >= k * 0.1. nan as for `area_under_roc`, or where the map has no finite range.
    """
    xp = namespace(seen.values, positives, negatives)
    stretch = rounded_tenths if rounded else tenths
    rise, span = stretch(xp, counted_in(seen.values), *map(counted_in, seen.min_max()))
    if seen.ascending:
        return _area_at_steps_of_few(rise, positives, negatives, span)
    return _map_by_map(_trapezoid, rise, positives, negatives, span)


def area_below_most(values: Array, positives: Array, negatives: Array, step: float) -> Array:
    """The trapezoid through (0, 0), the ROC points at 0, step, 2 step .. below the greatest value, and (1, 1).

    Values are 0 or more, at most 1; the greatest is that of the cells with positives or negatives. The thresholds are
    those of numpy's arange(0, greatest, step), of which the last may reach the greatest by rounding. nan without
    positives, or without negatives.
    """
    return _map_by_map(partial(_trapezoid_below_most, step), values, positives, negatives)


def area_at_fixated(values: Array, fixated: Array, free: Array, *, unique: bool) -> Array:
    """The trapezoid through the ROC points at the fixated values, from the greatest on: ties as AUC_Judd.m has them.

    Of n fixated and m free pixels the i-th point is (share of the free below it, i / n), where the program counts
    (number of all pixels >= v) - i as free: pixels that tie with the fixated value are passed before they are hit, and
    the curve runs back. `unique` takes one point for each distinct value, behind its ties. nan without either.
    """
    import numpy as np

    xp = namespace(values)
    arrays = (array.detach().cpu() if hasattr(array, "detach") else array for array in (values, fixated, free))
    cells = [np.asarray(array, np.float64).reshape(-1, math.prod(values.shape[-2:])) for array in arrays]
    areas = [_area_of_judd(*one, unique=unique) for one in zip(*cells, strict=True)]
    found = np.asarray(areas).reshape(values.shape[:-2])
    return found if xp is np else xp.asarray(found, device=device_of(values))


def area_at_fixations(values: Array, fixations: Array, area: Array) -> Array:
    """The trapezoid through the points of each of n fixations, from the greatest on, with every repeat.

    The i-th point is ((number of pixels >= v - i) / (N - 2), i / n) of N pixels. nan without a fixation.
    """
    import numpy as np

    xp = namespace(values)
    arrays = (array.detach().cpu() if hasattr(array, "detach") else array for array in (values, fixations, area))
    cells = [np.asarray(array, np.float64).reshape(-1, math.prod(values.shape[-2:])) for array in arrays]
    found = np.asarray([_area_of_repeats(*one) for one in zip(*cells, strict=True)]).reshape(values.shape[:-2])
    return found if xp is np else xp.asarray(found, device=device_of(values))


COLUMNS = 2
"""Of a list of fixations: row and column."""


def _area_of_repeats(values: Array, fixations: Array, area: Array) -> float:
    import numpy as np

    n, most = fixations.sum(), area.sum() - COLUMNS
    if not n or most <= 0 or np.isnan(values).any():
        return math.nan
    levels, place = np.unique(values, return_inverse=True)
    hit, there = (np.bincount(place.reshape(-1), weights=one, minlength=len(levels))[::-1] for one in (fixations, area))
    reached = np.cumsum(there)[hit > 0]
    hit = hit[hit > 0]
    before, passed = np.cumsum(hit) - hit, np.concatenate([[0.0], reached[:-1]])
    # to the first of a tied fixations, and back while the others are hit
    areas = (reached - passed - 1) * (2 * before + 1) / 2 - (hit - 1) * (before + (hit + 1) / 2)
    return float(areas.sum() / (n * most) + 1 - (reached[-1] - n) / most)


def _area_of_judd(values: Array, fixated: Array, free: Array, *, unique: bool) -> float:
    import numpy as np

    n, m = fixated.sum(), free.sum()
    if not (n and m) or np.isnan(values).any():
        return math.nan
    levels, place = np.unique(values, return_inverse=True)
    hit, alarm = (np.bincount(place.reshape(-1), weights=one, minlength=len(levels))[::-1] for one in (fixated, free))
    alarms = np.cumsum(alarm)[hit > 0]
    hit = hit[hit > 0]
    hits = np.cumsum(hit)
    before, passed = hits - hit, np.concatenate([[0.0], alarms[:-1]])
    if unique:
        areas = (alarms - passed) * (before + hits) / 2
    else:
        # to the first of a tied values, where a - 1 fixated ones still count as free, and back while these are hit
        areas = (alarms + hit - 1 - passed) * (2 * before + 1) / 2 - (hit - 1) * (before + (hit + 1) / 2)
    return float((areas.sum() / n + m - alarms[-1]) / m)


def _area_at_steps_of_few(rise: Array, positives: Array, negatives: Array, span: Array) -> Array:
    """`area_at_steps` of few cells (..., 1, L), each compared with every threshold instead of ranked."""
    xp = namespace(rise, positives, negatives)
    positives, negatives = counted_in(positives), counted_in(negatives)
    steps = xp.arange(STEPS, 0, -1, dtype=rise.dtype, device=device_of(rise))[:, None] * span
    reached = xp.astype(rise >= steps, rise.dtype)
    hits, alarms = (
        divide(xp, xp.matmul(reached, xp.matrix_transpose(cells))[..., 0], xp.sum(cells, axis=-1))
        for cells in (positives, negatives)
    )
    # from (0, 0) to the first point, between the ten, and from the last to (1, 1)
    between = xp.sum((alarms[..., 1:] - alarms[..., :-1]) * (hits[..., 1:] + hits[..., :-1]), axis=-1)
    area = (alarms[..., 0] * hits[..., 0] + between + (1 - alarms[..., -1]) * (hits[..., -1] + 1)) / 2
    return xp.where(xp.isfinite(span[..., 0, 0]), area, xp.full_like(area, xp.nan))


def _ascending_area(values: Array, positives: Array, negatives: Array) -> Array:
    """The Mann-Whitney statistic of cells that stand in the order of their values."""
    xp = namespace(values, positives, negatives)
    positives, negatives = counted_in(positives), counted_in(negatives)
    upto = _running_sum(xp)(negatives, axis=-1)
    won = xp.sum(positives * (upto - negatives / 2), axis=(-2, -1))
    area = divide(xp, won, xp.sum(positives, axis=(-2, -1)) * upto[..., -1, -1])
    undefined = xp.any(xp.isnan(values), axis=(-2, -1))
    return xp.where(undefined, xp.full_like(area, xp.nan), area)


def _map_by_map(area: Callable[..., Array], *arrays: Array) -> Array:
    """`area(xp, ...)` of the flattened arrays (..., H, W) of each map, as (...): ranks are of one map at a time."""
    xp = namespace(*arrays)
    flat = [xp.reshape(counted_in(array), (-1, array.shape[-2] * array.shape[-1])) for array in arrays]
    areas = [area(xp, *(array[index, :] for array in flat)) for index in range(flat[0].shape[0])]
    return xp.reshape(xp.stack(areas), arrays[0].shape[:-2])


def _mann_whitney(xp: Namespace, values: Array, positives: Array, negatives: Array) -> Array:
    ranked, (below,) = _ranked(xp, values, negatives)
    fixated = positives > 0
    targets, weights = values[fixated], positives[fixated]
    under, upto = (xp.take(below, xp.searchsorted(ranked, targets, side=side), axis=0) for side in ("left", "right"))
    area = divide(xp, xp.sum(weights * (under + upto)) / 2, xp.sum(weights) * below[-1])
    return xp.where(xp.any(xp.isnan(values)), xp.full_like(area, xp.nan), area)


def _trapezoid(xp: Namespace, rise: Array, positives: Array, negatives: Array, span: Array) -> Array:
    ranked, below = _ranked(xp, rise, positives, negatives)
    steps = xp.arange(STEPS, 0, -1, dtype=rise.dtype, device=device_of(rise)) * span
    first = xp.searchsorted(ranked, steps, side="left")
    hits, alarms = (_shares_from(xp, weight, first) for weight in below)
    area = xp.sum((alarms[1:] - alarms[:-1]) * (hits[1:] + hits[:-1])) / 2
    return xp.where(xp.all(xp.isfinite(span)), area, xp.full_like(area, xp.nan))


def _trapezoid_below_most(step: float, xp: Namespace, values: Array, positives: Array, negatives: Array) -> Array:
    exist = (positives > 0) | (negatives > 0)
    values, positives, negatives = values[exist], positives[exist], negatives[exist]
    if not values.shape[0]:
        return xp.asarray(math.nan, dtype=values.dtype, device=device_of(values))
    ranked, below = _ranked(xp, values, positives, negatives)
    count = math.ceil(float(ranked[-1]) / step)
    steps = xp.arange(count - 1, -1, -1, dtype=values.dtype, device=device_of(values)) * step
    first = xp.searchsorted(ranked, steps, side="left")
    hits, alarms = (_shares_from(xp, weight, first) for weight in below)
    return xp.sum((alarms[1:] - alarms[:-1]) * (hits[1:] + hits[:-1])) / 2


def _ranked(xp: Namespace, values: Array, *weights: Array) -> tuple[Array, list[Array]]:
    """The values in ascending order, and for each weight its sums over the first 0, 1, 2 .. of them."""
    order = xp.argsort(values, stable=True)
    sums = (_running_sum(xp)(xp.take(weight, order, axis=0), axis=0) for weight in weights)
    return xp.take(values, order, axis=0), [xp.concat([xp.zeros_like(part[:1]), part]) for part in sums]


def _running_sum(xp: Namespace) -> Callable[..., Array]:
    """The function of running sums: numpy has the standard's name since 2.1."""
    return getattr(xp, "cumulative_sum", None) or xp.cumsum


def _shares_from(xp: Namespace, below: Array, first: Array) -> Array:
    """0, the shares of the weight from each rank of `first` on, and 1."""
    reached = below[-1] - xp.take(below, first, axis=0)
    return divide(xp, xp.concat([xp.zeros_like(below[:1]), reached, below[-1:]]), below[-1])
