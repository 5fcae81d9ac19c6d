"""Fixations of one image as points, and their counts per pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kldeval.errors import RefusedMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.arrays import Array

Shape = tuple[int, int]
"""(height, width)."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Fixations that lie outside their map: how many of how many, and the first of them, counted from 0."""

    count: int
    total: int
    row: float
    col: float
    shape: Shape

    def __str__(self) -> str:
        height, width = self.shape
        return (
            f"{self.count} of {self.total} fixations lie outside the map of {width} x {height} pixels, "
            f"such as x {self.col:g}, y {self.row:g} (counted from 0)"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Fixations:
    """Fixations of one image in the order of the file; one entry may stand for several at one place (`counts`).

    `rows` and `cols` are float64 positions: pixel r covers r <= row < r + 1, so that what an eye tracker resolves
    below a pixel survives a change of size. Unknown parts are None. The arrays cannot be written to.
    """

    rows: Array
    cols: Array
    counts: Array
    observers: tuple[str, ...] | None = None
    shape: Shape | None = None
    durations: Array | None = None

    @property
    def total(self) -> int:
        """The number of fixations, repeats included."""
        return int(self.counts.sum())

    @property
    def observer_names(self) -> tuple[str, ...]:
        """The observers in the order of their first fixation; none if the file does not tell them apart."""
        return tuple(dict.fromkeys(self.observers or ()))

    def select(self, chosen: Array) -> Fixations:
        """The entries at which the boolean array `chosen` is true."""
        import numpy as np

        observers = None if self.observers is None else tuple(self.observers[i] for i in np.flatnonzero(chosen))
        durations = None if self.durations is None else self.durations[chosen]
        return fixations_at(self.rows[chosen], self.cols[chosen], self.counts[chosen], observers, self.shape, durations)

    def of_observer(self, name: str) -> tuple[Fixations, Fixations]:
        """What one observer fixated, and what all others did.

        Raises:
            RefusedMap: the file does not tell observers apart.
        """
        own = self._observer_array() == name
        return self.select(own), self.select(~own)

    def without_first(self) -> Fixations:
        """Without the first fixation of each observer, which a trial's starting cross often forces.

        Raises:
            RefusedMap: the file does not tell observers apart.
        """
        import numpy as np

        chosen = np.ones(len(self.rows), dtype=bool)
        chosen[np.unique(self._observer_array(), return_index=True)[1]] = False
        return self.select(chosen)

    def inside(self, shape: Shape) -> tuple[Fixations, Outside | None]:
        """The fixations on a map of this shape, and a report of those outside (None: there are none)."""
        import numpy as np

        height, width = shape
        within = (self.rows >= 0) & (self.rows < height) & (self.cols >= 0) & (self.cols < width)
        fixations = self if self.shape == shape else replace(self, shape=shape)
        if within.all():
            return fixations, None
        first = int(np.argmin(within))
        lost = int(self.counts[~within].sum())
        outside = Outside(lost, self.total, float(self.rows[first]), float(self.cols[first]), shape)
        return fixations.select(within), outside

    def pixels(self, shape: Shape) -> tuple[Array, Array, Array]:
        """Rows, columns and counts of the fixated pixels of a map of this shape, each pixel once.

        Raises:
            RefusedMap: a fixation lies outside; `inside` leaves it out and tells.
        """
        import numpy as np

        _, outside = self.inside(shape)
        if outside:
            msg = f"{outside}; check the size of the map and whether coordinates count from 0 or 1"
            raise RefusedMap(msg)
        places = np.floor(self.rows).astype(np.int64) * shape[1] + np.floor(self.cols).astype(np.int64)
        places, owner = np.unique(places, return_inverse=True)
        counts = np.bincount(owner, weights=self.counts, minlength=len(places)).astype(np.int64)
        return *np.divmod(places, shape[1]), counts

    def count_map(self, shape: Shape) -> Array:
        """The number of fixations at every pixel, int64 (H, W).

        Raises:
            RefusedMap: a fixation lies outside.
        """
        import numpy as np

        rows, cols, counts = self.pixels(shape)
        map_ = np.zeros(shape, np.int64)
        map_[rows, cols] = counts
        return map_

    def scaled(self, shape: Shape) -> Fixations:
        """The fixations on the image resized to another shape.

        Raises:
            RefusedMap: the shape of the image is unknown.
        """
        if self.shape is None:
            msg = "fixations on an image of unknown size cannot be scaled; give its (height, width)"
            raise RefusedMap(msg)
        rows, cols = (
            moved(places, old, new) for places, old, new in zip((self.rows, self.cols), self.shape, shape, strict=True)
        )
        return fixations_at(rows, cols, self.counts, self.observers, shape, self.durations)

    def _observer_array(self) -> Array:
        import numpy as np

        if self.observers is None:
            msg = "the fixations do not say whose they are; a list with the column observer does"
            raise RefusedMap(msg)
        return np.asarray(self.observers, dtype=object).astype(str)


def moved(places: Array, old: Any, new: int) -> Array:
    """Positions along a side of `old` pixels, on the same side resized to `new`; what was inside stays inside.

    `old` is one number for all positions, or one for each.

    >>> import numpy as np
    >>> moved(np.asarray([0.0, 1.5]), 2, 4).tolist()
    [0.0, 3.0]
    """
    import numpy as np

    # rounding may carry a position within an ulp of the edge onto it
    return np.where(places < old, np.minimum(places * (new / old), np.nextafter(new, 0)), places * (new / old))


def fixations_at(
    rows: Any,
    cols: Any,
    counts: Any = None,
    observers: Sequence[str] | None = None,
    shape: Shape | None = None,
    durations: Any = None,
) -> Fixations:
    """Fixations at positions counted from 0.

    >>> fixations_at([1.5, 1.2], [0, 0]).count_map((2, 1)).tolist()
    [[0], [2]]
    """
    import numpy as np

    rows = _frozen(rows, np.float64)
    return Fixations(
        rows=rows,
        cols=_frozen(cols, np.float64),
        counts=_frozen(np.ones(rows.shape) if counts is None else counts, np.int64),
        observers=None if observers is None else tuple(observers),
        shape=shape,
        durations=None if durations is None else _frozen(durations, np.float64),
    )


def _frozen(values: Any, dtype: Any) -> Array:
    import numpy as np

    array = np.array(values, dtype=dtype).reshape(-1)
    array.setflags(write=False)
    return array
