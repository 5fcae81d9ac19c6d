"""The least value of a smooth map without some of its points, found without working the map out.

The map is cut into blocks. Of a block it is known how low the map is in it with all points, and how much the points
that are taken away can at most have added; few blocks remain that could hold the least value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.normalization.gaussian import gaussian_responses

if TYPE_CHECKING:
    from kldeval.arrays import Array

SIDE = 16
"""Pixels along a block: no more than the standard deviations, so that a block is about as high as its pixels."""

MOST_BLOCKS = 0.25
"""The share of blocks from which on the whole map is worked out instead."""

Points = tuple["Array", "Array", "Array"]
"""Rows, columns and counts, each place once."""


class Lows:
    """A map (H, W), which is `smooth` under Gaussians of `sigma`, in blocks."""

    def __init__(self, smooth: Array, sigma: tuple[float, float]) -> None:
        import numpy as np

        self._smooth = smooth
        self._sigma = sigma
        self._starts = [np.arange(0, length, SIDE) for length in smooth.shape]
        down, across = self._starts
        self._lows = np.minimum.reduceat(np.minimum.reduceat(smooth, down, axis=0), across, axis=1)
        row, col = divmod(int(smooth.argmin()), smooth.shape[1])
        self._place = row, col
        self._highest = [_highest(*side) for side in zip(smooth.shape, sigma, strict=True)]

    def without(self, points: Points) -> float:
        """The least value of the map without what some of its points add to it."""
        import numpy as np

        rows, cols, counts = points
        down, across = self._highest
        floors = self._lows - (down[:, rows] * counts) @ across[:, cols].T
        blocks = np.argwhere(floors <= self._at(*self._place, points))
        if len(blocks) > MOST_BLOCKS * floors.size:
            return float(self._part(slice(0, None), slice(0, None), points).min())
        corners = (tuple(int(starts[i]) for starts, i in zip(self._starts, block, strict=True)) for block in blocks)
        return min(
            float(self._part(slice(top, top + SIDE), slice(left, left + SIDE), points).min()) for top, left in corners
        )

    def _at(self, row: int, col: int, points: Points) -> float:
        return float(self._part(slice(row, row + 1), slice(col, col + 1), points)[0, 0])

    def _part(self, rows: slice, cols: slice, points: Points) -> Array:
        """A part of the map without the points."""
        import numpy as np

        sides = [
            gaussian_responses(np.arange(length)[part], places, length, sigma)
            for part, places, length, sigma in zip(
                (rows, cols), points[:2], self._smooth.shape, self._sigma, strict=True
            )
        ]
        return self._smooth[rows, cols] - (sides[0] * points[2]) @ sides[1].T


def _highest(length: int, sigma: float) -> Array:
    """The most that a point anywhere along a side adds at a pixel of each block of it, (blocks, length)."""
    import numpy as np

    pixels = np.arange(length)
    blocks = (pixels[start : start + SIDE] for start in range(0, length, SIDE))
    return np.stack([gaussian_responses(block, pixels, length, sigma).max(axis=0) for block in blocks])
