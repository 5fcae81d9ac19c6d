"""Maps of an iterable that wait to be scored, and must be what they were when they were given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.dataclass import NamedTuple
from kldeval.digests import ABSENT, ELSEWHERE, Stamp, crc32_function, file_key, is_settled, stamp_of
from kldeval.errors import UsageProblem, printable
from kldeval.memory import MapInMemory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.memory import MapFile


class _Array(NamedTuple):
    """An array as it was given: by which item and as what, its first byte and that after its last, and a checksum."""

    place: int
    what: str
    array: Any
    first: int
    end: int
    checksum: int

    def is_overwritten(self, first: int, end: int) -> bool:
        """Whether it lies there, and does not hold any more what it held."""
        return first < self.end and self.first < end and _checksum(self.array) != self.checksum


class _File(NamedTuple):
    """A file as it was given: by which item and as what, its stamp, and its digest where the stamp may not tell all."""

    place: int
    what: str
    stamp: Stamp | None
    digest: str


class Pending:
    """Pairs are scored some at a time: what is given later must not change what waits.

    An iterable that fills one array again for every pair, or writes one file again, would have all of them scored as
    the last. That an array or a file is given again is no fault as long as it holds the same.
    """

    def __init__(self) -> None:
        self._by_first: dict[int, _Array] = {}
        self._last_in: dict[int, _Array] = {}
        self._files: dict[str, _File] = {}

    def add(self, place: int, files: Mapping[str, MapFile]) -> None:
        """Take note of the maps of item `place`.

        Raises:
            UsageProblem: one was put where another is that waits, and whose values are gone.
        """
        for what, file in files.items():
            if isinstance(file, Path):
                self._add_file(place, what, file)
            elif isinstance(file, MapInMemory) and file.array.size:
                self._add_array(place, what, file.array)

    def _add_array(self, place: int, what: str, array: Any) -> None:
        first, end = np.lib.array_utils.byte_bounds(array)
        owner = _owner(array)
        for earlier in (self._by_first.get(first), self._last_in.get(owner)):
            if earlier is not None and earlier.place != place and earlier.is_overwritten(first, end):
                where = f"item {place}: {what} lies in memory where {earlier.what} of item {earlier.place} was"
                msg = f"{where}, which is not scored yet: give each pair arrays of its own, such as array.copy()"
                raise UsageProblem(msg)
        self._by_first[first] = self._last_in[owner] = _Array(place, what, array, first, end, _checksum(array))

    def _add_file(self, place: int, what: str, path: Path) -> None:
        stamp = stamp_of(path)
        earlier = self._files.get(str(path))
        if earlier is None:
            self._files[str(path)] = _File(place, what, stamp, _digest(path, stamp))
        elif earlier.stamp != stamp or (earlier.digest and earlier.digest != _digest(path, stamp)):
            where = f"item {place}: {what} is {printable(path)}, which was {earlier.what} of item {earlier.place}"
            msg = f"{where} and is not scored yet; it has changed meanwhile: give each pair files of its own"
            raise UsageProblem(msg)


def _owner(array: Any) -> int:
    """Where the array begins that owns the memory of this one."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    address: int = array.__array_interface__["data"][0]
    return address


def _checksum(array: Any) -> int:
    """The CRC-32 of the bytes of an array."""
    return crc32_function()(np.ascontiguousarray(array), 0)


def _digest(path: Path, stamp: Stamp | None) -> str:
    """The digest of a file that was written a moment ago, and may be again without another stamp."""
    if stamp in (None, ABSENT, ELSEWHERE) or is_settled(stamp):
        return ""
    try:
        return file_key(path)
    except OSError:
        return ""
