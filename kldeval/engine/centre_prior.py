"""The mean of the ground truths of a data set, and of all but one: where people look whatever the image shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.arrays import quiet
from kldeval.data.load import load_map
from kldeval.engine.measure import Side, density, scaled
from kldeval.errors import MapProblem
from kldeval.executors.local import in_threads
from kldeval.normalization.chain import normalise
from kldeval.preprocessing.grey import full_scale
from kldeval.preprocessing.resize import resized

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from kldeval.arrays import Array
    from kldeval.data.load import Reading
    from kldeval.records import Pair
    from kldeval.settings.settings import Settings

Shape = tuple[int, int]
"""(height, width)."""

KERNEL = "bilinear"
"""How ground truths of other sizes come to that of the first, and their mean to that of a pair."""


class CentrePrior:
    """The sum of the ground truths as the settings normalise them, from which that of any image can be taken.

    It is on the grid of the first of them, to which the others are stretched. A ground truth that cannot be read or
    normalised has no part; none is kept.
    """

    def __init__(self, files: Mapping[str, Path], settings: Settings, reading: Reading, jobs: int) -> None:
        self._files = files
        self._settings = settings
        self._reading = reading
        self._shape: Shape | None = None
        self._sum: Array = 0.0
        self.count = 0
        found = (array for array in in_threads(self._density, files, jobs) if array is not None)
        for array in found:
            self._shape = self._shape or array.shape
            self._sum = self._sum + resized(array, self._shape, KERNEL)
            self.count += 1

    def without(self, name: str, shape: Shape) -> Array | None:
        """The mean of all other ground truths at a size; None where there is no other."""
        import numpy as np

        own = self._density(name) if name in self._files else None
        others = self.count - (own is not None)
        if others <= 0 or self._shape is None:
            return None
        rest = self._sum if own is None else self._sum - resized(own, self._shape, KERNEL)
        # a difference of two sums may round below 0
        return resized(np.maximum(rest, 0.0) / others, shape, KERNEL)

    def _density(self, name: str) -> Array | None:
        """A ground truth as the settings normalise it."""
        try:
            grey = load_map(self._files[name], self._reading).grey
        except (MapProblem, MemoryError):
            return None  # its outcome says why
        with quiet():
            values = normalise(scaled(Side(grey, full_scale(grey)), self._settings), self._settings.gt)
            if any(problem.found.any() for problem in values.problems):
                return None
            return density(values, slice(0, grey.shape[0])).prob


def centre_prior(pairs: Iterable[Pair], settings: Settings, reading: Reading, jobs: int) -> CentrePrior:
    """The prior of the ground truths of all pairs, each of which is read once for it."""
    return CentrePrior({pair.name: pair.gt for pair in pairs}, settings, reading, jobs)
