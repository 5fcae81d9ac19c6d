"""The density of fixations on all images but one: the baseline of a viewer who has not seen the image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from kldeval.data.fixations.collection import SIZES_KEPT, OtherFixations
from kldeval.engine.lowest import Lows
from kldeval.errors import RefusedMap
from kldeval.normalization.gaussian import blurred, blurred_points, gaussian_responses

if TYPE_CHECKING:
    from kldeval.arrays import Array
    from kldeval.engine.lowest import Points

Shape = tuple[int, int]
"""(height, width)."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A Gaussian whose standard deviation is `bandwidth` times either side of the map, and a `uniform` share."""

    bandwidth: float
    uniform: float

    def sigma(self, shape: Shape) -> tuple[float, float]:
        """The standard deviations in pixels."""
        return self.bandwidth * shape[0], self.bandwidth * shape[1]


def mixed(smooth: Array, share: float, mass: float, pixels: float) -> Array:
    """The density of fixations under a Gaussian that sum to `mass`, with a uniform `share`."""
    import numpy as np

    # a difference of two sums may round below 0
    return (1 - share) * np.maximum(smooth, 0.0) / mass + share / pixels


class Crowd:
    """Leave-one-image-out kernel densities, as pysaliency's CrossvalidatedBaselineModel.

    b = (1 - u) K / n + u / N, K the n other fixations under a Gaussian that the borders reflect, N the pixels. The sum
    over all images is smoothed once for each size of map. What the image itself adds to it is subtracted: the Gaussian
    is linear, and at a few places it costs no pass over the map.
    """

    def __init__(self, fixations: OtherFixations, kernel: Kernel) -> None:
        self._fixations = fixations
        self._kernel = kernel
        self._everything = lru_cache(maxsize=SIZES_KEPT)(self._smooth)
        self._lows = lru_cache(maxsize=SIZES_KEPT)(self._cut)

    def at(self, name: str, shape: Shape, rows: Array, cols: Array, weights: Array | None = None) -> Array:
        """The density of the other images at some pixels.

        Raises:
            RefusedMap: no other image has fixations on this map.
        """
        import numpy as np

        if weights is not None:
            return self.density(name, shape, weights)[rows, cols]
        everything, total = self._everything(shape)
        mine, mine_across, counts = self._own(name, shape)
        sigma = self._kernel.sigma(shape)
        down = gaussian_responses(rows, mine, shape[0], sigma[0])
        across = gaussian_responses(cols, mine_across, shape[1], sigma[1])
        smooth = everything[rows, cols] - np.einsum("ij,ij->i", down * counts, across)
        rest = self._rest(name, total - counts.sum())
        return mixed(smooth, self._kernel.uniform, rest, shape[0] * shape[1])

    def lowest(self, name: str, shape: Shape) -> float:
        """The least value of the density of the other images on the map.

        Raises:
            RefusedMap: no other image has fixations on this map.
        """
        import numpy as np

        points = self._own(name, shape)
        rest = self._rest(name, self._everything(shape)[1] - points[2].sum())
        low = np.asarray(self._lows(shape).without(points))
        return float(mixed(low, self._kernel.uniform, rest, shape[0] * shape[1]))

    def density(self, name: str, shape: Shape, weights: Array | None = None) -> Array:
        """The density of the other images on the whole map; with weights its weighted sum is 1.

        Raises:
            RefusedMap: no other image has fixations on this map.
        """
        import numpy as np

        everything, total = self._everything(shape)
        points = self._own(name, shape)
        smooth = everything - blurred_points(points, shape, self._kernel.sigma(shape))
        rest = self._rest(name, total - points[2].sum())
        if weights is None:
            return mixed(smooth, self._kernel.uniform, rest, shape[0] * shape[1])
        mass = float((np.maximum(smooth, 0.0) * weights).sum())
        return mixed(smooth, self._kernel.uniform, self._rest(name, mass), float(weights.sum()))

    def _own(self, name: str, shape: Shape) -> Points:
        places, counts = self._fixations.own(name, shape)
        return places // shape[1], places % shape[1], counts

    def _cut(self, shape: Shape) -> Lows:
        return Lows(self._everything(shape)[0], self._kernel.sigma(shape))

    def _smooth(self, shape: Shape) -> tuple[Array, int]:
        counts = self._fixations.everything(shape)
        return blurred(counts, self._kernel.sigma(shape)), int(counts.sum())

    @staticmethod
    def _rest(name: str, mass: float) -> float:
        if not mass > 0:
            msg = f"no other image than {name!r} has fixations here, so there is no baseline of the others"
            raise RefusedMap(msg)
        return mass
