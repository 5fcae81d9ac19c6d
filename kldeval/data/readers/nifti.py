"""NIfTI, version 1 and 2, plain or as .nii.gz: volumes (X, Y, Z), and class maps (X, Y, Z, C) as (C, X, Y, Z).

nibabel reads the header; the values are read here, within bounds. Values are scaled by `scl_slope` and `scl_inter` in
float64, as nibabel does, and keep their type where these say nothing. The affine is that of the sform where it is set,
else of the qform; a header with neither says no place.

Formats: https://nifti.nimh.nih.gov/nifti-1/ and https://nifti.nimh.nih.gov/nifti-2
"""

from __future__ import annotations

import io
import math
from functools import cache
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from kldeval.data.readers.stored import Limits, Stored, unreadable
from kldeval.data.readers.voxels import check_values, inflating, read_values, volume_opened
from kldeval.dataclass import NamedTuple
from kldeval.errors import MissingDependency
from kldeval.grids import Grid
from kldeval.packages import load_package

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.memory import MapContents

    Shape = tuple[int, ...]
    Takes = Callable[[Shape], str | None] | None

SIZES = {348: "Nifti1Header", 540: "Nifti2Header"}
"""The bytes of a header of either version, with which it begins, and the class of nibabel that reads it."""

SPACE = 3

ADVICE = "resample one to the other, as nibabel.processing.resample_from_to does, or mend the header that is wrong"
"""What brings two volumes to one grid."""


class NiftiHeader(NamedTuple):
    """What a header says: the shape and type as stored, where values begin, their scale, and the place of the voxels.

    `meant` is the shape of the map: that of space, after an axis of classes where there is one.
    """

    shape: Shape
    meant: Shape
    dtype: Any
    offset: int
    slope: float
    intercept: float
    grid: Grid | None


def read(path: Any, _key: str | None, limits: Limits, takes: Takes = None) -> Stored:
    """The volume of a file; `takes` says what is wrong with a shape, where other ones than those of space are taken.

    Raises:
        UnreadableMap: damaged, truncated, too large, or no real-valued volume.
        MissingDependency: nibabel is not installed.
        OSError: the file cannot be opened.
    """
    with volume_opened(path) as (raw, size):
        file = inflating(raw)
        header = _header(file, path)
        problem = (takes or only_space)(header.meant)
        if problem:
            raise unreadable(path, problem)
        check_values(path, header.shape, header.dtype, size, header.offset, limits)
        values = read_values(file, path, math.prod(header.shape), header.dtype, header.offset)
    array = values.reshape(header.shape, order="F").reshape(_squeezed(header.shape), order="F")
    if len(header.meant) > SPACE:
        array = np.moveaxis(array, -1, 0)
    if (header.slope, header.intercept) != (1, 0):
        array = array * header.slope + header.intercept
    return Stored(np.ascontiguousarray(array), grid=header.grid, is_volume=array.ndim != 2, is_xyz=True)  # noqa: PLR2004 - a slice


def read_labels(path: Any, key: str | None, limits: Limits, takes: Takes = None) -> Stored:
    """The labels of a volume; whole numbers that are stored as floats, as many programs store them, are integers.

    Raises:
        UnreadableMap, MissingDependency, OSError: as `read`.
    """
    return whole_numbers(read(path, key, limits, takes or with_classes))


def whole_numbers(stored: Stored) -> Stored:
    """The map with integers in place of floats, where all of these are whole."""
    from dataclasses import replace

    array = stored.array
    if array.dtype.kind != "f" or not (np.isfinite(array).all() and (array == np.trunc(array)).all()):
        return stored
    if array.size and np.abs(array).max() >= 2**53:
        return stored
    return replace(stored, array=array.astype(np.int64))


def stored_shape(path: Any, _key: str | None) -> Shape | None:
    """The shape of the map in a file, from its header alone; None where there is none to be read."""
    try:
        with volume_opened(path) as (raw, _):
            return _header(inflating(raw), path).meant
    except MissingDependency:
        raise
    except Exception:  # noqa: BLE001 - reading it will say what is wrong
        return None


def only_space(shape: Shape) -> str | None:
    """What is wrong with a shape of which all axes should be of space.

    >>> only_space((4, 5, 6)), only_space((2, 4, 5, 6))
    (None, 'its shape is (2, 4, 5, 6); a class map needs its class axis, --axis 0, and N volumes --stack')
    """
    if len(shape) <= SPACE:
        return None
    return f"its shape is {shape}; a class map needs its class axis, --axis 0, and N volumes --stack"


def with_classes(shape: Shape) -> str | None:
    """What is wrong with the shape of a class map or of labels."""
    return (
        None if len(shape) <= SPACE + 1 else f"its shape is {shape}; a class map's is (C, X, Y, Z), of labels (X, Y, Z)"
    )


def _squeezed(shape: Shape) -> Shape:
    """The axes of space, without the third where it has the length 1, and perhaps one of classes at the end.

    Where vectors are stored the fourth axis is that of time, of length 1, and the fifth that of the vectors.

    >>> _squeezed((4, 5, 1)), _squeezed((4, 5, 6, 1, 3)), _squeezed((4, 5, 6, 1)), _squeezed((4, 5, 1, 3))
    ((4, 5), (4, 5, 6, 3), (4, 5, 6), (4, 5, 1, 3))
    """
    space, further = shape[:SPACE], [length for length in shape[SPACE:] if length > 1]
    if not further and len(space) == SPACE and space[-1] == 1:
        space = space[:-1]
    return (*space, *(1,) * (2 - len(space)), *further)


def _header(file: IO[bytes], path: MapContents) -> NiftiHeader:
    """The header of a file that is at its beginning.

    Raises:
        UnreadableMap: it is no NIfTI, or keeps its values in another file.
        MissingDependency: nibabel is not installed.
    """
    library = _library()
    first = file.read(4)
    size = next((n for n in SIZES if first in (n.to_bytes(4, "little"), n.to_bytes(4, "big"))), None)
    data = first + file.read((size or 4) - 4)
    if size is None or len(data) < size:
        raise unreadable(path, f"truncated, or no NIfTI: it begins with the bytes {first.hex(' ')}")
    header = getattr(library, SIZES[size]).from_fileobj(io.BytesIO(data), check=False)
    magic = bytes(header["magic"].tobytes()[:3])
    if magic[:2] == b"ni":
        raise unreadable(path, "its values are in another file (.img); store it as one .nii")
    if magic[:1] != b"n" or magic[1:2] != b"+":
        raise unreadable(path, "no NIfTI of one file: its header lacks the magic n+1 or n+2")
    shape = tuple(int(length) for length in header.get_data_shape())
    slope, intercept = header.get_slope_inter()
    squeezed = _squeezed(shape)
    classes = squeezed[SPACE:]
    # only the last of several further axes can be one of classes
    meant = (*classes[-1:], *squeezed[:SPACE], *classes[:-1]) if classes else squeezed
    dtype, offset = np.dtype(header.get_data_dtype()), int(header["vox_offset"])
    grid = _grid(header) if len(shape) >= SPACE else None
    return NiftiHeader(shape, meant, dtype, offset, *_scale(slope, intercept), grid)


def _scale(slope: float | None, intercept: float | None) -> tuple[float, float]:
    """What values are multiplied by, and what is added: a slope of 0 or none says nothing."""
    return (1.0, 0.0) if slope is None else (float(slope), float(intercept or 0.0))


def _grid(header: Any) -> Grid | None:
    """The affine map of voxels to places in millimetres; None where the header says none."""
    if header["sform_code"] > 0:
        affine = header.get_sform()
    elif header["qform_code"] > 0:
        affine = header.get_qform()
    else:
        return None
    return Grid(tuple(float(number) for number in affine[:3].ravel()), SPACE, "RAS", "affines", ADVICE)


@cache
def _library() -> Any:
    return load_package("nibabel", "NIfTI files need nibabel", "pip install 'kldeval[volumes]'")
