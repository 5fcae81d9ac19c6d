"""Maps of other axes than height and width: volumes (D, H, W), maps of four axes and more, and lines (H,).

A volume is scored as a map whose rows are its slices along the first axis, because sums, extremes and ranks do not ask
where a pixel stands. What does ask is refused (see `kldeval.scoring.views`).
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from kldeval.data.readers import holds_arrays, is_xyz, read_map, read_shaped
from kldeval.data.readers.numpy_files import MOST_AXES, Shapes
from kldeval.errors import RefusedMap, printable

if TYPE_CHECKING:
    from kldeval.data.readers.stored import Limits, Stored
    from kldeval.memory import MapFile

    Shape = tuple[int, ...]

PLANE, SPACE = 2, 3
"""The axes of a map, where nothing else is said: height and width; and those of volumes of medical images."""


def with_axes(shape: Shape, n: int) -> Shape | None:
    """The shape of `n` axes that a shape means, where axes of length 1 stand beside them; None if it means none or two.

    >>> with_axes((1, 4, 5, 6), 3), with_axes((4, 5), 3), with_axes((1, 5, 1), 2)
    ((4, 5, 6), None, None)
    """
    if len(shape) == n:
        return shape
    ones = [axis for axis, length in enumerate(shape) if length == 1]
    if not n < len(shape) <= MOST_AXES or len(shape) - len(ones) > n:
        return None
    gone = combinations(ones, len(shape) - n)
    meant = {tuple(length for axis, length in enumerate(shape) if axis not in left) for left in gone}
    return meant.pop() if len(meant) == 1 else None


def volume_shapes(n: int, *, classes: bool = False) -> Shapes:
    """The shapes of maps of `n` spatial axes; with `classes` also with an axis of classes before or after them."""
    if classes:
        known = f"with {n} spatial axes a class map's has {n + 1} axes, and that of labels {n}"
        return Shapes(lambda shape: shape if len(shape) in (n, n + 1) else None, known)
    return Shapes(lambda shape: with_axes(shape, n), f"with --spatial-axes {n} a map's has {n} axes, all of space")


def read_in_space(path: MapFile, key: str | None, limits: Limits, spatial: int) -> Stored:
    """A map of so many axes in a file of arrays, unless its format says another number; any other as it is.

    Raises:
        UnreadableMap, MissingDependency: as `read_map`.
    """
    if spatial == PLANE or not holds_arrays(path) or is_xyz(path):
        bounds = limits.max_pixels, limits.trusts_files, limits.shape
        return read_map(path, key=key, max_pixels=bounds[0], trusts_files=bounds[1], shape=bounds[2])
    shapes = volume_shapes(spatial)
    return replace(read_shaped(path, key, limits, shapes), is_volume=True)


def laid_out(array: Any) -> tuple[Any, Shape]:
    """An array of space as a map (H, W), and its own shape where that is not one of height and width.

    A line is a map of one row, and a volume one whose rows are the slices along its first axis.

    >>> import numpy as np
    >>> laid_out(np.zeros((4, 5, 6)))[0].shape, laid_out(np.zeros(3))[0].shape
    ((4, 30), (1, 3))
    """
    shape = tuple(array.shape)
    if len(shape) == PLANE:
        return array, ()
    if len(shape) == 1:
        return array.reshape(1, -1), ()
    return array.reshape(shape[0], math.prod(shape[1:])), shape


def space_of(stored: Stored) -> Shape:
    """The shape of a map's axes of space: of colours and of classes nothing, which stand after and before them."""
    shape = tuple(stored.array.shape)
    return shape[-SPACE:] if stored.is_xyz or stored.is_volume else shape[:PLANE]


def turned(array: Any, wanted: Shape, path: MapFile, said: str | None) -> Any:
    """An array in the order of axes of a shape, where of one it is known that they are x, y, z, and of the other not.

    `said` is that of arrays, xyz or zyx; where nothing is said the lengths must tell.

    Raises:
        RefusedMap: they fit either way, which may be two different maps.

    >>> import numpy as np
    >>> turned(np.zeros((4, 5, 6)), (6, 5, 4), "a.nii", None).shape
    (6, 5, 4)
    """
    shape = tuple(array.shape)
    fits_as_is, fits_turned = shape == wanted, shape[::-1] == wanted
    if said is None and fits_as_is and fits_turned and math.prod(shape) > max(shape):
        msg = (
            f"{printable(path)}: axes of NIfTI and NRRD are (X, Y, Z), those of arrays may be (Z, Y, X), and {shape} "
            "fits both ways: --array-axes zyx (as nnU-Net and SimpleITK store arrays) or xyz (as nibabel does)"
        )
        raise RefusedMap(msg)
    return array.T if said == "zyx" or (said is None and fits_turned and not fits_as_is) else array


def check_volumes(pred: Shape, gt: Shape) -> None:
    """Refuse two volumes of other shapes, or a volume beside a map: laid out as maps they could agree.

    Raises:
        RefusedMap: naming both shapes.
    """
    if pred != gt:
        shapes = (f"{shape}" if shape else "one of height and width" for shape in (pred, gt))
        msg = (
            f"sizes differ: the prediction is {next(shapes)}, the ground truth {next(shapes)}; volumes are scored in "
            "one size, in which both have to be stored"
        )
        raise RefusedMap(msg, code="size-mismatch")


def beside_volume(array: Any, path: MapFile, what: str, volume: Shape) -> Any:
    """What stands beside the pixels of a volume, such as a mask, laid out as it is.

    Raises:
        RefusedMap: it has another shape.
    """
    if tuple(array.shape) != volume:
        msg = f"{printable(path)}: the {what} is {tuple(array.shape)}, the maps are {volume}"
        raise RefusedMap(msg, code="size-mismatch")
    return laid_out(array)[0]
