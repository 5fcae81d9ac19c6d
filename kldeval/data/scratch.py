"""Arrays that may be larger than the memory: in a temporary file, of which the system holds what is in use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.errors import RefusedMap
from kldeval.normalization.lazy_map import BLOCK_PIXELS
from kldeval.regular import why

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.arrays import NumpyArray as Array

LARGE = 2**28
"""Bytes from which on an array stands in a file: four maps of this size fit the memory of any machine."""


LARGE_FILE = 2**24
"""Bytes from which on a file is read part by part: small ones come faster as a whole."""


def scratch(shape: tuple[int, ...], dtype: Any, name: str | None = None) -> Array:
    """An array of this shape whose values are not set, in a file without a name where it is large, or in that named.

    Raises:
        RefusedMap: there is no room for it.
    """
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if n_bytes < LARGE:
        return np.empty(shape, dtype)
    from tempfile import TemporaryFile, gettempdir

    try:
        with TemporaryFile() if name is None else open(name, "r+b") as file:  # noqa: PTH123 - both are files
            reserve(file.fileno(), n_bytes)
            return np.asarray(np.memmap(file, dtype, "r+", shape=shape))
    except OSError as error:
        msg = f"no room for {n_bytes} bytes in {gettempdir()} ({why(error)}); TMPDIR names another folder"
        raise RefusedMap(msg, code="no-memory") from error


def reserve(file: int, n_bytes: int) -> None:
    """Take so many bytes of a disk: one that turns out to be full later would end the process.

    Raises:
        OSError: there are not as many.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, n_bytes)
    else:
        os.truncate(file, n_bytes)


def blocks_of(array: Array) -> Iterator[slice]:
    """Rows of an array that fit a cache, one after another."""
    step = max(1, BLOCK_PIXELS // max(1, array[:1].size))
    return (slice(top, top + step) for top in range(0, len(array), step))


def copy_blocks(array: Array, target: Array) -> None:
    """Write one array into another, block by block."""
    for rows in blocks_of(array):
        target[rows] = array[rows]


def product(first: Array, second: Array) -> Array:
    """The product of two arrays of one shape, pixel by pixel.

    >>> product(np.asarray([[1.0, 2.0]]), np.asarray([[3.0, 0.5]])).tolist()
    [[3.0, 1.0]]
    """
    if first.nbytes < LARGE:
        return first * second
    found = scratch(first.shape, np.result_type(first, second))
    for rows in blocks_of(found):
        found[rows] = first[rows] * second[rows]
    return found
