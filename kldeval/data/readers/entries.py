"""The arrays of a file that holds several, and which of them is meant."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.data.readers.stored import unreadable
from kldeval.dataclass import NamedTuple
from kldeval.errors import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.data.readers.stored import Limits
    from kldeval.memory import MapContents, MapFile

NUMBERS, TEXTS = "biuf", "SU"
"""numpy's kinds of real numbers, and of texts."""

STACK = (3, 4)
"""The axes of N maps, or class maps, in one array."""

SHOWN = 8
"""Names of arrays that a message lists."""


class StoredArray(NamedTuple):
    """One array of a file: its name, its shape, and numpy's letter for the kind of its values."""

    key: str
    shape: tuple[int, ...]
    kind: str

    @property
    def is_map(self) -> bool:
        """Whether the array may be a map, class map or stack."""
        return self.kind in NUMBERS and len(self.shape) > 1


def axis_of_names(shape: tuple[int, ...], names: tuple[int, ...]) -> int | None:
    """The axis of a stack that counts its maps, where their names are as many: the first, or the last as in MATLAB.

    >>> axis_of_names((3, 48, 64), (3,)), axis_of_names((48, 64, 3), (3,)), axis_of_names((48, 64), (48,))
    (0, -1, None)
    """
    if len(shape) not in STACK or len(names) != 1:
        return None
    return next((axis for axis in (0, -1) if shape[axis] == names[0]), None)


def _no_map(entries: Sequence[StoredArray]) -> str:
    """What a file holds in which no array may be a map."""
    if not entries:
        return "it holds no array"
    words = {"c": " of complex numbers", "V": " of a type that is not read", "O": " of objects", "S": " of texts"}
    some = ", ".join(f"{printable(one.key)} {one.shape}{words.get(one.kind, '')}".lstrip() for one in entries[:SHOWN])
    return f"it holds no array of real numbers with two axes or more (it holds {some})"


def chosen(entries: Sequence[StoredArray], key: str | None, path: MapFile | MapContents) -> StoredArray:
    """The array of the name `key`, or the only one that may be a map; where none may, the only list of numbers.

    Raises:
        UnreadableMap: there is none, or there are several and no key.
    """
    listed = ", ".join(printable(entry.key) for entry in entries[:SHOWN]) + ", ..." * (len(entries) > SHOWN)
    if key is not None:
        found = [entry for entry in entries if entry.key == key]
        if not found:
            raise unreadable(path, f"it holds no array {key!r}; it holds {listed or 'none'}")
        return found[0]
    maps = [entry for entry in entries if entry.is_map]
    maps = maps or [entry for entry in entries if entry.kind in NUMBERS and entry.shape]  # labels of rows
    if len(maps) != 1:
        what = f"it holds {len(maps)} arrays ({listed}); choose one with --key" if maps else _no_map(entries)
        raise unreadable(path, what)
    return maps[0]


def check_count(shape: tuple[int, ...], path: MapFile | MapContents, limits: Limits) -> None:
    """Refuse an array of more values than a map may have.

    Raises:
        UnreadableMap: naming the shape.
    """
    if math.prod(shape) > limits.max_pixels:
        what = f"{math.prod(shape)} values {shape} are more than --max-pixels {limits.max_pixels}"
        raise unreadable(path, what, "too-large")
