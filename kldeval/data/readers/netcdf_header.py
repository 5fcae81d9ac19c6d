"""The header of a classic NetCDF file, walked before a library allocates what its lengths say.

Format: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
"""

from __future__ import annotations

from typing import IO

DIMENSION, VARIABLE, ATTRIBUTE = 10, 11, 12
"""The tags of lists."""

WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8}
"""Bytes of a value of each type: bytes, characters, integers of 16 and 32 bits, single and double floats."""


OFFSETS = {1: 4, 2: 8}
"""Bytes of the place where values begin, by the version of the format."""


class _Walk:
    """A walk through a header of big-endian words."""

    def __init__(self, file: IO[bytes], n_bytes: int) -> None:
        self._file, self._left = file, n_bytes
        version = self._take(4)[3]
        if version not in OFFSETS:
            msg = f"it is NetCDF of version {version}, with wide lengths: write it as NetCDF 4 (nccopy -k nc4)"
            raise ValueError(msg)
        self._offset = OFFSETS[version]

    def _take(self, count: int) -> bytes:
        """So many bytes.

        Raises:
            ValueError: the file has fewer.
        """
        if count > self._left:
            msg = f"its header asks for {count} bytes where {self._left} are left"
            raise ValueError(msg)
        self._left -= count
        return self._file.read(count)

    def word(self) -> int:
        """A length or a tag."""
        return int.from_bytes(self._take(4), "big")

    def _padded(self, count: int) -> None:
        self._take(count + -count % 4)

    def entries(self, tag: int) -> range:
        """As many places as a list has entries.

        Raises:
            ValueError: another list stands here, or it has more entries than the file has words.
        """
        found, count = self.word(), self.word()
        if found != tag and (found or count):
            msg = f"the tag {found} in its header is not {tag}"
            raise ValueError(msg)
        if 4 * count > self._left:
            msg = f"its header has {count} entries where {self._left} bytes are left"
            raise ValueError(msg)
        return range(count)

    def name(self) -> None:
        """A name."""
        self._padded(self.word())

    def attributes(self) -> None:
        """A list of attributes.

        Raises:
            ValueError: of a type that there is not.
        """
        for _ in self.entries(ATTRIBUTE):
            self.name()
            kind, count = self.word(), self.word()
            if kind not in WIDTHS:
                msg = f"the type {kind} in its header is none"
                raise ValueError(msg)
            self._padded(count * WIDTHS[kind])

    def variable(self) -> None:
        """A variable: its name, its axes, its attributes, its type, its size and where it begins."""
        self.name()
        for _ in range(self.word()):
            self.word()
        self.attributes()
        self._take(8 + self._offset)


def check_header(file: IO[bytes], n_bytes: int) -> None:
    """Walk the header of a classic file of `n_bytes`, from its beginning.

    Raises:
        ValueError: a length leads out of the file, or what stands there is no header.
    """
    walk = _Walk(file, n_bytes)
    walk.word()
    for _ in walk.entries(DIMENSION):
        walk.name()
        walk.word()
    walk.attributes()
    for _ in walk.entries(VARIABLE):
        walk.variable()
