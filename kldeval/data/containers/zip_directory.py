"""The list of members at the end of a zip, read some at a time: `zipfile` holds all of it, 700 bytes each."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import TYPE_CHECKING, BinaryIO

from kldeval.dataclass import NamedTuple
from kldeval.regular import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT_ONCE = 4096
"""Entries that are read together, and the most that `zipfile` reads itself."""

PIECE = 1 << 20
"""Bytes that are read together."""

LONGEST_END = 22 + 65535
"""The end record, and the longest comment behind it."""

_END = struct.Struct("<4s4H2LH")
"""The end record: entries of this disk and of all, size and place of the list, length of the comment."""

_LOCATOR = struct.Struct("<4sLQL")
"""What stands before the end record where there is one of 64 bits before that."""

_END64 = struct.Struct("<4sQ2H2L4Q")
"""The end record of 64 bits: its last four numbers are the entries of this disk and of all, size and place."""

_ENTRY = struct.Struct("<4s24x3H12x")
"""An entry of the list: lengths of its name, of what follows that, and of its comment."""


class _Directory(NamedTuple):
    """Where the list is, how many entries it has, and how many bytes stand before the zip in its file."""

    start: int
    size: int
    entries: int
    before: int


def listed(path: Path) -> Iterator[zipfile.ZipInfo]:
    """The entries of a zip, in their order.

    Raises:
        zipfile.BadZipFile: it is none, or its list is damaged.
        OSError: it cannot be opened.
    """
    with open_regular(path) as file:
        found = _end_record(file)
        if found is not None and found.entries > AT_ONCE:
            for some in _pieces(file, found):
                with zipfile.ZipFile(io.BytesIO(some)) as part:
                    for entry in part.infolist():
                        entry.header_offset += found.before
                        yield entry
            return
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            yield from archive.infolist()


def _end_record(file: BinaryIO) -> _Directory | None:
    """Where the list of members is; None where there is no end record."""
    length = file.seek(0, 2)
    tail_at = max(0, length - LONGEST_END - _LOCATOR.size - _END64.size)
    file.seek(tail_at)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        return None
    _, _, _, _, entries, size, place, _ = _END.unpack_from(tail, at)
    locator_at, end64_at = at - _LOCATOR.size, at - _LOCATOR.size - _END64.size
    end = tail_at + at
    if locator_at >= 0 and tail[locator_at : locator_at + 4] == b"PK\6\7":
        if end64_at < 0 or tail[end64_at : end64_at + 4] != b"PK\6\6":
            return None
        *_, entries, size, place = _END64.unpack_from(tail, end64_at)
        end = tail_at + end64_at
    return _Directory(end - size, size, entries, end - size - place)


def _pieces(file: BinaryIO, found: _Directory) -> Iterator[bytes]:
    """The list as zips without contents, of some entries each.

    Raises:
        zipfile.BadZipFile: an entry is none, or does not end where the list does.
    """
    if found.start < 0 or found.before < 0:
        msg = "Bad offset for central directory"
        raise zipfile.BadZipFile(msg)
    file.seek(found.start)
    left, held, at, n = found.size, b"", 0, 0
    while left or at < len(held):
        if len(held) - at < _ENTRY.size or len(held) - at < _length(held, at):
            if not left:
                msg = "Truncated central directory"
                raise zipfile.BadZipFile(msg)
            data = file.read(min(PIECE, left))
            left = left - len(data) if data else 0
            held += data
            continue
        at += _length(held, at)
        n += 1
        if n == AT_ONCE or not (left or at < len(held)):
            yield held[:at] + _END.pack(b"PK\5\6", 0, 0, n, n, at, 0, 0)
            held, at, n = held[at:], 0, 0


def _length(held: bytes, at: int) -> int:
    """The length of the entry at a place.

    Raises:
        zipfile.BadZipFile: it is none.
    """
    magic, name, extra, comment = _ENTRY.unpack_from(held, at)
    if magic != b"PK\1\2":
        msg = "Bad magic number for central directory"
        raise zipfile.BadZipFile(msg)
    return _ENTRY.size + int(name + extra + comment)
