"""Arrays of volumes as arrays of maps: the last axes of each, laid out as height and width, and results as volumes.

A metric that does not ask where a pixel stands has one value, whatever the axes of a map are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.arrays import namespace
from kldeval.data.volumes import PLANE
from kldeval.errors import RefusedMap, UsageProblem
from kldeval.normalization.chain import axes_of, format_chain
from kldeval.normalization.lazy_map import MAP
from kldeval.normalization.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.grammar import Call
    from kldeval.normalization.chain import Chain


def arrays_laid_out(arrays: Mapping[str, Any], n: int) -> dict[str, Any]:
    """The arrays (..., D, H, W), of which `n` axes are of space, as (..., D, H W); lines (..., H) as (..., 1, H).

    Weights broadcast over the axes of space.

    Raises:
        UsageProblem: n is no number of axes.
        RefusedMap: an array has fewer, or two have other lengths.

    >>> import numpy as np
    >>> arrays_laid_out({"pred": np.zeros((2, 4, 5, 6))}, 3)["pred"].shape
    (2, 4, 30)
    """
    if n < 1:
        msg = f"spatial_axes={n}: a map has one axis or more"
        raise UsageProblem(msg)
    space = tuple(next(iter(arrays.values())).shape)[-n:]
    return {name: _laid_out(array, name, n, space) for name, array in arrays.items()}


def _laid_out(array: Any, name: str, n: int, space: tuple[int, ...]) -> Any:
    if isinstance(array, str):
        return array
    shape, xp = tuple(array.shape), namespace(array)
    if name == "weights":
        array = xp.broadcast_to(array, (*shape[:-n], *space))
        shape = tuple(array.shape)
    if len(shape) < n or shape[-n:] != space or len(space) < n:
        msg = f"{name} has the shape {shape}; with spatial_axes={n} the last {n} axes are those of the maps, {space}"
        raise RefusedMap(msg)
    rows = (1, *space) if n == 1 else (space[0], -1)
    return xp.reshape(array, (*shape[:-n], *rows))


def as_volumes(value: Any, space: tuple[int, ...]) -> Any:
    """Pointwise terms (..., D, H W) as (..., D, H, W)."""
    return namespace(value).reshape(value, (*tuple(value.shape)[:-PLANE], *space))


def check_placeless(chains: tuple[Chain, ...]) -> None:
    """Refuse a step before a metric that asks where pixels stand in height and width.

    Raises:
        UsageProblem: naming it.
    """
    for chain in chains:
        if axes_of(chain) not in (None, MAP) or any(_is_placed(step) for step in chain):
            msg = (
                f"{format_chain(chain)!r} asks where pixels stand in height and width: it takes no spatial_axes "
                "(kldeval.evaluate takes an axis of volumes)"
            )
            raise UsageProblem(msg)


def _is_placed(step: Call) -> bool:
    return step.name in STEPS and bool(STEPS[step.name].info.spatial)
