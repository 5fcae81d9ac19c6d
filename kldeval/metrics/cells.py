"""A numpy map cut into few cells, of pixels that a metric of fixations cannot tell apart, so that none are sorted.

Ranks know of a pixel only how it compares with the fixated values; the MIT code's thresholds know ten steps. So a map
of floats becomes a few hundred cells, as one of 8 bits becomes 256, and gives the same number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.arrays import quiet
from kldeval.metrics.fixated import FixatedMap, ascending_cells, fixated_levels, fixated_pixels
from kldeval.metrics.roc import STEPS, tenths

if TYPE_CHECKING:
    from kldeval.arrays import Array


@dataclass(frozen=True, slots=True, eq=False)
class Fixated:
    """Fixated pixels, each once: rows, columns, and how often each was fixated."""

    rows: Array
    cols: Array
    counts: Array


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
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
        shape = self.seen.values.shape
        return np.bincount(self.index[places], weights=amounts, minlength=shape[-1]).astype(np.float64)[None]


def by_level(pred: Array, fixated: Fixated, weights: Array | None = None, area: Array | None = None) -> Cells:
    """The 256 levels of an 8-bit map; `area` is the weight of each, where it is known already.

    >>> import numpy as np
    >>> none = Fixated(*(np.zeros(0, np.int64),) * 3)
    >>> by_level(np.asarray([[5, 7, 7]], np.uint8), none).sum_at(np.asarray([0, 2]), np.asarray([1, 3]))[0, 7].item()
    3.0
    """
    seen = fixated_levels(pred, fixated.rows, fixated.cols, fixated.counts, weights, area=area)
    return Cells(seen, pred.reshape(-1), weights)


def by_rank(pred: Array, fixated: Fixated, weights: Array | None = None) -> Cells:
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


def by_step(pred: Array, fixated: Fixated, weights: Array | None = None) -> Cells:
    """Eleven cells: which of the ten equal steps between minimum and maximum a pixel has reached.

    >>> import numpy as np
    >>> none = Fixated(*(np.zeros(0, np.int64),) * 3)
    >>> by_step(np.asarray([[0.0, 0.65, 1.0]]), none).index.tolist()
    [0, 6, 10]
    """
    import numpy as np

    values = np.asarray(pred, np.float64).reshape(-1)
    present = values if weights is None else values[weights.reshape(-1) > 0]
    with quiet():
        rise, span = tenths(np, values, present.min(), present.max())
    steps = np.arange(1, STEPS + 1) * span
    return _cells(pred, np.searchsorted(steps, rise, side="right"), STEPS + 1, fixated, weights)


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


def _cells(pred: Array, index: Array, count: int, fixated: Fixated, weights: Array | None) -> Cells:
    import numpy as np

    area = np.bincount(index, weights=None if weights is None else weights.reshape(-1), minlength=count)
    here = np.ones(len(fixated.rows)) if weights is None else weights[fixated.rows, fixated.cols]
    exist = here > 0
    at = index[(fixated.rows * pred.shape[1] + fixated.cols)[exist]]
    seen = ascending_cells(np.arange(count), area, at, here[exist], fixated.counts[exist])
    return Cells(seen, index, weights)
