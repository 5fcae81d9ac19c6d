"""JPEG before decoding: its size, and whether it ends; older decoders fill what is missing with whatever they have.

Format: ITU-T T.81, https://www.w3.org/Graphics/JPEG/itu-t81.pdf
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kldeval.inputs.formats.header import Header, Shape
from kldeval.inputs.formats.stored import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"\xff\xd8\xff"

FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers of a frame header, which holds the size."""

SCAN, END, START_OF_MARKER = 0xDA, b"\xff\xd9", 0xFF


def inspect(data: bytes, path: Path) -> Header:
    """The size of a JPEG that has its end.

    Raises:
        UnreadableMap: truncated, or damaged before the image data.
    """
    shape: Shape | None = None
    end = len(MAGIC) - 1
    try:
        for marker, start, end in _segments(data):  # noqa: B007 - where the last one ends is where the image data starts
            if marker in FRAMES:
                shape = struct.unpack_from(">HH", data, start + 5)
    except (IndexError, struct.error):
        raise unreadable(path, f"truncated: the JPEG ends after {len(data)} bytes, before its image data") from None
    except ValueError as error:
        raise unreadable(path, f"damaged: the JPEG has no segment at byte {error}") from None
    if data.rfind(END, end) < 0:
        raise unreadable(path, f"truncated: the JPEG ends after {len(data)} bytes, without its end marker")
    return Header(shape, lossy=True)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The marker, start and end of every segment up to the header of the first scan."""
    start, marker = len(MAGIC) - 1, 0
    while marker != SCAN:
        if data[start] != START_OF_MARKER:
            raise ValueError(start)
        marker = data[start + 1]
        if marker == START_OF_MARKER:  # a fill byte
            start += 1
            continue
        end = start + 2 + struct.unpack_from(">H", data, start + 2)[0]
        yield marker, start, end
        start = end
