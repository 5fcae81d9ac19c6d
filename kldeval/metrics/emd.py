"""The earth mover's distance between two maps, exactly, on maps reduced to a few hundred cells."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from kldeval.errors import RefusedMap, UsageProblem
from kldeval.metrics.checks import check_same_shape
from kldeval.metrics.registry import METRICS, MetricInfo, Of
from kldeval.packages import load_package

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array


Unit = Literal["cells", "diagonal"]

MOST_COSTS = 100_000_000
"""Pairs of cells between which mass may move: their costs take 800 MB."""

MOST_PIVOTS = 10_000_000
"""Steps that the network simplex may take; a pair of 34 x 60 cells takes a few hundred thousand."""


def _check_factor(*, factor: int = 32, unit: Unit = "cells", of: Of = None) -> None:  # noqa: ARG001 - all parameters are passed
    if factor < 1:
        msg = f"emd(factor={factor}): a cell has a side of 1 pixel or more"
        raise UsageProblem(msg)


def emd_in_space(
    pred: Array,
    gt: Array,
    weights: Array | None,
    space: tuple[int, ...],
    *,
    factor: int = 32,
    unit: Unit = "cells",
    of: Of = None,  # noqa: ARG001
) -> Array:
    """The distance of maps of any number of axes of space, laid out as (..., H, W): see `emd`."""
    import numpy as np

    pred, gt = np.asarray(pred, np.float64), np.asarray(gt, np.float64)
    check_same_shape(pred, gt)
    batch = pred.shape[:-2]
    if weights is not None:
        weights = np.broadcast_to(np.asarray(weights, np.float64), pred.shape).reshape(-1, *space)
    cells = [_reduced(values.reshape(-1, *space), weights, factor) for values in (pred, gt)]
    scale = 1.0 if unit == "cells" else math.hypot(*cells[0].shape[1:])
    return np.asarray([_distance(*pair) / scale for pair in zip(*cells, strict=True)]).reshape(batch)


@METRICS.add(
    "emd",
    MetricInfo(
        version=2,
        on="maps",
        unit="",
        best="low",
        symmetric=True,
        nonnegative="always",
        check=_check_factor,
        in_space=emd_in_space,
        cell="factor",
    ),
)
def emd(
    pred: Array,
    gt: Array,
    weights: Array | None = None,
    *,
    factor: int = 32,
    unit: Unit = "cells",
    of: Of = None,
) -> Array:
    """Earth mover's distance: the least work that carries one map's mass to the other's; lower is better. Symmetric.

    Each map is reduced by `factor` to ceil(H / factor) x ceil(W / factor) cells, a cell holding the weighted sum of the
    area that it covers, and divided by its sum; moving mass m from cell (r, c) to (s, d) costs m hypot(r - s, c - d).
    The unit is cells, or with `unit="diagonal"` the diagonal of the map, which compares across sizes. Volumes are
    reduced along every axis, and the distance is the Euclidean one of the indices of cells, along an axis of one cell
    0; the size of a voxel in space is not asked for.

    A map whose sides are no longer than `factor` is one cell, within which nothing moves: the distance is 0 whatever it
    holds, of which a warning is given. `factor=1` takes every pixel for a cell.

    EMD.m reduces with a bicubic kernel, which makes negative mass, and first matches the prediction's histogram to the
    ground truth's; here areas are averaged and nothing is matched, so a mass of 1 is carried. A map without mass
    gives nan.

    Source: Y. Rubner, C. Tomasi and L. J. Guibas (2000), https://doi.org/10.1023/A:1026543900054; EMD.m of
    https://github.com/cvzoya/saliency; network simplex of POT, https://jmlr.org/papers/v22/20-451.html.

    Returns:
        float64 numpy array (...), without gradients.

    Raises:
        RefusedMap: the shapes differ, or a map has negative values.
        MissingDependency: POT cannot be imported.

    >>> import numpy as np, kldeval
    >>> left, right = np.asarray([[4.0, 0.0, 0.0]]), np.asarray([[1.0, 0.0, 1.0]])
    >>> float(kldeval.emd(left, right, factor=1))
    1.0
    """
    space = tuple(map(int, pred.shape[-2:]))
    return emd_in_space(pred, gt, weights, space, factor=factor, unit=unit, of=of)


def _reduced(values: Array, weights: Array | None, factor: int) -> Array:
    """The mass in each cell of some maps, as a share of the map's; their first axis counts them."""
    import numpy as np

    if weights is not None:
        values = np.where(weights > 0, values, 0.0) * weights
    if np.any(values < 0):
        msg = f"a map with negative values (least {values.min():g}) has no mass to move; shift it first"
        raise RefusedMap(msg)
    axes = tuple(range(1, values.ndim))
    if not np.isfinite(values.sum()):
        # shares of a sum beyond the floats are those of a smaller map
        values = values / values.max(axis=axes, keepdims=True)
    cells = values
    for axis in axes:
        overlaps = _overlaps(values.shape[axis], math.ceil(values.shape[axis] / factor))
        cells = np.moveaxis(np.tensordot(overlaps, cells, (1, axis)), 0, axis)
    mass = cells.sum(axis=axes, keepdims=True)
    return np.divide(cells, mass, out=np.full(cells.shape, np.nan), where=mass > 0)


def _overlaps(pixels: int, cells: int) -> Array:
    """How much of each pixel lies in each of the equal cells that span them, (cells, pixels)."""
    import numpy as np

    edges = np.arange(cells + 1) * (pixels / cells)
    starts = np.arange(pixels)
    overlap = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return np.maximum(overlap, 0.0)


def _distance(pred: Array, gt: Array) -> float:
    """The distance of two distributions over cells, in cells."""
    import numpy as np

    surplus = pred - gt
    if np.isnan(surplus).any():
        return math.nan
    # mass common to both stays where it is: by the triangle inequality no plan that moves it is cheaper
    sources, sinks = np.argwhere(surplus > 0), np.argwhere(surplus < 0)
    if not (len(sources) and len(sinks)):
        return 0.0
    supply, demand = surplus[surplus > 0], -surplus[surplus < 0]
    moved = supply.sum()
    if len(sources) * len(sinks) > MOST_COSTS:
        msg = f"no earth mover's distance of {len(sources)} to {len(sinks)} cells, too many; use a larger factor"
        raise RefusedMap(msg)
    costs = np.zeros((len(sources), len(sinks)))
    for one, other in zip(sources.T, sinks.T, strict=True):
        costs = np.hypot(costs, one[:, None] - other[None])
    work, log = _solver().emd2(supply / moved, demand / demand.sum(), costs, numItermax=MOST_PIVOTS, log=True)
    if log["warning"]:
        msg = (
            f"no earth mover's distance of {len(sources)} to {len(sinks)} cells: {log['warning']}; use a larger factor"
        )
        raise RefusedMap(msg)
    return float(work * moved)


def _solver() -> Any:
    return load_package("ot", "emd needs the solver of POT", "pip install 'kldeval[emd]'")
