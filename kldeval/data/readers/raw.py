"""Raw values: single floats, little-endian, row by row, without a header, as 360-degree data sets keep maps.

The size is said with `--shape`, or stands in the name of the file, as in P3_2048x1024x32.bin (width, height, bits).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from kldeval.data.readers.files import read_bytes
from kldeval.data.readers.stored import Limits, Stored, check_size, unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.memory import BytesInMemory

SUFFIXES = (".bin",)

BYTES = 4

_IN_NAME = re.compile(r"(?<!\d)(\d{1,6})x(\d{1,6})x32(?!\d)")


def read(path: Path | BytesInMemory, _key: str | None, limits: Limits) -> Stored:
    """The map of a file.

    Raises:
        UnreadableMap: its size is unknown, or another than that of the file.
        OSError: it cannot be opened.
    """
    shape = limits.shape or shape_in(str(path))
    if shape is None:
        raise unreadable(path, "raw values, whose height and width are not known: say them with --shape H,W")
    check_size(path, *shape, limits.max_pixels)
    data = read_bytes(path)
    height, width = shape
    if len(data) != BYTES * height * width:
        what = (
            f"{len(data)} bytes, where {height} x {width} single floats (height, width) take {BYTES * height * width}"
        )
        raise unreadable(path, what)
    return Stored(np.frombuffer(data, "<f4").reshape(shape).astype(np.float32))


def shape_in(name: str) -> tuple[int, int] | None:
    """The (height, width) that the name of a file says.

    >>> shape_in("a/P3_2048x1024x32.bin"), shape_in("a/P3.bin")
    ((1024, 2048), None)
    """
    found = _IN_NAME.search(name.rpartition("/")[2])
    return (int(found[2]), int(found[1])) if found else None
