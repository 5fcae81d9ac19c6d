"""The values of volumes behind a header: read as far as the header says, from plain or compressed bytes.

A file takes memory only as far as it really holds values, is not inflated further than its header says, and a checksum
at its end is compared.
"""

from __future__ import annotations

import gzip
import io
import math
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from kldeval.data.readers.files import check_regular, reason
from kldeval.data.readers.stored import Limits, check_expansion, check_size, unreadable
from kldeval.memory import BytesInMemory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.memory import MapContents

PIECE = 2**20
"""Bytes that are inflated at a time."""

FARTHEST = 2**26
"""Bytes of header and extensions that may stand before the values."""

LARGEST_VALUE = 8
"""Bytes of a value: a longer float is not the same on every machine."""


@contextmanager
def volume_opened(path: Path | BytesInMemory) -> Iterator[tuple[IO[bytes], int]]:
    """A regular file, or one within another, and its number of bytes.

    Raises:
        UnreadableMap: it is no regular file.
        OSError: it cannot be opened.
    """
    if isinstance(path, BytesInMemory):
        yield io.BytesIO(path.data), len(path.data)
        return
    check_regular(path)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        yield file, size


def inflating(file: IO[bytes]) -> Any:
    """The file, inflated while it is read where its first bytes are those of gzip."""
    is_packed = file.read(2) == b"\x1f\x8b"
    file.seek(-min(2, file.tell()), 1)
    return gzip.GzipFile(fileobj=file) if is_packed else file


def check_values(
    path: MapContents, shape: tuple[int, ...], dtype: Any, n_stored: int, offset: int, limits: Limits
) -> None:
    """Refuse values that are no real numbers, too many, or too many for the file.

    Raises:
        UnreadableMap: naming what the header says.
    """
    if dtype.kind not in "biuf" or dtype.itemsize > LARGEST_VALUE:
        raise unreadable(path, f"its values are of type {dtype}; a map's are real numbers of 64 bits at most")
    if not shape or any(length < 1 for length in shape):
        raise unreadable(path, f"its header says the shape {shape}, which has no values")
    check_size(path, shape[0], math.prod(shape[1:]), limits.max_pixels)
    if not 0 <= offset <= FARTHEST:
        raise unreadable(path, f"its header says that values begin at byte {offset}")
    check_expansion(path, n_stored, math.prod(shape) * dtype.itemsize, limits)


def read_values(file: IO[bytes], path: MapContents, count: int, dtype: Any, offset: int) -> Array:
    """So many values from a place of an opened, perhaps inflating file, which ends with them.

    Raises:
        UnreadableMap: it holds fewer bytes, or more.
    """
    try:
        values = _filled(file, path, count, dtype, offset)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise unreadable(path, f"damaged: its compressed bytes are wrong ({reason(error)})") from error
    return values.astype(dtype.newbyteorder("="), copy=False)


def _skip(file: IO[bytes], n_bytes: int, path: MapContents) -> None:
    if n_bytes < 0:
        raise unreadable(path, "its header says that values begin within the header")
    while n_bytes:
        found = len(file.read(min(n_bytes, PIECE)))
        if not found:
            raise unreadable(path, "truncated: the file ends before its values begin")
        n_bytes -= found


def _filled(file: IO[bytes], path: MapContents, count: int, dtype: Any, offset: int) -> Array:
    _skip(file, offset - file.tell(), path)
    values = np.empty(count, dtype)
    rest = memoryview(values.view(np.uint8).data)
    while rest:
        n_bytes = file.readinto(rest[:PIECE])  # type: ignore[attr-defined]  # both kinds of file have it
        if not n_bytes:
            raise unreadable(
                path, f"truncated: the last {len(rest)} of the {values.nbytes} bytes of its values are missing"
            )
        rest = rest[n_bytes:]
    if file.read(1):  # at the end of gzip the checksum is compared
        raise unreadable(path, f"bytes follow the {values.nbytes} of its values; the header does not fit the file")
    return values
