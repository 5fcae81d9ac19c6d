"""Files written by the letter of their formats, for what OpenCV cannot write."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
"""The colour types of PNG."""


def png_chunk(kind: bytes, content: bytes = b"") -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(rows: list[bytes], width: int, *, depth: int = 8, kind: int = GREY, extra: bytes = b"") -> bytes:
    """A PNG of packed rows; `extra` chunks stand before the pixels."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND")


def png_of(array: NDArray[Any], *, kind: int = GREY, extra: bytes = b"") -> bytes:
    """A PNG of an array (H, W) or (H, W, channels in the order of the file), of 8 or 16 bits."""
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    rows = [row.tobytes() for row in big_endian]
    return png(rows, array.shape[1], depth=8 * array.dtype.itemsize, kind=kind, extra=extra)


def tiff(pages: list[NDArray[Any]], *, samples: int = 1, subfile: int = 0, jpeg: bytes = b"") -> bytes:
    """A little-endian grey TIFF of 8-bit pages; `subfile` marks all but the first, `jpeg` is their compressed form."""
    data, link = bytearray(b"II*\0\0\0\0\0"), 4
    for number, page in enumerate(pages):
        pixels = len(data)
        strip = jpeg or page.tobytes()
        data += strip + b"\0" * (len(strip) % 2)
        height, width = page.shape[:2]
        tags = {
            254: subfile if number else 0,
            256: width,
            257: height,
            258: 8,
            259: 7 if jpeg else 1,
            262: 1,
            273: pixels,
            277: samples,
            278: height,
            279: len(strip),
        }
        data[link : link + 4] = struct.pack("<I", len(data))
        data += struct.pack("<H", len(tags))
        for tag, value in tags.items():
            data += struct.pack("<HHII", tag, 4, 1, value)
        link = len(data)
        data += b"\0\0\0\0"
    return bytes(data)


def image(path: Path) -> NDArray[Any]:
    """The array of an image as OpenCV reads it, unchanged."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
