"""The density of fixations on all images but one: the baseline of a viewer who has not seen the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kldeval.caching import KeptResults
from kldeval.data.fixations.collection import SIZES_KEPT, OtherFixations
from kldeval.dataclass import dataclass
from kldeval.errors import RefusedMap
from kldeval.normalization.gaussian import blurred, blurred_points, gaussian_responses

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.arrays import NumpyArray as Array


Shape = tuple[int, int]
"""(height, width)."""

Points = tuple["Array", "Array", "Array"]
"""Rows, columns and counts, each place once."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A Gaussian whose standard deviation is `bandwidth` times either side of the map, and a `uniform` share."""

    bandwidth: float
    uniform: float

    def sigma(self, shape: Shape) -> tuple[float, float]:
        """The standard deviations in pixels."""
        return self.bandwidth * shape[0], self.bandwidth * shape[1]


def with_uniform_share(smooth: Array, share: float, mass: float, pixels: float) -> Array:
    """The density of fixations under a Gaussian that sum to `mass`, with a uniform `share`."""
    return (1 - share) * smooth / mass + share / pixels


ROUNDED = 2**-40
"""The share of a sum of Gaussians that is its rounding. A fixation of which a Gaussian tells at all is more: in the
corner, four standard deviations away on both axes, it has 1e-7 of the height of one on the spot."""


FEW_BITS = 2**-46
"""The share of a sum of Gaussians by which two ways of summing it differ."""


def without_part(everything: Array, part: Array) -> Array:
    """Fixations under a Gaussian without some of them: exactly 0 where no other is near, not what rounding left there.

    The logarithm of a density without a uniform part is infinite there.
    """
    rest = everything - part
    return np.where(rest > ROUNDED * everything, rest, 0.0)


def without_each(points: Sequence[Points], shape: Shape, sigma: tuple[float, float]) -> Iterator[Array]:
    """What all but one of several told under a Gaussian, for each of them in turn.

    A half is smoothed for all of the other half at once; nothing is subtracted, so that nothing is rounded away.
    """
    return _without_each(points, shape, sigma, np.zeros(shape))


def _without_each(points: Sequence[Points], shape: Shape, sigma: tuple[float, float], others: Array) -> Iterator[Array]:
    if len(points) == 1:
        yield others
    elif points:
        halves = points[: len(points) // 2], points[len(points) // 2 :]
        for half, rest in (halves, halves[::-1]):
            rows, cols, counts = (np.concatenate(parts) for parts in zip(*rest, strict=True))
            yield from _without_each(half, shape, sigma, others + blurred_points((rows, cols, counts), shape, sigma))


class LeaveOneOutDensity:
    """Leave-one-image-out kernel densities, as pysaliency's CrossvalidatedBaselineModel.

    b = (1 - u) K / n + u / N, K the n other fixations under a Gaussian that the borders reflect, N the pixels. The sum
    over all images is smoothed once for each size of map. What the image itself adds to it is subtracted: the Gaussian
    is linear, and at a few places it costs no pass over the map.
    """

    def __init__(self, fixations: OtherFixations, kernel: Kernel) -> None:
        self._fixations = fixations
        self._kernel = kernel
        self._everything = KeptResults(self._smooth, SIZES_KEPT)
        self._searches = KeptResults(self._search, SIZES_KEPT)

    def at(self, name: str, shape: Shape, rows: Array, cols: Array, weights: Array | None = None) -> Array:
        """The density of the other images at some pixels.

        Raises:
            RefusedMap: no other image has fixations on this map.
        """
        if weights is not None:
            return self.density(name, shape, weights)[rows, cols]
        _, smooth, rest = self._smooth_at(name, shape, rows, cols)
        return with_uniform_share(smooth, self._kernel.uniform, rest, shape[0] * shape[1])

    def above_minimum(self, name: str, shape: Shape, rows: Array, cols: Array) -> tuple[Array, float]:
        """How far the density of the other images is at some pixels above its least value on the map, and that value.

        Exactly 0 where it is the least, not what rounding leaves: its logarithm is taken.

        Raises:
            RefusedMap: no other image has fixations on this map.
        """
        everything, smooth, rest = self._smooth_at(name, shape, rows, cols)
        low = self._searches(shape).without(self._own(name, shape))
        gap = np.where(smooth - low > FEW_BITS * everything, smooth - low, 0.0)
        least = with_uniform_share(np.asarray(low), self._kernel.uniform, rest, shape[0] * shape[1])
        return (1 - self._kernel.uniform) * gap / rest, float(least)

    def _smooth_at(self, name: str, shape: Shape, rows: Array, cols: Array) -> tuple[Array, Array, float]:
        """All fixations under the Gaussian at some pixels, those of the other images, and how many these are."""
        everything, total = self._everything(shape)
        mine, mine_across, counts = self._own(name, shape)
        sigma = self._kernel.sigma(shape)
        down = gaussian_responses(rows, mine, shape[0], sigma[0])
        across = gaussian_responses(cols, mine_across, shape[1], sigma[1])
        whole = everything[rows, cols]
        smooth = without_part(whole, np.einsum("ij,ij->i", down * counts, across))
        return whole, smooth, self._rest(name, total - counts.sum())

    def density(self, name: str, shape: Shape, weights: Array | None = None) -> Array:
        """The density of the other images on the whole map; with weights its weighted sum is 1.

        Raises:
            RefusedMap: no other image has fixations on this map.
        """
        rows, cols, own = self._own(name, shape)
        # whole numbers: without one's own they are those of the others, and pixels as near to these are ties
        counts = self._fixations.everything(shape).astype(np.float64)
        counts[rows, cols] -= own
        smooth = blurred(counts, self._kernel.sigma(shape))
        rest = self._rest(name, counts.sum())
        if weights is None:
            return with_uniform_share(smooth, self._kernel.uniform, rest, shape[0] * shape[1])
        mass = float((smooth * weights).sum())
        return with_uniform_share(smooth, self._kernel.uniform, self._rest(name, mass), float(weights.sum()))

    def _own(self, name: str, shape: Shape) -> Points:
        places, counts = self._fixations.own(name, shape)
        return places // shape[1], places % shape[1], counts

    def _search(self, shape: Shape) -> MinimumSearch:
        return MinimumSearch(self._everything(shape)[0], self._kernel.sigma(shape))

    def _smooth(self, shape: Shape) -> tuple[Array, int]:
        counts = self._fixations.everything(shape)
        return blurred(counts, self._kernel.sigma(shape)), int(counts.sum())

    @staticmethod
    def _rest(name: str, mass: float) -> float:
        if not mass > 0:
            msg = f"no other image than {name!r} has fixations here, so there is no baseline of the others"
            raise RefusedMap(msg)
        return mass


SIDE = 16
"""Pixels along a block: no more than the standard deviations, so that a block is about as high as its pixels."""

MOST_BLOCKS = 0.25
"""The share of blocks from which on the whole map is worked out instead."""


class MinimumSearch:
    """Finds the least value of a smooth map without some of its points, without working the map out.

    The map (H, W), which is `smooth` under Gaussians of `sigma`, is cut into blocks. Of a block it is known how low the
    map is in it with all points, and how much the points that are taken away can at most have added; few blocks remain
    that could hold the least value.
    """

    def __init__(self, smooth: Array, sigma: tuple[float, float]) -> None:
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
        sides = [
            gaussian_responses(np.arange(length)[part], places, length, sigma)
            for part, places, length, sigma in zip(
                (rows, cols), points[:2], self._smooth.shape, self._sigma, strict=True
            )
        ]
        return without_part(self._smooth[rows, cols], (sides[0] * points[2]) @ sides[1].T)


def _highest(length: int, sigma: float) -> Array:
    """The most that a point anywhere along a side adds at a pixel of each block of it, (blocks, length)."""
    pixels = np.arange(length)
    blocks = (pixels[start : start + SIDE] for start in range(0, length, SIDE))
    return np.stack([gaussian_responses(block, pixels, length, sigma).max(axis=0) for block in blocks])
