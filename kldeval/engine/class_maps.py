"""Class maps as rows: each position of a map is a distribution over the classes, so positions become rows.

Whatever is computed within the rows of a map is then computed within the classes of a position, by the same body.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.arrays import namespace
from kldeval.errors import RefusedMap, UsageProblem
from kldeval.normalization.chain import along_rows, class_axis, format_chain
from kldeval.normalization.steps import STEPS

if TYPE_CHECKING:
    from kldeval.arrays import Array
    from kldeval.normalization.chain import Chain
    from kldeval.records import MapPair
    from kldeval.settings.settings import Settings

PLAIN_AXES = 2
"""Height and width."""


def is_plain(pair: MapPair) -> bool:
    """Whether both maps have height and width alone."""
    return bool(pair.pred.ndim == pair.gt.ndim == PLAIN_AXES)


def holds_labels(pair: MapPair, axis: int) -> bool:
    """Whether the ground truth is a label map: integers, with the prediction's shape but for its class axis."""
    is_integer = namespace(pair.gt).isdtype(pair.gt.dtype, ("integral", "bool"))
    return bool(is_integer) and tuple(pair.gt.shape) == positions_of(pair.pred, axis)


def positions_of(array: Array, axis: int) -> tuple[int, ...]:
    """The shape of an array without its class axis.

    Raises:
        UsageProblem: it has no such axis.
    """
    shape = tuple(array.shape)
    if not -len(shape) <= axis < len(shape):
        msg = f"class axis {axis} does not exist in a prediction of shape {shape}"
        raise UsageProblem(msg)
    return shape[: axis % len(shape)] + shape[axis % len(shape) + 1 :]


def rows_of(array: Array, axis: int) -> Array:
    """A class map as (positions, classes): a view of it, unless its class axis stands in the middle."""
    xp = namespace(array)
    if axis % array.ndim == 0:
        return xp.reshape(array, (array.shape[0], -1)).T
    return xp.reshape(xp.moveaxis(array, axis, -1), (-1, array.shape[axis]))


def rows_as_map(rows: Array, shape: tuple[int, ...], axis: int) -> Array:
    """The class map of this shape that `rows_of` made rows of."""
    xp, axis = namespace(rows), axis % len(shape)
    return xp.moveaxis(xp.reshape(rows, (*shape[:axis], *shape[axis + 1 :], shape[axis])), -1, axis)


def as_rows(pair: MapPair, settings: Settings) -> tuple[Array, Array, Settings]:
    """Prediction and ground truth with positions as rows, and the settings whose chains act within rows.

    Raises:
        RefusedMap: the shapes differ, or a chain has no meaning for class maps.
        UsageProblem: the prediction has no such class axis.
    """
    axis = chosen_axis(settings)
    positions = positions_of(pair.pred, axis)
    if holds_labels(pair, axis):
        msg = (
            f"the ground truth holds labels ({pair.gt.dtype}, shape {positions}), and this run takes ground truths for "
            "densities; score labels by themselves, with --gt-norm labels"
        )
        raise RefusedMap(msg)
    if pair.pred.shape != pair.gt.shape:
        msg = (
            f"the prediction has the shape {tuple(pair.pred.shape)} and the ground truth {tuple(pair.gt.shape)} "
            f"({pair.gt.dtype}); with the classes on axis {axis} it takes the same shape, or integer labels of shape "
            f"{positions}"
        )
        raise RefusedMap(msg)
    gt_axis = class_axis(settings.gt)
    if gt_axis is not None and gt_axis % pair.gt.ndim != axis % pair.pred.ndim:
        msg = f"the class axes differ: {axis} in the prediction, {gt_axis} in the ground truth"
        raise RefusedMap(msg)
    for chain in (settings.pred, settings.gt):
        check_keeps_positions(chain)
    in_rows = replace(settings, pred=along_rows(settings.pred), gt=along_rows(settings.gt))
    return rows_of(pair.pred, axis), rows_of(pair.gt, axis), in_rows


def chosen_axis(settings: Settings) -> int:
    """The class axis that the settings name.

    Raises:
        RefusedMap: they name none.
    """
    axis = class_axis(settings.pred)
    if axis is None:
        msg = f"a class map needs its class axis, which {format_chain(settings.pred)!r} does not name; add --axis"
        raise RefusedMap(msg)
    return axis


def check_keeps_positions(chain: Chain) -> None:
    """Refuse steps that ask where a pixel stands.

    Raises:
        RefusedMap: naming the step.
    """
    for call in chain:
        if STEPS[call.name].info.spatial and "axis" not in STEPS[call.name].types:
            msg = f"{str(call)!r} is for maps of height and width; a class map is a distribution at each position"
            raise RefusedMap(msg)
