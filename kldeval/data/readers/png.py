"""PNG: every checksum verified, every pixel accounted for; row filters undone by imagecodecs, kornia-rs or OpenCV.

The pixels of a PNG are rows of filtered bytes in one zlib stream. libdeflate inflates that stream to exactly the length
that the header implies, and compares its Adler-32 checksum, which Rust decoders skip. Where all rows are differences to
the pixel on their left, as OpenCV writes them, imagecodecs adds them up. Of other rows kornia-rs undoes the filters,
wrapped as a PNG without compression whose pixels have as many bytes. On a 480 x 640 map of 8 bits inflating takes
0.43 ms and the filters 0.09 or 0.17, where OpenCV takes 1.7 for both.

Format: https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.arrays import opencv
from kldeval.data.readers.exif import TRANSPOSED, UPRIGHT, orientation, upright
from kldeval.data.readers.stored import Limits, Stored, check_size, unreadable
from kldeval.dataclass import NamedTuple
from kldeval.digests import crc32_function

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array

    Shape = tuple[int, int]


MAGIC = b"\x89PNG\r\n\x1a\n"

DECLARED = 24
"""Bytes within which a PNG says its size."""

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
"""The colour types."""

DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGBA: (8, 16)}
"""The bits per sample that each colour type may have."""

SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}

PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row, first column, step of rows and of columns of each pass of an interlaced image (Adam7)."""

IN_MEMORY = 2**26
"""Pixels of more bytes than this are inflated in pieces to verify them, and decoded by OpenCV, which keeps one copy."""

PIECE = 2**20
"""Bytes that are inflated at a time where pixels are only verified."""

_CRITICAL = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
"""The chunks that decide the stored values; for others libpng writes warnings to stderr, past any log level."""

_WHOLE = (slice(None), slice(None))

_HEAD, _SUM, _IHDR = struct.Struct(">I4s"), struct.Struct(">I"), struct.Struct(">IIBBBBB")

_OVERHEAD = 12
"""Length, type and checksum of a chunk, four bytes each."""

_HEADER_END = 33
"""Where the chunks after IHDR begin."""

_STORED = 0xFFFF
"""The most bytes of a block of deflate without compression."""

_WRAPPED = {1: (8, GREY, "mono"), 2: (16, GREY, "mono"), 3: (8, RGB, "rgb")} | {
    4: (8, RGBA, "rgba"),
    6: (16, RGB, "rgb"),
    8: (16, RGBA, "rgba"),
}
"""A depth, a colour type and kornia's name of it, by the bytes of a pixel: filters know of bytes only."""

_BYTE, _SHORT = 8, 16

_NONE, _SUB = 0, 1
"""The filters of rows that are stored as they are, and as differences to the pixel on the left."""


class _Pass(NamedTuple):
    """Pixels that are stored together: their place in the image, their size, and the bytes of a row without filter."""

    place: tuple[slice, slice]
    height: int
    width: int
    row_bytes: int


class _Picture(NamedTuple):
    """What a PNG says of itself before its pixels are decoded; `bits` are those of a pixel.

    `n_bytes` are those of all filtered rows: what the zlib stream must hold, no more and no less.
    """

    height: int
    width: int
    depth: int
    kind: int
    is_interlaced: bool
    chunks: list[tuple[bytes, int, int]]
    palette: bytes
    transparency: bytes
    orientation: int
    bits: int
    passes: list[_Pass]
    n_bytes: int


def read(data: bytes, path: Path, limits: Limits) -> Stored:
    """The image of a PNG: colours in OpenCV's order; fewer than 8 bits are stretched to 0..255.

    A palette becomes its colours. A transparent colour (tRNS) of grey or RGB becomes an alpha channel where any pixel
    has it.

    Raises:
        UnreadableMap: truncated, damaged, animated or too large.
        MissingDependency: OpenCV is needed and cannot be imported.
    """
    picture = _inspect(data, path, limits)
    array = _samples(data, picture, path)
    if picture.kind == PALETTE:
        array = _coloured(array, picture, path)
    else:
        array = _with_alpha(array, picture) if picture.transparency else array
        if picture.depth < _BYTE:
            array = array * np.uint8(255 // (2**picture.depth - 1))
    return Stored(array if picture.orientation == UPRIGHT else upright(array, picture.orientation))


def read_labels(data: bytes, path: Path, limits: Limits) -> Stored:
    """The image of a PNG whose values are labels: the indices of a palette, and few bits as they are stored.

    Raises:
        UnreadableMap, MissingDependency: as `read`.
    """
    picture = _inspect(data, path, limits)
    array = _samples(data, picture, path)
    if picture.kind != PALETTE and picture.transparency:
        array = _with_alpha(array, picture)
    return Stored(array if picture.orientation == UPRIGHT else upright(array, picture.orientation))


def inspect(data: bytes, path: Path, limits: Limits) -> Shape:
    """The (height, width) of a PNG as it is shown; its checksums are not looked at.

    Raises:
        UnreadableMap: as `read`.
    """
    picture = _inspect(data, path, limits, verifies=False)
    shape = picture.height, picture.width
    return shape[::-1] if picture.orientation in TRANSPOSED else shape


def _inspect(data: bytes, path: Path, limits: Limits, *, verifies: bool = True) -> _Picture:
    chunks = _chunks(data, path, verifies=verifies)
    if chunks[0] != (b"IHDR", len(MAGIC), _HEADER_END):
        raise unreadable(path, "damaged: the PNG does not begin with its IHDR chunk")
    width, height, depth, kind, compression, filtering, interlace = _IHDR.unpack_from(data, len(MAGIC) + 8)
    if depth not in DEPTHS.get(kind, ()) or compression or filtering or interlace > 1:
        what = f"damaged: no PNG has {depth} bits of colour type {kind}, compression {compression}, filter {filtering}"
        raise unreadable(path, f"{what}, interlace {interlace}")
    check_size(path, height, width, limits.max_pixels)
    contents = {name: data[start + 8 : end - 4] for name, start, end in chunks if name not in (b"IDAT", b"IEND")}
    if kind == PALETTE and len(contents.get(b"PLTE", b"")) < SAMPLES[RGB]:
        raise unreadable(path, "damaged: a PNG of palette colours without a palette")
    if b"acTL" in contents or b"fdAT" in contents:
        _refuse_animation(contents, path)
    bits = depth * SAMPLES[kind]
    passes = _passes(height, width, bits) if interlace else [_Pass(_WHOLE, height, width, -(-width * bits // _BYTE))]
    return _Picture(
        *(height, width, depth, kind, bool(interlace), chunks),
        palette=contents.get(b"PLTE", b""),
        transparency=contents.get(b"tRNS", b""),
        orientation=orientation(contents[b"eXIf"]) if b"eXIf" in contents else UPRIGHT,
        bits=bits,
        passes=passes,
        n_bytes=sum([part.height * (1 + part.row_bytes) for part in passes]),
    )


def _passes(height: int, width: int, bits: int) -> list[_Pass]:
    """The passes of an interlaced image that have any pixels."""
    found = []
    for first, left, down, right in PASSES:
        rows, columns = -(-(height - first) // down), -(-(width - left) // right)
        if rows > 0 and columns > 0:
            place = slice(first, None, down), slice(left, None, right)
            found.append(_Pass(place, rows, columns, -(-columns * bits // _BYTE)))
    return found


def _chunks(data: bytes, path: Path, *, verifies: bool) -> list[tuple[bytes, int, int]]:
    """The type, start and end of every chunk up to IEND; those that decide pixels have their checksum verified."""
    found: list[tuple[bytes, int, int]] = []
    view, start, kind, crc32 = memoryview(data), len(MAGIC), b"", crc32_function()
    while kind != b"IEND":
        length, kind = _HEAD.unpack_from(data, start) if start + _OVERHEAD <= len(data) else (len(data), b"")
        end = start + _OVERHEAD + length
        if end > len(data):
            raise unreadable(path, f"truncated: the PNG ends after {len(data)} bytes, before its IEND chunk")
        if verifies and kind in _CRITICAL and crc32(view[start + 4 : end - 4], 0) != _SUM.unpack_from(data, end - 4)[0]:
            raise unreadable(path, f"damaged: the checksum of the PNG's {kind.decode()} chunk at byte {start} is wrong")
        found.append((kind, start, end))
        start = end
    return found


def _refuse_animation(contents: dict[bytes, bytes], path: Path) -> None:
    frames = int.from_bytes(contents[b"acTL"][:4], "big") if b"acTL" in contents else 1
    if frames != 1:
        raise unreadable(path, f"an animation of {frames} frames; a map is one")
    if b"fdAT" in contents:
        raise unreadable(path, "an animation; a map is one image")


def _samples(data: bytes, picture: _Picture, path: Path) -> Array:
    """The samples as stored: (H, W), or (H, W, 4 or 3) in the order blue, green, red, alpha; palettes as indices."""
    if picture.n_bytes > IN_MEMORY:
        _verify(data, picture, path)
        return _by_opencv(data, picture, path)
    try:
        rows = _inflater()(_stream(data, picture), picture.n_bytes)
    except Exception as error:
        raise _damaged_pixels(path) from error
    if len(rows) != picture.n_bytes:
        raise _damaged_pixels(path)
    try:
        samples = _from_rows(memoryview(rows), picture)
    except ImportError:  # there is no kornia-rs
        return _by_opencv(data, picture, path)
    except Exception as error:
        raise _damaged_pixels(path) from error
    return samples if picture.kind in (GREY, PALETTE) else _in_opencv_order(samples)


def _damaged_pixels(path: Path) -> Exception:
    return unreadable(path, "damaged: the compressed pixels of the PNG are not those that its header declares")


@cache
def _inflater() -> Callable[[bytes, int], bytes | bytearray]:
    """libdeflate's inflation, or zlib's."""
    try:
        from deflate import zlib_decompress
    except ImportError:
        return lambda stream, n_bytes: zlib.decompress(stream, bufsize=n_bytes + 1)
    return zlib_decompress


def _stream(data: bytes, picture: _Picture) -> bytes:
    """The one zlib stream that the IDAT chunks hold."""
    view = memoryview(data)
    return b"".join([view[start + 8 : end - 4] for name, start, end in picture.chunks if name == b"IDAT"])


def _verify(data: bytes, picture: _Picture, path: Path) -> None:
    """Inflate the pixels in pieces, which are thrown away, to know that they are whole.

    Raises:
        UnreadableMap: damaged, too few or too many.
    """
    inflater, left, n_bytes = zlib.decompressobj(), _stream(data, picture), 0
    try:
        while left and not inflater.eof and n_bytes <= picture.n_bytes:
            n_bytes += len(inflater.decompress(left, PIECE))
            left = inflater.unconsumed_tail
    except zlib.error as error:
        raise _damaged_pixels(path) from error
    if n_bytes != picture.n_bytes or not inflater.eof:
        raise _damaged_pixels(path)


def _from_rows(rows: memoryview, picture: _Picture) -> Array:
    """The samples (H, W) or (H, W, channels) in the order of the file, from filtered rows.

    Raises:
        ImportError: kornia-rs is needed and is not there.
    """
    image: Array | None = None
    start = 0
    for passed in picture.passes:
        end = start + passed.height * (1 + passed.row_bytes)
        part = _unpacked(_unfiltered(rows[start:end], passed.height, picture), picture, passed.width)
        if not picture.is_interlaced:
            return part
        image = np.empty((picture.height, picture.width, *part.shape[2:]), part.dtype) if image is None else image
        image[passed.place] = part
        start = end
    return image  # type: ignore[return-value] # an interlaced picture has a pass at least


def _unfiltered(rows: memoryview, height: int, picture: _Picture) -> Array:
    """Rows of bytes, (H, pixels, samples), of filtered rows; 2, 6 or 8 bytes of a pixel are samples of 16 bits."""
    n_bytes = max(1, picture.bits // _BYTE)
    row_bytes = len(rows) // height
    kind = rows[0]
    is_plain = kind == _NONE or (kind == _SUB and _add_up() is not None)
    if not is_plain or bytes(rows[::row_bytes]).count(kind) != height:
        return _by_kornia(rows, height, n_bytes)
    filtered = np.frombuffer(rows, np.uint8).reshape(height, row_bytes)[:, 1:].reshape(height, -1, n_bytes)
    found = np.ascontiguousarray(filtered) if kind == _NONE else _add_up()(filtered, axis=1)
    return found.view(">u2").astype(np.uint16) if _WRAPPED[n_bytes][0] == _SHORT else found


@cache
def _add_up() -> Any:
    """imagecodecs' sum of differences along an axis, in a tenth of numpy's time; None where there is no imagecodecs."""
    try:
        from imagecodecs import delta_decode
    except ImportError:
        return None
    return delta_decode


def _by_kornia(rows: memoryview, height: int, n_bytes: int) -> Array:
    """The pixels as kornia-rs decodes them, which is given the rows as a PNG without compression."""
    from kornia_rs import io

    depth, kind, mode = _WRAPPED[n_bytes]
    width = (len(rows) // height - 1) // n_bytes
    blocks: list[bytes | memoryview] = [b"\x78\x01"]
    for start in range(0, len(rows), _STORED):
        block = rows[start : start + _STORED]
        is_last = start + _STORED >= len(rows)
        blocks += [struct.pack("<BHH", is_last, len(block), len(block) ^ _STORED), block]
    header = _IHDR.pack(width, height, depth, kind, 0, 0, 0)
    # kornia does not look at the Adler-32 checksum, which the stream that came in has passed
    pixels = _chunk(b"IDAT", *blocks, bytes(4))
    wrapped = b"".join((MAGIC, *_chunk(b"IHDR", header), *pixels, *_chunk(b"IEND")))
    decode = io.decode_image_png_u8 if depth == _BYTE else io.decode_image_png_u16
    return decode(wrapped, (height, width), mode)


def _chunk(name: bytes, *content: bytes | memoryview) -> tuple[bytes | memoryview, ...]:
    """The parts of a chunk, for the caller to join: the pixels of a map are copied once."""
    crc32, checksum = crc32_function(), 0
    for part in (name, *content):
        checksum = crc32(part, checksum)
    return (_SUM.pack(sum(map(len, content))), name, *content, _SUM.pack(checksum))


def _unpacked(array: Array, picture: _Picture, width: int) -> Array:
    """The samples of pixels of any depth from pixels of whole bytes, (H, pixels, samples)."""
    if picture.kind == GREY_ALPHA and picture.depth == _BYTE:
        return np.concatenate([array >> 8, array & 0xFF], axis=-1).astype(np.uint8)
    if picture.kind == GREY_ALPHA:
        pairs = array.astype(np.uint16)
        return (pairs[..., 0::2] << 8) | pairs[..., 1::2]
    if array.shape[-1] > 1:
        return array
    array = array[..., 0]
    if picture.depth >= _BYTE:
        return array
    bits = np.unpackbits(array, axis=1).reshape(len(array), -1, picture.depth)[:, :width]
    return bits @ (1 << np.arange(picture.depth)[::-1]).astype(np.uint8)


def _in_opencv_order(array: Array) -> Array:
    """Blue, green, red and alpha from the channels that the file stores; grey and alpha become four channels."""
    if array.shape[-1] == SAMPLES[GREY_ALPHA]:
        return array[..., [0, 0, 0, 1]]
    return array[..., [2, 1, 0, 3]] if array.shape[-1] == SAMPLES[RGBA] else array[..., ::-1]


def _by_opencv(data: bytes, picture: _Picture, path: Path) -> Array:
    """The samples as OpenCV decodes them, of a palette and of few bits those that are stored."""
    array = opencv().imdecode(np.frombuffer(_plain(data, picture), np.uint8), opencv().IMREAD_UNCHANGED)
    if array is None:
        raise _damaged_pixels(path)
    return array // (255 // (2**picture.depth - 1)) if picture.depth < _BYTE else array


def _plain(data: bytes, picture: _Picture) -> bytes:
    """The PNG with nothing but its pixels, indices of a palette as grey: the decoder would look their colours up."""
    kind = GREY if picture.kind == PALETTE else picture.kind
    header = _IHDR.pack(picture.width, picture.height, picture.depth, kind, 0, 0, picture.is_interlaced)
    pixels = [data[start:end] for name, start, end in picture.chunks if name in (b"IDAT", b"IEND")]
    return b"".join((MAGIC, *_chunk(b"IHDR", header), *pixels))


def _coloured(indices: Array, picture: _Picture, path: Path) -> Array:
    """The colours (H, W, 3) of palette indices, with alpha (H, W, 4) where the palette has it."""
    colours = np.frombuffer(picture.palette[: len(picture.palette) // 3 * 3], np.uint8).reshape(-1, 3)[:, ::-1]
    if indices.max() >= len(colours):
        raise unreadable(path, f"damaged: a pixel of colour {indices.max()} in a PNG whose palette has {len(colours)}")
    if picture.transparency:
        alpha = np.full((len(colours), 1), 255, np.uint8)
        known = np.frombuffer(picture.transparency[: len(colours)], np.uint8)
        alpha[: len(known), 0] = known
        colours = np.concatenate([colours, alpha], axis=1)
    return colours[indices]


def _with_alpha(array: Array, picture: _Picture) -> Array:
    """Grey or colour with an alpha channel if any pixel has the one transparent colour that tRNS declares."""
    if picture.kind not in (GREY, RGB) or len(picture.transparency) < 2 * SAMPLES[picture.kind]:
        return array
    key = np.frombuffer(picture.transparency[: 2 * SAMPLES[picture.kind]], ">u2")[::-1]
    channels = array.reshape(*array.shape[:2], -1)
    transparent = (channels == key).all(axis=-1)
    if not transparent.any():
        return array
    opaque = 2 ** max(picture.depth, _BYTE) - 1
    alpha = np.where(transparent, 0, opaque).astype(array.dtype)[..., None]
    colours = channels if picture.kind == RGB else channels.repeat(3, axis=-1)
    return np.concatenate([colours, alpha], axis=-1)
