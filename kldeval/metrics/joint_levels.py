"""Sums over the pixels of two maps of few levels, from how often each two levels meet.

Goal: a function of both maps that falls apart into one of either level is summed without looking at every two levels.
Conventions: levels are numbered 0 to 255 on either side; f and g hold a number for each level of the prediction and of
the ground truth, (256,) in float64, of which those count whose level occurs.
"""

from __future__ import annotations

import math
import sys
from functools import cached_property
from typing import TYPE_CHECKING

from kldeval.arrays import opencv

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array


NEARLY_SHARED = 1e-3
"""The share of sums from which on a difference of them has thirteen digits at least."""

SMALLEST = 1e-280
"""Sums below it may be of summands that are no whole floats."""


class JointLevels:
    """The pixels of two maps by their levels: `counts` (256, 256) of each two, `margins` (1, 256) of either side's."""

    def __init__(self, counts: Array, margins: tuple[Array, Array]) -> None:
        self._counts = counts
        self._pred, self._gt = margins[0][0], margins[1][0]

    @cached_property
    def n_pixels(self) -> float:
        """How many pixels there are."""
        return float(self._pred.sum())

    def of_pred(self, f: Array) -> float:
        """The sum of f."""
        return float(self._pred @ f)

    def of_gt(self, g: Array) -> float:
        """The sum of g."""
        return float(self._gt @ g)

    def product(self, f: Array, g: Array) -> float:
        """The sum of f g.

        >>> import numpy as np
        >>> counts = np.zeros((256, 256), np.float32)
        >>> counts[1, 2], counts[3, 0] = 5, 2
        >>> levels = np.arange(256.0)
        >>> both = JointLevels(counts, (counts.sum(1)[None], counts.sum(0)[None]))
        >>> both.product(levels, levels), both.lesser(levels, levels)
        (10.0, 5.0)
        """
        return float((f @ self.table) @ g)

    def lesser(self, f: Array, g: Array) -> float | None:
        """The sum of min(f, g); None where either is negative or does not rise with its level.

        Where they rise, the levels of the other side that are below a number stand side by side, and how many pixels
        have them is a difference of running sums. No summand is taken from another: no digit is lost.
        """
        import numpy as np

        (rows, cols), sums = self._occurring, self._running_sums
        low, high = f[rows], g[cols]
        if not (low[0] >= 0 <= high[0] and (low[1:] >= low[:-1]).all() and (high[1:] >= high[:-1]).all()):
            return None
        left = np.append(cols, len(g))[high.searchsorted(low, side="left")]
        below = np.append(rows, len(f))[low.searchsorted(high, side="right")]
        of_pred = self._pred[rows] - (sums[rows + 1, left] - sums[rows, left])
        of_gt = self._gt[cols] - (sums[below, cols + 1] - sums[below, cols])
        return float(of_pred @ low + of_gt @ high)

    @cached_property
    def table(self) -> Array:
        """The counts in float64, which products with levels are taken in."""
        return self._counts.astype("float64")

    @cached_property
    def _occurring(self) -> tuple[Array, Array]:
        """The levels of either side that occur."""
        return self._pred.nonzero()[0], self._gt.nonzero()[0]

    @cached_property
    def _running_sums(self) -> Array:
        """How many pixels have both levels below, (257, 257)."""
        if "cv2" in sys.modules:
            cv2 = opencv()
            # counts in float32 are of no more pixels than it holds: neither are their sums
            return cv2.integral(self._counts, sdepth=cv2.CV_32F if self._counts.dtype.char == "f" else cv2.CV_64F)
        import numpy as np

        sums = np.zeros(tuple(length + 1 for length in self._counts.shape))
        sums[1:, 1:] = self.table.cumsum(axis=0).cumsum(axis=1)
        return sums


def gap(own: float, both: float) -> float | None:
    """What is left of `own` sums of 0 or more without what `both` share; None where the rest has lost digits.

    >>> gap(1.0, 0.25), gap(1.0, 0.9999)
    (0.75, None)
    """
    left = own - both
    return left if SMALLEST < own < math.inf and left >= NEARLY_SHARED * own else None
