"""The size of an image by its first bytes, for the formats whose decoder notices by itself what is missing."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from kldeval.inputs.formats.header import Header, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BOXES = 4096
"""Bytes in which the boxes of a JPEG 2000 or AVIF name the size."""

_TEXT_NETPBM = (b"P1", b"P2", b"P3")
"""Numbers as text: OpenCV reads a last number only where something follows it."""

_SPACE = rb"(?:\s|#[^\n]*\n)+"
_NETPBM = re.compile(rb"P[1-6Ff]" + _SPACE + rb"(\d{1,9})" + _SPACE + rb"(\d{1,9})")
_PAM = re.compile(rb"P7\n(?:[^\n]*\n)*?WIDTH (\d{1,9})\n(?:[^\n]*\n)*?HEIGHT (\d{1,9})\n")
_RADIANCE = re.compile(rb"\n-Y (\d{1,9}) \+X (\d{1,9})\n")


def inspect(data: bytes) -> Header:
    """The size if these are the first bytes of a format known here, else a header without one."""
    for magic, shape_of in _SHAPES.items():
        if data.startswith(magic):
            try:
                return Header(shape_of(data), data=data + b"\n" if magic in _TEXT_NETPBM else None)
            except struct.error:
                return Header(None)
    return Header(_avif(data) if data[4:8] == b"ftyp" else None)


def _bmp(data: bytes) -> Shape:
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)  # noqa: PLR2004 - OS/2 1.x
    return abs(height), width


def _gif(data: bytes) -> Shape:
    width, height = struct.unpack_from("<HH", data, 6)
    return height, width


def _netpbm(data: bytes) -> Shape | None:
    found = _NETPBM.match(data) or _PAM.match(data)
    return (int(found[2]), int(found[1])) if found else None


def _radiance(data: bytes) -> Shape | None:
    found = _RADIANCE.search(data, 0, BOXES)
    return (int(found[1]), int(found[2])) if found else None


def _jpeg_2000(data: bytes) -> Shape | None:
    box = data.find(b"ihdr", 0, BOXES)
    return None if box < 0 else struct.unpack_from(">II", data, box + 4)


def _avif(data: bytes) -> Shape | None:
    box = data.find(b"ispe", 0, BOXES)
    if box < 0 or box + 16 > len(data):
        return None
    width, height = struct.unpack_from(">II", data, box + 8)
    return height, width


_SHAPES: Mapping[bytes, Callable[[bytes], Shape | None]] = {
    b"BM": _bmp,
    b"GIF8": _gif,
    b"#?": _radiance,
    b"\0\0\0\x0cjP  ": _jpeg_2000,
    **dict.fromkeys((b"P" + kind.encode() for kind in "1234567Ff"), _netpbm),
}
