"""Arrays of an iterable that were overwritten before they could be scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.dataclass import NamedTuple
from kldeval.digests import crc32_function
from kldeval.errors import UsageProblem
from kldeval.memory import MapInMemory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.memory import MapFile


class _Given(NamedTuple):
    """What was given: by which item and as what, the array, its first and its last byte, and the sum of its bytes."""

    place: int
    what: str
    array: Any
    first: int
    last: int
    checksum: int


class GivenMemory:
    """The memory of the arrays that wait to be scored, and what it held when they were given.

    Pairs are scored some at a time, so that an iterable which fills one array again for every pair would have all of
    them scored as the last. That an array lies where an earlier one does is no fault as long as it holds the same, as
    a map does that is given with every pair.
    """

    def __init__(self) -> None:
        self._by_first: dict[int, _Given] = {}
        self._last_in: dict[int, _Given] = {}

    def add(self, place: int, files: Mapping[str, MapFile]) -> None:
        """Take note of the maps of item `place`.

        Raises:
            UsageProblem: one lies where another lay that waits to be scored, and whose values are gone.
        """
        for what, file in files.items():
            if isinstance(file, MapInMemory) and file.array.size:
                self._add(place, what, file.array)

    def _add(self, place: int, what: str, array: Any) -> None:
        first, end = np.lib.array_utils.byte_bounds(array)
        owner = _owner(array)
        for earlier in (self._by_first.get(first), self._last_in.get(owner)):
            if earlier is None or earlier.place == place or first > earlier.last or end <= earlier.first:
                continue
            if _checksum(earlier.array) != earlier.checksum:
                msg = (
                    f"item {place}: {what} lies in memory where {earlier.what} of item {earlier.place} was, which is "
                    "not scored yet: give each pair arrays of its own, such as array.copy()"
                )
                raise UsageProblem(msg)
        self._by_first[first] = self._last_in[owner] = _Given(place, what, array, first, end - 1, _checksum(array))


def _owner(array: Any) -> int:
    """Where the array begins that owns the memory of this one."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    address: int = array.__array_interface__["data"][0]
    return address


def _checksum(array: Any) -> int:
    """The CRC-32 of the bytes of an array."""
    return crc32_function()(np.ascontiguousarray(array), 0)
