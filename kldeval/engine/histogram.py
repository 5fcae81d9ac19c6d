"""The joint histogram of an 8-bit pair: at most 65 536 cells stand for all pixels, with multiplicities as weights.

Whatever depends on the values of a pixel alone gives the same sum over the cells as over the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kldeval.arrays import opencv
from kldeval.normalization.chain import is_spatial

if TYPE_CHECKING:
    from kldeval.arrays import Array
    from kldeval.records import MapPair
    from kldeval.settings.settings import Settings

LEVELS = 256

EXACT_PIXELS = 2**24
"""OpenCV counts in float32, which holds every whole number up to this one."""


def collapsible(settings: Settings) -> bool:
    """Whether the numbers depend only on which values meet how often."""
    return settings.reduction != "none" and not (is_spatial(settings.pred) or is_spatial(settings.gt))


@dataclass(frozen=True, slots=True)
class Cells:
    """The occupied cells of a joint histogram: the levels that meet in each, and how many pixels it has, all (1, n).

    `pred_counts` and `gt_counts` are how many pixels have each of the 256 levels: (1, 256).
    """

    pred: Array
    gt: Array
    counts: Array
    pred_counts: Array
    gt_counts: Array


def counts_of(pair: MapPair) -> Array | None:
    """The joint histogram (256, 256) of a plain pair of 8-bit maps, if it has fewer occupied cells than pixels.

    A mask leaves pixels out of the counts; under any other weights there are no counts.
    """
    if not all(_is_bytes(array) for array in (pair.pred, pair.gt)):
        return None
    mask = None if pair.weights is None else pair.weights > 0
    if mask is not None and not bool((mask == pair.weights).all()):
        return None
    counts = joint_counts(pair.pred, pair.gt, mask)
    return counts if pair.pred.size > counts.size or (counts != 0).sum() < pair.pred.size else None


def cells_of(pair: MapPair) -> Cells | None:
    """The occupied cells of `counts_of`."""
    counts = counts_of(pair)
    return None if counts is None else cells_of_counts(counts)


def cells_of_counts(table: Array) -> Cells:
    """The cells of a joint histogram (256, 256)."""
    import numpy as np

    places = np.flatnonzero(table != 0)
    met = (places >> 8).astype(np.uint8), places.astype(np.uint8)
    counts = table.ravel()[places].astype(np.float64)
    return Cells(met[0][None], met[1][None], counts[None], *margins(table))


def margins(table: Array) -> tuple[Array, Array]:
    """How many pixels have each level of the prediction and of the ground truth, by their joint histogram: (1, 256)."""
    import numpy as np

    # products with ones are a tenth of the cost of sums along an axis, and as exact: these are whole numbers
    ones = np.ones(LEVELS, table.dtype)
    return (table @ ones).astype(np.float64)[None], (ones @ table).astype(np.float64)[None]


def levels() -> Array:
    """The values of 8 bits, as a map of one row."""
    import numpy as np

    return np.arange(LEVELS, dtype=np.uint8)[None]


def pair_of_cells(pair: MapPair, cells: Cells) -> MapPair:
    """The cells in the form of a pair, of shape (1, cells), their counts as its weights."""
    return replace(pair, pred=cells.pred, gt=cells.gt, weights=cells.counts)


def looked_up(table: Array, cells: Array) -> Array:
    """The numbers (1, 256) of levels at cells (1, n) of bytes: twice as fast as indexing."""
    import numpy as np

    if table.dtype == np.bool:
        return looked_up(table.view(np.uint8), cells).view(np.bool)
    return opencv().LUT(cells, np.ascontiguousarray(table))


def _is_bytes(array: Array) -> bool:
    import numpy as np

    return isinstance(array, np.ndarray) and array.dtype == np.uint8 and array.ndim == 2  # noqa: PLR2004


def joint_counts(pred: Array, gt: Array, mask: Array | None = None) -> Array:
    """How often each (pred, gt) occurs where the mask is true: (256, 256), whole numbers as floats."""
    import numpy as np

    cv2 = opencv()
    rows = max(1, EXACT_PIXELS // pred.shape[1])
    counts: Array = 0.0
    for top in range(0, pred.shape[0], rows):
        maps = [np.ascontiguousarray(array[top : top + rows]) for array in (pred, gt)]
        chosen = None if mask is None else np.ascontiguousarray(mask[top : top + rows]).view(np.uint8)
        joint = cv2.calcHist(maps, [0, 1], chosen, [LEVELS, LEVELS], [0, LEVELS, 0, LEVELS])
        # float32 counts one part exactly, float64 all of them
        counts = joint if rows >= pred.shape[0] else counts + joint.astype(np.float64)
    return counts
