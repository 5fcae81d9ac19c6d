"""JPEG 2000: what its code stream says of size, depth and tiles, before a decoder believes it.

Format: ITU-T T.800, https://www.itu.int/rec/T-REC-T.800, annex A
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kldeval.data.readers.stored import unreadable
from kldeval.dataclass import NamedTuple
from kldeval.errors import UnreadableMap

if TYPE_CHECKING:
    from pathlib import Path


MAGICS = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
"""The first bytes of a file of boxes, and of a bare code stream."""

CODESTREAM, IMAGE_HEADER = b"jp2c", b"ihdr"

STYLE, START_OF_TILE = 0xFF52, 0xFF90

MOST_COMPONENTS, MOST_BITS, MOST_TILES = 4, 16, 65_535

_SIZE = struct.Struct(">HHIIIIIIIIH")


class CodeStream(NamedTuple):
    """What the markers of a code stream declare."""

    height: int
    width: int
    n_components: int
    bits: int
    is_lossy: bool


def inspect(data: bytes, path: Path) -> CodeStream:
    """What a file of JPEG 2000, with boxes or without, declares.

    Raises:
        UnreadableMap: damaged; components of several sizes or depths, signed, or more than 16 bits; a header box that
            contradicts the code stream.
    """
    try:
        start, declared = (0, None) if data.startswith(MAGICS[1]) else _boxes(data)
        stream = _code_stream(data, start, path)
    except UnreadableMap:
        raise
    except (struct.error, ValueError) as error:
        raise unreadable(path, f"truncated or damaged: no code stream of a JPEG 2000 ({error})") from error
    if declared not in (None, stream[:3]):
        what = f"its header says {declared}, its code stream {stream[:3]} (height, width, components)"
        raise unreadable(path, f"damaged: a JPEG 2000 that contradicts itself: {what}")
    return stream


def check_stream(data: bytes, height: int, width: int, path: Path) -> None:
    """Refuse a code stream, such as a strip of a TIFF, that declares more pixels than these.

    Raises:
        UnreadableMap: as `inspect`, or larger.
    """
    stream = inspect(data, path)
    if stream.height > height or stream.width > width:
        what = f"{stream.width} x {stream.height} pixels where {width} x {height} should be"
        raise unreadable(path, f"damaged: a strip of JPEG 2000 declares {what}")


def _boxes(data: bytes) -> tuple[int, tuple[int, int, int] | None]:
    """Where the code stream starts, and the (height, width, components) of the header box."""
    start, end, declared = 0, len(data), None
    while start + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if length == 1:
            (length,), head = struct.unpack_from(">Q", data, start + 8), 16
        if kind == CODESTREAM:
            return start + head, declared
        if kind == IMAGE_HEADER:
            declared = struct.unpack_from(">IIH", data, start + head)
        # "jp2h" holds the header box
        start += head if kind == b"jp2h" else max(length, head) if length else end
    msg = "no box holds it"
    raise ValueError(msg)


def _code_stream(data: bytes, start: int, path: Path) -> CodeStream:
    if data[start : start + 4] != MAGICS[1]:
        msg = f"it begins with {data[start : start + 4]!r}"
        raise ValueError(msg)
    _, _, x1, y1, x0, y0, tile_x, tile_y, tile_x0, tile_y0, n_components = _SIZE.unpack_from(data, start + 4)
    parts = [struct.unpack_from("BBB", data, start + 42 + 3 * i) for i in range(min(n_components, MOST_COMPONENTS))]
    if len({*parts}) != 1 or n_components > MOST_COMPONENTS or parts[0][1:] != (1, 1) or parts[0][0] >= MOST_BITS:
        what = f"{n_components} components (sign and depth, steps: {parts}); a map has 1, 3 or 4 alike, of 1 to 16 bits"
        raise unreadable(path, f"a JPEG 2000 of {what}")
    if min(tile_x, tile_y) < 1 or not (tile_x0 <= x0 < x1 and tile_y0 <= y0 < y1):
        msg = "tiles without pixels"
        raise ValueError(msg)
    n_tiles = -(-(x1 - tile_x0) // tile_x) * -(-(y1 - tile_y0) // tile_y)
    if n_tiles > min(MOST_TILES, len(data)):
        raise unreadable(path, f"damaged: a JPEG 2000 of {len(data)} bytes that claims {n_tiles} tiles")
    is_lossy = _is_lossy(data, start + 42 + 3 * n_components)
    return CodeStream(y1 - y0, x1 - x0, n_components, parts[0][0] + 1, is_lossy)


def _is_lossy(data: bytes, start: int) -> bool:
    """Whether the wavelet is the one that rounds (9-7); the other may drop bits as well, but then says nothing."""
    while True:
        marker, length = struct.unpack_from(">HH", data, start)
        if marker == STYLE:
            return data[start + 13] == 0
        if marker == START_OF_TILE:
            return True
        start += 2 + length
