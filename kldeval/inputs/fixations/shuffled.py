"""The fixations of all other images: the negatives of the shuffled AUC, which pay nothing for a bias to the centre."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from kldeval.errors import RefusedMap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kldeval.arrays import Array
    from kldeval.inputs.fixations.record import Fixations, Shape

SIZES_KEPT = 8
"""Sums of all fixations that are kept, one for each size of image: data sets with many sizes come in runs of few."""


def shuffled(fixations: Mapping[str, Fixations]) -> Callable[[str], Array]:
    """A function that gives, for the name of an image, the count map of the fixations of all other images on it.

    Every fixation counts, repeats included; positions scale with the size of the image, x W / W', and are cut to whole
    pixels afterwards, as pysaliency does. Fixations outside their own image have no part. All fixations are added up
    once for each size of image, so an image costs no more than its own pixels, however many others there are.

    Raises:
        RefusedMap: the size of an image is unknown, naming the image.

    >>> from kldeval.inputs.fixations.record import fixations_at
    >>> small, large = fixations_at([0], [1], shape=(1, 2)), fixations_at([1], [1], shape=(2, 4))
    >>> shuffled({"small": small, "large": large})("small").tolist()
    [[1, 0]]
    """
    import numpy as np

    shapes = {name: _shape(name, points) for name, points in fixations.items()}
    within = {name: points.inside(shapes[name])[0] for name, points in fixations.items()}
    rows, cols, counts = (
        np.concatenate([np.zeros(0), *(getattr(points, part) for points in within.values())])
        for part in ("rows", "cols", "counts")
    )
    sizes = np.repeat(list(shapes.values()), [len(points.rows) for points in within.values()], axis=0)

    @lru_cache(maxsize=SIZES_KEPT)
    def everything(shape: Shape) -> Array:
        # rounding may carry a position within an ulp of the edge onto it
        at_rows = np.minimum(np.floor(rows * (shape[0] / sizes[:, 0])), shape[0] - 1)
        at_cols = np.minimum(np.floor(cols * (shape[1] / sizes[:, 1])), shape[1] - 1)
        places = (at_rows * shape[1] + at_cols).astype(np.int64)
        return np.bincount(places, weights=counts, minlength=shape[0] * shape[1]).astype(np.int64).reshape(shape)

    return lambda name: everything(shapes[name]) - within[name].count_map(shapes[name])


def _shape(name: str, points: Fixations) -> Shape:
    if points.shape is None:
        msg = f"the size of the image {name!r} is unknown, so the fixations on it cannot be moved to other images"
        raise RefusedMap(msg)
    return points.shape
