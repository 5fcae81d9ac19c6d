"""WebP before decoding: its size, whether it is lossy, whether it moves.

Format: https://developers.google.com/speed/webp/docs/riff_container
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kldeval.inputs.formats.header import Header, Shape
from kldeval.inputs.formats.stored import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RIFF_HEADER = 12

SIZE_BITS = 0x3FFF


def inspect(data: bytes, path: Path) -> Header:
    """The size of a still WebP, and whether its pixels are in a lossy chunk.

    Raises:
        UnreadableMap: animated, or without any pixels.
    """
    for kind, start in _chunks(data):
        if kind == b"ANIM":
            raise unreadable(path, "an animated WebP; a map is one image")
        if kind in _SHAPES:
            try:
                return Header(_SHAPES[kind](data, start), lossy=kind == b"VP8 ")
            except struct.error:
                break
    raise unreadable(path, f"truncated or damaged: the WebP has no image in its {len(data)} bytes")


def _chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The type of every chunk and where its content starts."""
    start = RIFF_HEADER
    while start + 8 <= len(data):
        yield data[start : start + 4], start + 8
        length = int.from_bytes(data[start + 4 : start + 8], "little")
        start += 8 + length + length % 2


def _lossy_shape(data: bytes, start: int) -> Shape:
    width, height = struct.unpack_from("<HH", data, start + 6)
    return height & SIZE_BITS, width & SIZE_BITS


def _lossless_shape(data: bytes, start: int) -> Shape:
    (bits,) = struct.unpack_from("<I", data, start + 1)
    return (bits >> 14 & SIZE_BITS) + 1, (bits & SIZE_BITS) + 1


_SHAPES = {b"VP8 ": _lossy_shape, b"VP8L": _lossless_shape}
