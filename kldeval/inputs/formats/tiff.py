"""TIFF before decoding: OpenCV reads the first page of many and one sample of two, without a word.

Format: TIFF 6.0, https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, and BigTIFF,
https://www.awaresystems.be/imaging/tiff/bigtiff.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.inputs.formats.header import Header
from kldeval.inputs.formats.stored import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SUBFILE, WIDTH, HEIGHT, COMPRESSION, SAMPLES = 254, 256, 257, 259, 277

REDUCED_OR_MASK = 0b101
"""The bits of a subfile that is a smaller copy or a transparency mask, and so no page of its own."""

JPEG = frozenset({6, 7})
"""The values of the compression tag that mean JPEG, in its two ways."""

GREY_AND_ONE_MORE = 2

DIRECTORIES = 64
"""Directories looked at: enough for every level of a pyramid, few enough for a chain that runs in circles."""

_TYPES = {3: "H", 4: "I", 16: "Q"}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a kind of TIFF keeps its numbers: the `struct` codes of a count and an offset, and positions in bytes."""

    order: str
    count: str = "H"
    offset: str = "I"
    first: int = 4
    entry: int = 12
    value: int = 8


LAYOUTS = {
    b"II*\0": Layout("<"),
    b"MM\0*": Layout(">"),
    b"II+\0": Layout("<", "Q", "Q", 8, 20, 12),
    b"MM\0+": Layout(">", "Q", "Q", 8, 20, 12),
}


def inspect(data: bytes, path: Path) -> Header:
    """The size of the first page, which must be the only one.

    Raises:
        UnreadableMap: truncated in its directory, several pages, or two samples a pixel.
    """
    try:
        directories = list(_directories(data, LAYOUTS[data[:4]]))
    except (struct.error, OverflowError):  # an offset beyond the file, or beyond any file
        raise unreadable(path, f"truncated or damaged: the TIFF's directory is not in its {len(data)} bytes") from None
    pages = sum(not tags.get(SUBFILE, 0) & REDUCED_OR_MASK for tags in directories)
    if pages > 1:
        raise unreadable(path, f"a TIFF of {pages} pages; a map is one")
    first = directories[0] if directories else {}
    if first.get(SAMPLES) == GREY_AND_ONE_MORE:
        raise unreadable(path, "a TIFF of 2 samples per pixel, of which OpenCV reads one; store that one alone")
    shape = (first[HEIGHT], first[WIDTH]) if {HEIGHT, WIDTH} <= first.keys() else None
    return Header(shape, lossy=first.get(COMPRESSION) in JPEG)


def _directories(data: bytes, layout: Layout) -> Iterator[Mapping[int, int]]:
    """The tags of every page that hold one whole number."""
    (offset,) = struct.unpack_from(layout.order + layout.offset, data, layout.first)
    for _ in range(DIRECTORIES):
        if offset == 0:
            return
        (n_entries,) = struct.unpack_from(layout.order + layout.count, data, offset)
        start = offset + struct.calcsize("=" + layout.count)
        end = start + n_entries * layout.entry
        (offset,) = struct.unpack_from(layout.order + layout.offset, data, end)
        yield dict(_tags(data, layout, range(start, end, layout.entry)))


def _tags(data: bytes, layout: Layout, entries: range) -> Iterator[tuple[int, int]]:
    for start in entries:
        tag, kind = struct.unpack_from(layout.order + "HH", data, start)
        if kind in _TYPES:
            yield tag, struct.unpack_from(layout.order + _TYPES[kind], data, start + layout.value)[0]
