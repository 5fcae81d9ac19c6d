"""A stored map together with how often it was fixated: what every fixation metric is computed from.

The arrays run over cells. A cell is a pixel, or all pixels of one value: an 8-bit map is its 256 levels, and since a
fixation metric asks only which values were fixated, it gives the same number from 256 cells as from a million pixels.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.arrays import namespace, opencv, quiet
from kldeval.dataclass import dataclass
from kldeval.weighting import above_least, as_weights, min_max, zero_excluded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.arrays import AnyArray as Array
    from kldeval.arrays import Namespace


BYTES = 256
"""The levels of an 8-bit map."""

MANY = 1 << 12
"""Bytes from which on OpenCV counts in less time than numpy."""

EXACT = 2**24
"""The most that it counts exactly, in float32."""


@dataclass(frozen=True, slots=True)
class FixatedMap:
    """Cells of a map, all of one shape (..., H, W) or (1, L), and what is counted in each.

    `values` are as stored. `area` is the weight of the cell's pixels and `free` that of those never fixated: places are
    weighed. `fixations` is the number of fixations and `fixated` that of fixated pixels: events count 1 each, wherever
    on the sphere they fell, unless their pixel has weight 0 and so does not exist. `ascending` where the cells stand in
    one row in the order of their values, each value once.
    """

    values: Array
    area: Array
    free: Array
    fixations: Array
    fixated: Array
    ascending: bool = False

    @classmethod
    def stacked(cls, maps: Sequence[FixatedMap]) -> FixatedMap:
        """Numpy maps of the same number of cells as one batch."""
        import numpy as np

        arrays = {
            name: np.stack([getattr(one, name) for one in maps])
            for name in ("values", "area", "free", "fixations", "fixated")
        }
        return replace(maps[0], **arrays, ascending=all(one.ascending for one in maps))

    def min_max(self) -> tuple[Array, Array]:
        """The least and the largest value of the pixels that exist, (..., 1, 1)."""
        if self.ascending and self.area.ndim == 2:  # noqa: PLR2004 - one map and not a batch
            (present,) = self.area[0].nonzero()
            if len(present):
                return self.values[:, present[:1]], self.values[:, present[-1:]]
        return min_max(namespace(self.values), self.values, self.area)


def fixated_pixels(pred: Array, fixations: Array, weights: Array | None = None) -> FixatedMap:
    """The pixels of maps (..., H, W) of any array library, given the number of fixations at each.

    >>> import numpy as np
    >>> seen = fixated_pixels(np.asarray([[5.0, 7.0]]), np.asarray([[0, 3]]))
    >>> seen.fixations.tolist(), seen.fixated.tolist(), seen.free.tolist()
    ([[0.0, 3.0]], [[0.0, 1.0]], [[1.0, 0.0]])
    """
    xp = namespace(pred, fixations)
    weights = as_weights(weights, pred)
    values = zero_excluded(xp, pred, weights)
    area = xp.ones_like(values) if weights is None else weights + xp.zeros_like(values)
    counts = zero_excluded(xp, xp.astype(fixations, values.dtype), weights)
    seen = counts > 0
    fixated = xp.astype(seen, values.dtype)
    return FixatedMap(values, area, xp.where(seen, xp.zeros_like(area), area), counts, fixated)


def fixated_levels(
    pred: Array, rows: Array, cols: Array, counts: Array, weights: Array | None = None, *, area: Array | None = None
) -> FixatedMap:
    """The levels of one numpy map (H, W) in ascending order, given its fixated pixels, each named once.

    An 8-bit map has 256 levels, counted without a sort; any other has one for every distinct value. `area` is the
    weight of each of the 256 levels, where it is known already.

    >>> import numpy as np
    >>> seen = fixated_levels(np.asarray([[5, 7, 7]], np.uint8), np.asarray([0]), np.asarray([2]), np.asarray([3]))
    >>> [array[0, 7].item() for array in (seen.values, seen.area, seen.free, seen.fixations, seen.fixated)]
    [7.0, 2.0, 1.0, 3.0, 1.0]
    """
    import numpy as np

    pred, weights = np.asarray(pred), None if weights is None else np.asarray(weights, np.float64)
    if area is not None:
        values = np.arange(BYTES)
    else:
        values, area = _bytes(pred, weights) if pred.dtype == np.uint8 else _distinct(pred, weights)
    here = np.ones(len(rows)) if weights is None else weights[rows, cols]
    exists = here > 0
    at = _levels_of(pred[rows, cols][exists], values)
    return ascending_cells(values, area, at, here[exists], counts[exists])


def ascending_cells(values: Array, area: Array, at: Array, weights: Array, counts: Array) -> FixatedMap:
    """Numpy cells of ascending values, given the cell, the weight and the fixations of each fixated pixel.

    >>> import numpy as np
    >>> at, one = np.asarray([1]), np.asarray([1.0])
    >>> ascending_cells(np.asarray([5, 7]), np.asarray([1, 2]), at, one, 3 * one).free.tolist()
    [[1.0, 1.0]]
    """
    import numpy as np

    def row(array: Array) -> Array:
        return array.astype(np.float64)[None]

    covered, fixations, fixated = (
        np.bincount(at, weights=amount, minlength=len(values)) for amount in (weights, counts, None)
    )
    return FixatedMap(row(values), row(area), row(area - covered), row(fixations), row(fixated), ascending=True)


def _bytes(pred: Array, weights: Array | None) -> tuple[Array, Array]:
    import numpy as np

    flat = None if weights is None else np.broadcast_to(weights, pred.shape).reshape(-1)
    return np.arange(BYTES), np.bincount(pred.reshape(-1), weights=flat, minlength=BYTES)


def _distinct(pred: Array, weights: Array | None) -> tuple[Array, Array]:
    """The distinct values of the pixels that exist, ascending, and the weight of each."""
    import numpy as np

    if weights is None:
        return np.unique(pred, return_counts=True)
    exists = weights > 0
    values, owner = np.unique(pred[exists], return_inverse=True)
    return values, np.bincount(owner.reshape(-1), weights=weights[exists], minlength=len(values))


def _levels_of(values: Array, levels: Array) -> Array:
    """The index of the level of each value."""
    import numpy as np

    return values if values.dtype == np.uint8 else np.searchsorted(levels, values)


def has_close_values(values: Array, distance: float) -> bool:
    """Whether a map holds two distinct values closer than `distance`: 1e-7 is the jitter of AUC_Judd.m.

    >>> import numpy as np
    >>> values = np.asarray([[0.0, 4.0], [4.0, 6.0]])
    >>> has_close_values(values, 2.0), has_close_values(values, 2.1)
    (False, True)
    """
    import numpy as np

    # a row in the middle tells of most maps of floats, whose every row has such values
    for part in (values[values.shape[0] // 2], values):
        steps = np.diff(np.sort(part, axis=None))
        if np.any((steps > 0) & (steps < distance)):
            return True
    return False


STEPS = 10
"""The thresholds of the MIT code's AUC_Borji and AUC_shuffled: tenths of the range of the map."""

WIDEST_RANGE = 2.0**1018
"""Ten times this is a finite float64."""


def tenths(xp: Namespace, values: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Ten times the distance of values from the least, and the distance of the greatest: k of it is the k-th threshold.

    Nothing is divided, so that levels of a few bits meet a threshold exactly. Where ten times the range would leave
    the floats all are taken as their 32nd parts, a power of 2.
    """
    rise, span = above_least(xp, values, low, high)
    wide = span > WIDEST_RANGE
    if xp.__name__ == "numpy" and not wide.any():
        return STEPS * rise, span
    part = xp.where(wide, xp.full_like(span, 1 / 32), xp.ones_like(span))
    return STEPS * (rise * part), span * part


def rounded_tenths(xp: Namespace, values: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Values stretched to 0..1 and 0.1, as the MIT code has them: k * 0.1 is the k-th threshold, rounded as in Octave.

    A constant map is 0; where the range is not finite the step is nan.
    """
    rise, span = above_least(xp, values, low, high)
    with quiet():
        rise = rise / xp.where(span == 0, xp.ones_like(span), span)
    return rise, xp.where(xp.isfinite(span), xp.full_like(span, 1 / STEPS), xp.full_like(span, xp.nan))


@dataclass(frozen=True, slots=True, eq=False)
class Fixated:
    """Fixated pixels, each once: rows, columns, and how often each was fixated."""

    rows: Array
    cols: Array
    counts: Array


@dataclass(frozen=True, slots=True, eq=False)
class BinnedMap:
    """A map of cells, the cell of each pixel (flat), and the pixels' weights."""

    seen: FixatedMap
    index: Array
    weights: Array | None

    def sum_at(self, places: Array, amounts: Array | None = None) -> Array:
        """How much each cell holds of amounts (none: 1) at some places, flat indices, (1, L).

        Pixels of weight 0 hold nothing.
        """
        import numpy as np

        if self.weights is not None:
            exist = self.weights.reshape(-1)[places] > 0
            places, amounts = places[exist], None if amounts is None else amounts[exist]
        found, count = self.index.take(places), self.seen.values.shape[-1]
        if amounts is None and found.dtype == np.uint8 and MANY < len(found) <= EXACT and "cv2" in sys.modules:
            return opencv().calcHist([found], [0], None, [count], [0, count]).astype(np.float64).reshape(1, -1)
        return np.bincount(found, weights=amounts, minlength=count).astype(np.float64)[None]


def by_level(pred: Array, fixated: Fixated, weights: Array | None = None, area: Array | None = None) -> BinnedMap:
    """The 256 levels of an 8-bit map; `area` is the weight of each, where it is known already.

    >>> import numpy as np
    >>> none = Fixated(*(np.zeros(0, np.int64),) * 3)
    >>> by_level(np.asarray([[5, 7, 7]], np.uint8), none).sum_at(np.asarray([0, 2]), np.asarray([1, 3]))[0, 7].item()
    3.0
    """
    seen = fixated_levels(pred, fixated.rows, fixated.cols, fixated.counts, weights, area=area)
    return BinnedMap(seen, pred.reshape(-1), weights)


def by_rank(pred: Array, fixated: Fixated, weights: Array | None = None) -> BinnedMap:
    """A cell for each fixated value, and one for all that lies between two of them, below or above.

    The values of the cells are their ranks.

    >>> import numpy as np
    >>> at = Fixated(np.asarray([0]), np.asarray([1]), np.asarray([1]))
    >>> by_rank(np.asarray([[0.5, 2.0, 1.0, 9.0]]), at).seen.area.tolist()
    [[2.0, 1.0, 1.0]]
    """
    import numpy as np

    targets = np.unique(pred[fixated.rows, fixated.cols])
    flat = pred.reshape(-1)
    below = np.searchsorted(targets, flat)
    index = 2 * below
    if len(targets):
        index += np.take(targets, below, mode="clip") == flat
    return _cells(pred, index, 2 * len(targets) + 1, fixated, weights)


def by_step(pred: Array, fixated: Fixated, weights: Array | None = None, *, rounded: bool = False) -> BinnedMap:
    """Eleven cells: which of the ten equal steps between minimum and maximum a pixel has reached.

    `rounded` where the steps are those of `rounded_tenths`, whose thresholds are then the values of the cells.

    >>> import numpy as np
    >>> none = Fixated(*(np.zeros(0, np.int64),) * 3)
    >>> by_step(np.asarray([[0.0, 0.65, 1.0]]), none).index.tolist()
    [0, 6, 10]
    """
    import numpy as np

    values = np.asarray(pred, np.float64).reshape(-1)
    present = values if weights is None else values[weights.reshape(-1) > 0]
    with quiet():
        rise, span = (rounded_tenths if rounded else tenths)(np, values, present.min(), present.max())
    steps = np.arange(1, STEPS + 1) * span
    cells = _cells(pred, np.searchsorted(steps, rise, side="right"), STEPS + 1, fixated, weights)
    return replace(cells, seen=replace(cells.seen, values=cells.seen.values * (1 / STEPS))) if rounded else cells


def by_pixel(pred: Array, fixated: Fixated, weights: Array | None = None) -> FixatedMap:
    """Every pixel as a cell of its own.

    >>> import numpy as np
    >>> at = Fixated(np.asarray([0]), np.asarray([1]), np.asarray([4]))
    >>> by_pixel(np.asarray([[0.5, 2.0]]), at).fixations.tolist()
    [[0.0, 4.0]]
    """
    import numpy as np

    counts = np.zeros(pred.shape)
    counts[fixated.rows, fixated.cols] = fixated.counts
    return fixated_pixels(np.asarray(pred, np.float64), counts, weights)


def by_place(pred: Array, fixated: Fixated, weights: Array | None = None) -> BinnedMap:
    """Every pixel as a cell of its own, in one row.

    >>> import numpy as np
    >>> at = Fixated(np.asarray([1]), np.asarray([0]), np.asarray([4]))
    >>> by_place(np.asarray([[0.5], [2.0]]), at).seen.free.tolist()
    [[1.0, 0.0]]
    """
    import numpy as np

    seen = by_pixel(pred, fixated, weights)
    parts = ("values", "area", "free", "fixations", "fixated")
    row = FixatedMap(*(getattr(seen, part).reshape(1, -1) for part in parts))
    return BinnedMap(row, np.arange(row.values.shape[-1]), weights)


def _cells(pred: Array, index: Array, count: int, fixated: Fixated, weights: Array | None) -> BinnedMap:
    import numpy as np

    area = np.bincount(index, weights=None if weights is None else weights.reshape(-1), minlength=count)
    here = np.ones(len(fixated.rows)) if weights is None else weights[fixated.rows, fixated.cols]
    exist = here > 0
    at = index[(fixated.rows * pred.shape[1] + fixated.cols)[exist]]
    seen = ascending_cells(np.arange(count), area, at, here[exist], fixated.counts[exist])
    return BinnedMap(seen, index, weights)
