"""JPEG: refused where its decoder has to invent pixels, and shown upright where it says how it lies.

libjpeg-turbo, here inside kornia-rs, warns where a JPEG ends early or its data cannot be what was written; kornia-rs
takes every warning for an error. OpenCV and Pillow pass such images on with grey, black or torn regions. The pixels are
OpenCV's.

Format: ITU-T T.81, https://www.w3.org/Graphics/JPEG/itu-t81.pdf
"""

from __future__ import annotations

import re
import struct
from dataclasses import field
from typing import TYPE_CHECKING, Any

from kldeval.data.readers.exif import TRANSPOSED, UPRIGHT, orientation, upright
from kldeval.data.readers.stored import Limits, Stored, check_size, unreadable
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.packages import load_package

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array

    Shape = tuple[int, int]


MAGIC = b"\xff\xd8\xff"

START, END = b"\xff\xd8", b"\xff\xd9"

FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers of a frame header, which holds the size."""

PROGRESSIVE, HUFFMAN_CODED = frozenset({0xC2, 0xCA}), frozenset({0xC0, 0xC1, 0xC2})
"""The frames of several scans, and those of Huffman codes, whose tables are known."""

LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})

HUFFMAN, SCAN, EXIF, START_OF_MARKER = 0xC4, 0xDA, 0xE1, 0xFF

MODES = {1: "mono", 3: "rgb"}
"""kornia's name of an image of so many components."""

ZEROS = 16
"""Zero bytes in a row that no encoder writes, unless its tables mean a flat image by zero bits."""

_BITS = 8

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""A marker in image data that is no restart: 255 itself is followed by 0 there."""

_COEFFICIENT, _COEFFICIENTS = 0x0F, 64
"""The bits of a Huffman symbol that say a coefficient follows, and how many coefficients a block has."""

_FEW = 16
"""The most zero bytes before the end marker that are padding and not lost data."""


class _Scan(NamedTuple):
    """One pass over the image data, from `start` to `end`; `first_symbols` are what its tables mean by zero bits."""

    start: int
    end: int
    components: bytes
    first: int
    last: int
    high: int
    low: int
    first_symbols: tuple[int, ...]


@dataclass(slots=True)
class _Frame:
    """What the segments of a JPEG say, up to its end marker."""

    shape: Shape | None = None
    marker: int = 0
    bits: int = _BITS
    n_components: int = 0
    orientation: int = UPRIGHT
    tables: dict[int, int] = field(default_factory=dict)
    scans: list[_Scan] = field(default_factory=list)
    end: int = -1


def read(data: bytes, path: Path, limits: Limits) -> Stored:
    """The image of a JPEG, grey or in the order blue, green, red.

    Raises:
        UnreadableMap: truncated, damaged, too large, or of another kind than 8 bits of grey or colour.
        MissingDependency: kornia-rs cannot be imported.
    """
    frame = _inspect(data, path)
    if frame.shape is None:
        raise unreadable(path, "damaged: the JPEG has image data but no size before it")
    check_size(path, *frame.shape, limits.max_pixels)
    if frame.bits != _BITS or frame.marker in LOSSLESS:
        raise unreadable(path, f"a lossless or {frame.bits}-bit JPEG, which is not read; store a PNG")
    if frame.n_components not in MODES:
        raise unreadable(path, f"a JPEG of {frame.n_components} colours (CMYK?); a map is grey or RGB: store a PNG")
    _refuse_incomplete(data, frame, path)
    array = _strict(data, frame.n_components, frame.end, path)
    if array.shape[:2] != frame.shape:
        raise unreadable(path, f"damaged: the JPEG declares {frame.shape} and holds {array.shape[:2]} rows and columns")
    array = array[..., 0] if frame.n_components == 1 else array[..., ::-1]
    return Stored(upright(array, frame.orientation), lossy=True)


def inspect(data: bytes, path: Path) -> Shape | None:
    """The (height, width) of a JPEG as it is shown; None where it is damaged in a way that decoding will tell.

    Raises:
        UnreadableMap: truncated or damaged before the image data, or without an end.
    """
    frame = _inspect(data, path)
    return frame.shape[::-1] if frame.shape and frame.orientation in TRANSPOSED else frame.shape


def check_stream(data: bytes, path: Path) -> None:
    """Refuse a stream of JPEG, such as a strip of a TIFF, that its decoder would have to mend.

    Raises:
        UnreadableMap, MissingDependency: as `read`.
    """
    frame = _inspect(data, path)
    _refuse_incomplete(data, frame, path)
    _strict(data, 1 if frame.n_components == 1 else len(MODES) + 1, frame.end, path)


def _inspect(data: bytes, path: Path) -> _Frame:
    frame = _Frame()
    try:
        for marker, start, end in _segments(data):
            if marker in FRAMES and frame.shape is None:
                frame.bits, height, width, frame.n_components = struct.unpack_from(">BHHB", data, start + 4)
                frame.shape, frame.marker = (height, width), marker
            elif marker == HUFFMAN:
                frame.tables |= _first_symbols(data[start + 4 : end])
            elif marker == EXIF and data[start + 4 : start + 10] == b"Exif\0\0":
                frame.orientation = orientation(data[start + 4 : end])
            elif marker == SCAN:
                frame.scans.append(_scan(data, start, end, frame.tables))
            frame.end = end
    except (IndexError, struct.error):
        part = "without its end marker" if frame.scans else "before its image data"
        raise unreadable(path, f"truncated: the JPEG ends after {len(data)} bytes, {part}") from None
    except ValueError as error:
        raise unreadable(path, f"damaged: the JPEG has no segment at byte {error}") from None
    return frame


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The marker, start and end of every segment up to the end marker; a scan ends where its image data do."""
    start = len(START)
    while True:
        if data[start] != START_OF_MARKER:
            raise ValueError(start)
        marker = data[start + 1]
        if marker == START_OF_MARKER:  # a fill byte
            start += 1
            continue
        if marker == END[1]:
            return
        end = start + 2 + struct.unpack_from(">H", data, start + 2)[0]
        if marker == SCAN:
            following = _MARKER.search(data, end)
            end = following.start() if following else len(data)
        yield marker, start, end
        start = end


def _scan(data: bytes, start: int, end: int, tables: Mapping[int, int]) -> _Scan:
    """The scan whose header is at `start`."""
    length, n_components = struct.unpack_from(">HB", data, start + 2)
    parts = data[start + 5 : start + 5 + 2 * n_components]
    first, last, bits = struct.unpack_from("BBB", data, start + 5 + 2 * n_components)
    used = {part >> 4 for part in parts[1::2] if first == 0} | {0x10 | part & 0xF for part in parts[1::2] if last}
    symbols = tuple(tables[table] for table in used if table in tables)
    return _Scan(start + 2 + length, end, parts[::2], first, last, bits >> 4, bits & 0xF, symbols)


def _first_symbols(tables: bytes) -> dict[int, int]:
    """What each Huffman table of a segment means by zero bits, by the class and number of the table."""
    symbols, start = {}, 0
    while start + 17 < len(tables):
        n_symbols = sum(tables[start + 1 : start + 17])
        if n_symbols:
            symbols[tables[start]] = tables[start + 17]
        start += 17 + n_symbols
    return symbols


def _refuse_incomplete(data: bytes, frame: _Frame, path: Path) -> None:
    """Refuse image data that decode without complaint although a part is lost.

    Zero bits, such as of a lost sector of a disk, mean a flat area where the first code of a table is "no change" or
    "end of block", and that a bit of every block is 0 where a scan refines them; elsewhere they mean hundreds of equal
    coefficients, which no picture has. A progressive JPEG that was cut between two scans lacks the finer ones.
    """
    for scan in frame.scans:
        is_flat = not scan.first and all(symbol & _COEFFICIENT == 0 for symbol in scan.first_symbols)
        is_refined = scan.high > 0 and not scan.first
        if not is_flat and not is_refined and frame.marker in HUFFMAN_CODED:
            place = data.find(bytes(ZEROS), scan.start, scan.end)
            if place >= 0 and any(data[place : scan.end]):
                raise unreadable(path, f"damaged: the JPEG's image data are zeros from byte {place} on")
    if frame.marker in PROGRESSIVE and not _is_fine(frame):
        raise unreadable(path, "truncated: the progressive JPEG lacks its finer scans")


def _is_fine(frame: _Frame) -> bool:
    """Whether the scans of a progressive JPEG bring every coefficient of every component to its last bit."""
    missing: dict[int, list[int]] = {}
    for scan in frame.scans:
        for component in scan.components:
            bits = missing.setdefault(component, [1] * _COEFFICIENTS)
            bits[scan.first : scan.last + 1] = [scan.low] * len(bits[scan.first : scan.last + 1])
    return len(missing) == frame.n_components and not any(map(any, missing.values()))


def _strict(data: bytes, n_components: int, end: int, path: Path) -> Array:
    """The pixels, if libjpeg-turbo has nothing to warn of; padding before the end marker is left out."""
    decode, mode = _decoder(), MODES.get(n_components, "rgb")
    rest = data[:end].rstrip(b"\0")
    attempts = [data, rest + END] if 0 < end - len(rest) <= _FEW else [data]
    problem: Exception | None = None
    for attempt in attempts:
        try:
            return decode(attempt, mode)
        except Exception as error:  # noqa: BLE001 - kornia-rs raises nothing more special
            problem = error
    what = "its image data end early, or cannot be what was written"
    raise unreadable(path, f"damaged: libjpeg warns of the JPEG that {what}") from problem


def _decoder() -> Any:
    return load_package("kornia_rs.io", "JPEGs need kornia-rs", "pip install kornia-rs").decode_image_jpegturbo
