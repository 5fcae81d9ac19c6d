"""The rarer images (WebP, AVIF, JPEG 2000, BMP, ...), decoded by OpenCV after their header has said what they are.

Their values are those of the file: no colour conversion, no gamma. What moves, lies on its side in a way that OpenCV
does not undo, or claims more than it may is refused before it is decoded.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import numpy as np

from kldeval.arrays import opencv
from kldeval.data.readers import foreign, jpeg2000
from kldeval.data.readers.exif import TRANSPOSED, UPRIGHT, orientation, upright
from kldeval.data.readers.stored import Limits, Stored, check_expansion, check_size, unreadable
from kldeval.dataclass import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array

    Shape = tuple[int, int]


BOXES = 4096
"""Bytes in which the boxes of an AVIF name its size, and a Radiance file its own."""

SUN_RASTER = b"\x59\xa6\x6a\x95"

RIFF_HEADER, SIZE_BITS = 12, 0x3FFF

OS2_HEADER = 12

_RADIANCE = re.compile(rb"\n-Y (\d{1,9}) \+X (\d{1,9})\n")

BYTE, SHORT = 8, 16


class Header(NamedTuple):
    """What an image declares: (height, width) as stored, compression, orientation, bits of a sample.

    `shape` is None where the format is not known here; `channels` are the most that it can decode to.
    """

    shape: Shape | None
    lossy: bool = False
    orientation: int = UPRIGHT
    bits: int = BYTE
    channels: int = 4


def read(data: bytes, path: Path, limits: Limits) -> Stored:
    """The one image of a file, upright.

    Raises:
        UnreadableMap: damaged, too large, several images, or nothing that OpenCV decodes.
        MissingDependency: OpenCV cannot be imported.
    """
    header = _header(data, path)
    if header.shape is None and not limits.trusts_files:
        raise unreadable(path, foreign.what_it_is(data))
    if header.shape:
        check_size(path, *header.shape, limits.max_pixels)
        # the decoders work in 4 bytes a sample
        check_expansion(path, len(data), 4 * header.channels * header.shape[0] * header.shape[1], limits)
    array = _decode(data, path)
    check_size(path, array.shape[0], array.shape[1], limits.max_pixels)
    if header.shape not in (None, array.shape[:2]):
        what = f"it declares {header.shape} rows and columns and holds {array.shape[:2]}"
        raise unreadable(path, f"damaged: {what}")
    is_whole = header.bits in (BYTE, SHORT) or array.dtype.kind == "f"
    return Stored(upright(array, header.orientation), header.lossy, None if is_whole else float(2**header.bits - 1))


def inspect(data: bytes, path: Path) -> Shape | None:
    """The (height, width) of an image as it is shown, None where its header is not known.

    Raises:
        UnreadableMap: as `read`, without decoding.
    """
    header = _header(data, path)
    return header.shape[::-1] if header.shape and header.orientation in TRANSPOSED else header.shape


def _header(data: bytes, path: Path) -> Header:
    if data.startswith(SUN_RASTER):
        raise unreadable(path, "a Sun raster, of which OpenCV may read zeros; store a PNG")
    try:
        for is_one, header in _HEADERS:
            if is_one(data):
                return header(data, path)
    except struct.error as error:
        raise unreadable(path, f"truncated: the image ends after {len(data)} bytes, within its header") from error
    return Header(None)


def _decode(data: bytes, path: Path) -> Array:
    cv2 = opencv()
    encoded = np.frombuffer(data, np.uint8)
    try:
        array = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        array = None
    if array is None:
        raise unreadable(path, foreign.what_it_is(data))
    return array


def _bmp(data: bytes, _path: Path) -> Header:
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header == OS2_HEADER else "<ii", data, 18)
    return Header((abs(height), width))


def _gif(data: bytes, path: Path) -> Header:
    width, height = struct.unpack_from("<HH", data, 6)
    cv2 = opencv()
    if len(cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED, range=(0, 2))[1]) > 1:
        raise unreadable(path, "an animated GIF; a map is one image")
    return Header((height, width))


def _radiance(data: bytes, path: Path) -> Header:
    found = _RADIANCE.search(data, 0, BOXES)
    if not found:
        raise unreadable(path, "a Radiance image without a size of the form -Y HEIGHT +X WIDTH")
    return Header((int(found[1]), int(found[2])), lossy=True, channels=3)


def _jpeg_2000(data: bytes, path: Path) -> Header:
    stream = jpeg2000.inspect(data, path)
    return Header((stream.height, stream.width), stream.is_lossy, bits=stream.bits, channels=stream.n_components)


def _avif(data: bytes, path: Path) -> Header:
    brands = data[8 : int.from_bytes(data[:4], "big")]
    if b"avis" in brands:
        raise unreadable(path, "an animated AVIF; a map is one image")
    sizes = {_pair(data, place + 8) for place in _places(b"ispe", data)}
    depths = {data[place + 9] for place in _places(b"pixi", data) if place + 9 < len(data)} or {BYTE}
    if len(sizes) != 1 or len(depths) != 1:
        raise unreadable(path, f"an AVIF of the sizes {sorted(sizes)} and depths {sorted(depths)}; a map has one")
    if next(_places(b"irot", data), None) is not None or next(_places(b"imir", data), None) is not None:
        raise unreadable(
            path, "an AVIF that is to be turned or mirrored (irot, imir) when it is shown; store it upright"
        )
    return Header(sizes.pop()[::-1], lossy=True, bits=depths.pop())


def _places(kind: bytes, data: bytes) -> Iterator[int]:
    """Where boxes of a kind may begin, within the first bytes."""
    place = data.find(kind, 0, BOXES)
    while place >= 0:
        yield place
        place = data.find(kind, place + 1, BOXES)


def _pair(data: bytes, start: int) -> Shape:
    first, second = struct.unpack_from(">II", data, start)
    return first, second


def _webp(data: bytes, path: Path) -> Header:
    turned, header = UPRIGHT, None
    for kind, start, end in _chunks(data):
        if kind == b"ANIM":
            raise unreadable(path, "an animated WebP; a map is one image")
        if kind == b"EXIF":
            turned = orientation(data[start:end])
        elif kind == b"VP8 " and header is None:
            width, height = struct.unpack_from("<HH", data, start + 6)
            header = Header((height & SIZE_BITS, width & SIZE_BITS), lossy=True)
        elif kind == b"VP8L" and header is None:
            (bits,) = struct.unpack_from("<I", data, start + 1)
            header = Header(((bits >> 14 & SIZE_BITS) + 1, (bits & SIZE_BITS) + 1))
        if end > len(data):
            raise unreadable(path, f"truncated: the WebP ends after {len(data)} bytes, within its image")
    if header is None:
        raise unreadable(path, f"truncated or damaged: the WebP has no image in its {len(data)} bytes")
    return header._replace(orientation=turned)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The type of every chunk, and where its content starts and ends."""
    start = RIFF_HEADER
    while start + 8 <= len(data):
        length = int.from_bytes(data[start + 4 : start + 8], "little")
        yield data[start : start + 4], start + 8, start + 8 + length
        start += 8 + length + length % 2


_HEADERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes, Path], Header]], ...] = (
    (lambda data: data.startswith(b"BM"), _bmp),
    (lambda data: data.startswith(b"GIF8"), _gif),
    (lambda data: data.startswith(b"#?"), _radiance),
    (lambda data: data.startswith(jpeg2000.MAGICS), _jpeg_2000),
    (lambda data: data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis", b"mif1"), _avif),
    (lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", _webp),
)
