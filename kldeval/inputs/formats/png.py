"""PNG before decoding: its own checksums tell a damaged file from a whole one, whatever the decoder would forgive.

Format: https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from kldeval.inputs.formats.header import Header, Shape
from kldeval.inputs.formats.stored import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"\x89PNG\r\n\x1a\n"

PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
"""The chunks that decide the stored values; for the others libpng writes warnings to stderr, past any log level."""

_HEAD, _SUM = struct.Struct(">I4s"), struct.Struct(">I")
"""Length and type before the content of a chunk, and the checksum after it."""

_OVERHEAD = 12
"""Length, type and checksum of a chunk, four bytes each."""

DECLARED = 24
"""Bytes within which a PNG says its size."""

_DEPTH = 24
"""Where the bits per sample stand, and behind them the colour type."""

_GREY, _PALETTE = 0, 3

_BYTE = 8


def declared_size(data: bytes) -> Shape | None:
    """The (height, width) in the first `DECLARED` bytes of a PNG; None of any other file."""
    if not data.startswith(MAGIC) or data[12:16] != b"IHDR" or len(data) < DECLARED:
        return None
    width, height = struct.unpack_from(">II", data, len(MAGIC) + 8)
    return height, width


def inspect(data: bytes, path: Path) -> Header:
    """The size of a whole PNG, and its bytes without the chunks that say nothing about the values.

    Raises:
        UnreadableMap: truncated, damaged, or animated.
    """
    kept, is_bare = [MAGIC], True
    for kind, start, end in _chunks(data, path):
        if kind in PIXELS:
            kept.append(data[start:end])
        else:
            is_bare = False
            _refuse_animation(kind, data[start + 8 : end], path)
    width, height = struct.unpack_from(">II", data, len(MAGIC) + 8)
    return Header((height, width), data=data if is_bare else b"".join(kept))


def as_indices(data: bytes, path: Path) -> tuple[bytes, int]:
    """A PNG of grey or of palette indices as one of plain grey, and what its decoded values must be divided by.

    The decoder would look a palette's colours up, and stretches values of 1, 2 and 4 bits to 0..255.
    """
    depth, kind = data[_DEPTH], data[_DEPTH + 1]
    if kind not in (_GREY, _PALETTE):
        return data, 1
    chunks = [MAGIC]
    for name, start, end in _chunks(data, path):
        if name == b"IHDR":
            header = data[start + 4 : _DEPTH + 1] + bytes([_GREY]) + data[_DEPTH + 2 : end - 4]
            chunks.append(data[start : start + 4] + header + zlib.crc32(header).to_bytes(4, "big"))
        elif name in (b"IDAT", b"IEND"):
            chunks.append(data[start:end])
    return b"".join(chunks), 255 // (2**depth - 1) if depth < _BYTE else 1


def _chunks(data: bytes, path: Path) -> Iterator[tuple[bytes, int, int]]:
    """The type, start and end of every chunk up to IEND; those of pixels with their checksum verified."""
    view, start, kind = memoryview(data), len(MAGIC), b""
    while kind != b"IEND":
        length, kind = _HEAD.unpack_from(data, start) if start + _OVERHEAD <= len(data) else (len(data), b"")
        end = start + _OVERHEAD + length
        if end > len(data):
            raise unreadable(path, f"truncated: the PNG ends after {len(data)} bytes, before its IEND chunk")
        if kind in PIXELS and zlib.crc32(view[start + 4 : end - 4]) != _SUM.unpack_from(data, end - 4)[0]:
            raise unreadable(path, f"damaged: the checksum of the PNG's {kind.decode()} chunk at byte {start} is wrong")
        yield kind, start, end
        start = end


def _refuse_animation(kind: bytes, content: bytes, path: Path) -> None:
    frames = int.from_bytes(content[:4], "big") if kind == b"acTL" else 1
    if frames > 1:
        raise unreadable(path, f"an animation of {frames} frames; a map is one")
