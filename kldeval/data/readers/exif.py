"""The orientation that EXIF and TIFF declare, and the array as viewers show it.

Format: Exif 2.32, https://www.cipa.jp/std/documents/e/DC-008-Translation-2019-E.pdf, tag 274
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array


UPRIGHT = 1
"""The orientation whose first row is the top and whose first column is the left."""

TRANSPOSED, FLIPPED_ROWS, FLIPPED_COLUMNS = frozenset({5, 6, 7, 8}), frozenset({3, 4, 7, 8}), frozenset({2, 3, 6, 7})
"""The orientations for which axes are swapped, and then rows or columns run backwards."""

ORIENTATION = 274
_WHOLE = {1: "B", 3: "H", 4: "I"}
"""The kinds of whole numbers in a TIFF: the standard asks for the second, and viewers take the others, too."""


def orientation(block: bytes) -> int:
    r"""The orientation in an EXIF block (a small TIFF), 1 where it declares none or an unknown one.

    >>> orientation(b"II*\0" + struct.pack("<IHHHIHH", 8, 1, 274, 3, 1, 6, 0))
    6
    """
    block = block.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return UPRIGHT
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (n_entries,) = struct.unpack_from(order + "H", block, start)
        for entry in range(start + 2, start + 2 + 12 * n_entries, 12):
            tag, kind = struct.unpack_from(order + "HH", block, entry)
            if tag == ORIENTATION and kind in _WHOLE:
                (value,) = struct.unpack_from(order + _WHOLE[kind], block, entry + 8)
                return value if UPRIGHT <= value <= max(TRANSPOSED) else UPRIGHT
    except struct.error:
        pass
    return UPRIGHT


def upright(array: Array, orientation: int) -> Array:
    """The array (H, W, ...) as a viewer shows it: with the first row on top and the first column on the left.

    >>> import numpy as np
    >>> upright(np.asarray([[1, 2, 3]]), 6).tolist(), upright(np.asarray([[1, 2, 3]]), 3).tolist()
    ([[1], [2], [3]], [[3, 2, 1]])
    """
    if orientation == UPRIGHT:
        return array
    if orientation in TRANSPOSED:
        array = array.swapaxes(0, 1)
    if orientation in FLIPPED_ROWS:
        array = array[::-1]
    if orientation in FLIPPED_COLUMNS:
        array = array[:, ::-1]
    return array.copy(order="C")
