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

MOST_PIVOTS = 10_000_000
"""Steps that the network simplex may take; a pair of 34 x 60 cells takes a few hundred thousand."""


def _check_factor(*, factor: int = 32, unit: Unit = "cells", of: Of = None) -> None:  # noqa: ARG001 - all parameters are passed
    if factor < 1:
        msg = f"emd(factor={factor}): a cell has a side of 1 pixel or more"
        raise UsageProblem(msg)


@METRICS.add(
    "emd",
    MetricInfo(version=2, on="maps", unit="", best="low", symmetric=True, nonnegative="always", check=_check_factor),
)
def emd(
    pred: Array,
    gt: Array,
    weights: Array | None = None,
    *,
    factor: int = 32,
    unit: Unit = "cells",
    of: Of = None,  # noqa: ARG001
) -> Array:
    """Earth mover's distance: the least work that carries one map's mass to the other's; lower is better. Symmetric.

    Each map is reduced by `factor` to ceil(H / factor) x ceil(W / factor) cells, a cell holding the weighted sum of the
    area that it covers, and divided by its sum; moving mass m from cell (r, c) to (s, d) costs m hypot(r - s, c - d).
    The unit is cells, or with `unit="diagonal"` the diagonal of the map, which compares across sizes.

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
    import numpy as np

    pred, gt = np.asarray(pred, np.float64), np.asarray(gt, np.float64)
    check_same_shape(pred, gt)
    cells = [_reduced(values, weights, factor) for values in (pred, gt)]
    scale = 1.0 if unit == "cells" else math.hypot(*cells[0].shape[-2:])
    pairs = zip(*(part.reshape(-1, *part.shape[-2:]) for part in cells), strict=True)
    return np.asarray([_distance(*pair) / scale for pair in pairs]).reshape(pred.shape[:-2])


def _reduced(values: Array, weights: Array | None, factor: int) -> Array:
    """The mass in each cell, as a share of the map's."""
    import numpy as np

    if weights is not None:
        weights = np.asarray(weights, np.float64)
        values = np.where(weights > 0, values, 0.0) * weights
    if np.any(values < 0):
        msg = f"a map with negative values (least {values.min():g}) has no mass to move; shift it first"
        raise RefusedMap(msg)
    rows, cols = (_overlaps(length, math.ceil(length / factor)) for length in values.shape[-2:])
    if not np.isfinite(values.sum()):
        # shares of a sum beyond the floats are those of a smaller map
        values = values / values.max(axis=(-2, -1), keepdims=True)
    cells = rows @ values @ cols.T
    mass = cells.sum(axis=(-2, -1), keepdims=True)
    return np.divide(cells, mass, out=np.full_like(cells, np.nan), where=mass > 0)


def _overlaps(pixels: int, cells: int) -> Array:
    """How much of each pixel lies in each of the equal cells that span them, (cells, pixels)."""
    import numpy as np

    edges = np.arange(cells + 1) * (pixels / cells)
    starts = np.arange(pixels)
    overlap = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return np.maximum(overlap, 0.0)


def _distance(pred: Array, gt: Array) -> float:
    """The distance of two distributions over cells (H, W), in cells."""
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
    steps = sources[:, None] - sinks[None]
    costs = np.hypot(steps[..., 0], steps[..., 1])
    work, log = _solver().emd2(supply / moved, demand / demand.sum(), costs, numItermax=MOST_PIVOTS, log=True)
    if log["warning"]:
        msg = (
            f"no earth mover's distance of {len(sources)} to {len(sinks)} cells: {log['warning']}; use a larger factor"
        )
        raise RefusedMap(msg)
    return float(work * moved)


def _solver() -> Any:
    return load_package("ot", "emd needs the solver of POT", "pip install 'kldeval[emd]'")
