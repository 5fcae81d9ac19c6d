"""The fixations of all other images, by the image that is left out and at its size."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from kldeval.errors import RefusedMap
from kldeval.inputs.fixations.record import moved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.arrays import Array
    from kldeval.inputs.fixations.record import Fixations, Shape

SIZES_KEPT = 8
"""Sums of all fixations that are kept, one for each size of map: data sets with many sizes come in runs of few."""

IMAGES_KEPT = 16
"""Images whose own fixations are kept: a few for every worker, each asked for several times in a row."""

Places = tuple["Array", "Array"]
"""Flat indices of pixels in ascending order, each once, and the number of fixations at each, in float64."""


class Everywhere(NamedTuple):
    """Where all images together were fixated and how often, and apart where it was `more` than once: few places."""

    places: Array
    counts: Array
    again: Array
    more: Array


class OtherFixations:
    """The fixations of a data set on a map of any size, with or without those of one image.

    Every fixation counts, repeats included; positions scale with the size of the image, x W / W', and are cut to whole
    pixels afterwards, as pysaliency does. Fixations outside their own image have no part. All fixations are added up
    once for each size of map, so an image costs little, however many others there are.

    Raises:
        RefusedMap: the size of an image is unknown, naming the image.

    >>> from kldeval.inputs.fixations.record import fixations_at
    >>> small, large = fixations_at([0], [1], shape=(1, 2)), fixations_at([1], [1], shape=(2, 4))
    >>> OtherFixations({"small": small, "large": large}).count_map("small", (1, 2)).tolist()
    [[1, 0]]
    """

    def __init__(self, fixations: Mapping[str, Fixations]) -> None:
        import numpy as np

        within = {name: points.inside(_shape(name, points))[0] for name, points in fixations.items()}
        parts = ("rows", "cols", "counts")
        self._rows, self._cols, self._counts = (
            np.concatenate([np.zeros(0), *(getattr(points, part) for points in within.values())]) for part in parts
        )
        lengths = [len(points.rows) for points in within.values()]
        sizes = [points.shape for points in within.values()]
        self._sizes = np.repeat(np.asarray(sizes, np.float64).reshape(-1, 2), lengths, axis=0)
        ends = np.cumsum([0, *lengths])
        self._ranges = {name: slice(*bounds) for name, *bounds in zip(within, ends, ends[1:], strict=False)}
        self._remember()

    def _remember(self) -> None:
        self._everything = lru_cache(maxsize=SIZES_KEPT)(self._add_up)
        self._own = lru_cache(maxsize=IMAGES_KEPT)(self._find_own)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_everything", "_own")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._remember()

    @property
    def names(self) -> tuple[str, ...]:
        """The images."""
        return tuple(self._ranges)

    def everything(self, shape: Shape) -> Array:
        """The number of fixations of all images at each pixel, int64 (H, W); not to be written to."""
        return self._everything(shape)[0]

    def own(self, name: str, shape: Shape) -> Places:
        """Where the image itself was fixated.

        Raises:
            RefusedMap: the image is none of the data set.
        """
        return self._own(name, shape)

    def places(self, shape: Shape) -> Everywhere:
        """Where all images together were fixated."""
        return self._everything(shape)[1]

    def count_map(self, name: str, shape: Shape) -> Array:
        """The number of fixations of all other images at each pixel, int64 (H, W)."""
        counts = self.everything(shape).copy()
        mine, how_often = self.own(name, shape)
        counts.reshape(-1)[mine] -= how_often.astype(counts.dtype)
        return counts

    def _find_own(self, name: str, shape: Shape) -> Places:
        import numpy as np

        if name not in self._ranges:
            msg = f"the data set whose fixations are compared has none on {name!r}"
            raise RefusedMap(msg)
        chosen = self._ranges[name]
        places, owner = np.unique(self._places(shape, chosen), return_inverse=True)
        return places, np.bincount(owner, weights=self._counts[chosen], minlength=len(places))

    def _places(self, shape: Shape, chosen: slice) -> Array:
        import numpy as np

        rows, cols = (
            np.floor(moved(places[chosen], self._sizes[chosen, side], shape[side])).astype(np.int64)
            for side, places in enumerate((self._rows, self._cols))
        )
        return rows * shape[1] + cols

    def _add_up(self, shape: Shape) -> tuple[Array, Everywhere]:
        import numpy as np

        places = self._places(shape, slice(None))
        counts = np.bincount(places, weights=self._counts, minlength=shape[0] * shape[1]).astype(np.int64)
        seen = np.flatnonzero(counts)
        how_often = counts[seen].astype(np.float64)
        again = how_often > 1
        return counts.reshape(shape), Everywhere(seen, how_often, seen[again], how_often[again] - 1)


def _shape(name: str, points: Fixations) -> Shape:
    if points.shape is None:
        msg = f"the size of the image {name!r} is unknown, so the fixations on it cannot be moved to other images"
        raise RefusedMap(msg)
    return points.shape
