"""Checks of arrays that are given as maps: shapes that fit, real numbers, weights that leave pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.arrays import namespace
from kldeval.errors import RefusedMap, UsageProblem

if TYPE_CHECKING:
    from kldeval.arrays import Array

MAP = (-2, -1)
"""The axes of a map."""

_REAL = ("real floating", "integral", "bool")


def check_maps(pred: Array, gt: Array) -> None:
    """Refuse arrays that are no maps, or do not fit each other.

    Raises:
        RefusedMap: naming shapes or dtypes.
        UsageProblem: the arrays are of different libraries.
    """
    xp = _shared_namespace(pred, gt)
    for role, array in (("pred", pred), ("gt", gt)):
        if array.ndim < len(MAP) or 0 in array.shape[-2:]:
            msg = f"{role} has the shape {tuple(array.shape)}; maps are (..., H, W) and have pixels"
            msg += _hint_at_labels(xp, pred, gt)
            raise RefusedMap(msg)
        if not xp.isdtype(array.dtype, _REAL):
            msg = f"{role} has the dtype {array.dtype}; maps hold real numbers"
            raise RefusedMap(msg)
    if pred.shape[-2:] != gt.shape[-2:] or _broadcast(pred.shape, gt.shape) is None:
        msg = (
            f"pred has the shape {tuple(pred.shape)} and gt {tuple(gt.shape)}; height and width must agree, and the "
            "axes before them must broadcast"
        )
        raise RefusedMap(msg + _hint_at_labels(xp, pred, gt))


def _hint_at_labels(xp: Any, pred: Array, gt: Array) -> str:
    is_integer = gt.ndim == pred.ndim - 1 and xp.isdtype(gt.dtype, "integral")
    return "; for integer labels there is kldeval.cross_entropy" if is_integer else ""


def whole_weights(weights: Array, pred: Array, gt: Array) -> Array:
    """The weights in the shape of the maps.

    Raises:
        RefusedMap: they do not fit the maps, are no real numbers of 0 or more, or leave a map without pixels.
    """
    xp = _shared_namespace(pred, gt, weights)
    shape = _broadcast(pred.shape, gt.shape)
    if _broadcast(weights.shape, pred.shape, gt.shape) != shape:
        msg = f"weights have the shape {tuple(weights.shape)}, which does not broadcast to that of the maps, {shape}"
        raise RefusedMap(msg)
    if not xp.isdtype(weights.dtype, _REAL):
        msg = f"weights have the dtype {weights.dtype}; they must be real numbers"
        raise RefusedMap(msg)
    whole = xp.broadcast_to(xp.astype(weights, xp.float64, copy=False), shape)
    if not bool(xp.all((whole >= 0) & (whole < xp.inf))):
        msg = "weights must be finite numbers of 0 or more"
        raise RefusedMap(msg)
    if not bool(xp.all(xp.max(whole, axis=MAP) > 0)):
        msg = "the weights of a map are all 0: it has no pixels"
        raise RefusedMap(msg)
    return whole


def _shared_namespace(*arrays: Array) -> Any:
    try:
        if all(hasattr(array, "shape") for array in arrays):
            return namespace(*arrays)
    except TypeError:
        pass
    msg = f"maps and weights must be arrays of one library, not {', '.join(type(array).__name__ for array in arrays)}"
    raise UsageProblem(msg)


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    import numpy as np

    try:
        return np.broadcast_shapes(*map(tuple, shapes))
    except ValueError:
        return None
