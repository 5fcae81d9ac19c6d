"""Areas under ROC curves of weighted positives and negatives, exact for tied values."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kldeval.arrays import device_of, namespace
from kldeval.metrics.weighted import as_float, divide

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.arrays import Array, Namespace
    from kldeval.metrics.fixated import FixatedMap

STEPS = 10
"""The thresholds of the MIT code's AUC_Borji and AUC_shuffled: tenths of the range of the map."""


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


def area_at_steps(seen: FixatedMap, positives: Array, negatives: Array) -> Array:
    """The trapezoid through (0, 0), the ROC points at ten equal steps below the map's maximum, and (1, 1).

    A threshold is compared as 10 (S - min) >= k (max - min), which 8-bit levels pass without rounding. nan as for
    `area_under_roc`, or where the map has no finite range.
    """
    low, high = seen.extent()
    area = partial(_trapezoid, ascending=seen.ascending)
    return _map_by_map(area, seen.values, positives, negatives, low, high)


def _ascending_area(values: Array, positives: Array, negatives: Array) -> Array:
    """The Mann-Whitney statistic of cells that stand in the order of their values."""
    xp = namespace(values, positives, negatives)
    upto = _running_sum(xp)(negatives, axis=-1)
    won = xp.sum(positives * (upto - negatives / 2), axis=(-2, -1))
    area = divide(xp, won, xp.sum(positives, axis=(-2, -1)) * upto[..., -1, -1])
    undefined = xp.any(xp.isnan(values), axis=(-2, -1))
    return xp.where(undefined, xp.full_like(area, xp.nan), area)


def _map_by_map(area: Callable[..., Array], *arrays: Array) -> Array:
    """`area(xp, ...)` of the flattened arrays (..., H, W) of each map, as (...): ranks are of one map at a time."""
    xp = namespace(*arrays)
    flat = [xp.reshape(as_float(xp, array), (-1, array.shape[-2] * array.shape[-1])) for array in arrays]
    areas = [area(xp, *(array[index, :] for array in flat)) for index in range(flat[0].shape[0])]
    return xp.reshape(xp.stack(areas), arrays[0].shape[:-2])


def _mann_whitney(xp: Namespace, values: Array, positives: Array, negatives: Array) -> Array:
    ranked, (below,) = _ranked(xp, values, negatives)
    fixated = positives > 0
    targets, weights = values[fixated], positives[fixated]
    under, upto = (xp.take(below, xp.searchsorted(ranked, targets, side=side), axis=0) for side in ("left", "right"))
    area = divide(xp, xp.sum(weights * (under + upto)) / 2, xp.sum(weights) * below[-1])
    return xp.where(xp.any(xp.isnan(values)), xp.full_like(area, xp.nan), area)


def _trapezoid(
    xp: Namespace, values: Array, positives: Array, negatives: Array, low: Array, high: Array, *, ascending: bool
) -> Array:
    ranked, below = _ranked(xp, values, positives, negatives, ascending=ascending)
    steps = xp.arange(STEPS, 0, -1, dtype=values.dtype, device=device_of(values)) * (high - low)
    first = xp.searchsorted(STEPS * (ranked - low), steps, side="left")
    hits, alarms = (_shares_from(xp, weight, first) for weight in below)
    area = xp.sum((alarms[1:] - alarms[:-1]) * (hits[1:] + hits[:-1])) / 2
    return xp.where(xp.all(xp.isfinite(high - low)), area, xp.full_like(area, xp.nan))


def _ranked(xp: Namespace, values: Array, *weights: Array, ascending: bool = False) -> tuple[Array, list[Array]]:
    """The values in ascending order, and for each weight its sums over the first 0, 1, 2 .. of them."""
    if not ascending:
        order = xp.argsort(values, stable=True)
        values, weights = xp.take(values, order, axis=0), tuple(xp.take(array, order, axis=0) for array in weights)
    sums = (_running_sum(xp)(weight, axis=0) for weight in weights)
    return values, [xp.concat([xp.zeros_like(part[:1]), part]) for part in sums]


def _running_sum(xp: Namespace) -> Callable[..., Array]:
    """The function of running sums: numpy has the standard's name since 2.1."""
    return getattr(xp, "cumulative_sum", None) or xp.cumsum  # type: ignore[no-any-return]


def _shares_from(xp: Namespace, below: Array, first: Array) -> Array:
    """0, the shares of the weight from each rank of `first` on, and 1."""
    reached = below[-1] - xp.take(below, first, axis=0)
    return divide(xp, xp.concat([xp.zeros_like(below[:1]), reached, below[-1:]]), below[-1])
