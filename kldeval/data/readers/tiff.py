"""TIFF, decoded strip by strip or tile by tile with tifffile and imagecodecs, every one of which must be whole.

OpenCV reads the first page of many, one sample of two, and passes damaged strips on. Here the tags decide first: one
page at full size, grey with 0 as black or colour, of real numbers; then every strip must inflate to exactly the bytes
that the tags imply. Values without a checksum (no compression, LZW, PackBits) can change within these bounds without
being noticed.

Format: TIFF 6.0, https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, and BigTIFF,
https://www.awaresystems.be/imaging/tiff/bigtiff.html
"""

from __future__ import annotations

import io
import logging
import math
import re
import struct
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kldeval.data.readers import jpeg, jpeg2000
from kldeval.data.readers.apart import load_apart
from kldeval.data.readers.entries import check_count
from kldeval.data.readers.exif import TRANSPOSED, UPRIGHT, upright
from kldeval.data.readers.files import FileBytes, reason
from kldeval.data.readers.stored import Limits, Stored, check_expansion, check_size, unreadable
from kldeval.data.scratch import LARGE, blocks_of, copy_blocks, reserve, scratch
from kldeval.errors import KldevalError, count
from kldeval.grids import Grid
from kldeval.packages import load_package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.arrays import NumpyArray as Array


MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

ORIENTATION = 274

UNCOMPRESSED = 1
STREAMS = frozenset({5, 8, 32773, 32946, 34925, 50000})
"""LZW, deflate twice, PackBits, LZMA, Zstandard: streams of bytes, whose length must be right."""
JPEG = frozenset({7})
JPEG_2000 = frozenset({33003, 33004, 33005, 34712})
"""Compressions whose own headers are looked at before they are decoded; all others need `--trust-files`."""

MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6

ALPHA = frozenset({1, 2})
"""The extra samples that are an alpha channel."""

KINDS = {1: "u", 2: "i", 3: "f"}
"""numpy's kind of a sample format."""

COLOURS, MOST_SAMPLES = 3, 4

MOST_DIRECTORIES = 1024
"""More than any stack of pages that is refused by its number."""

ALL_BANDS = 0

SUB_BYTE, BYTE, SHORT = (1, 2, 4), 8, 16


def read(
    data: bytes | FileBytes,
    path: Path,
    limits: Limits,
    *,
    labels: bool = False,
    name: str | None = None,
    band: int | None = None,
) -> Stored:
    """The one full page of a TIFF, (H, W), or (H, W, C) in the order blue, green, red, alpha, upright.

    1, 2 and 4 bits are stretched to 0..255; other depths below 16 bits come as
    stored, with `full_scale`. A palette becomes its colours, or stays as indices for `labels`. Large pages are decoded
    into a temporary file, that of a `name` where there is one. `band` is the only one that is wanted, from 1; where it
    is 0, a page of several bands comes as (C, H, W), a class map, in the order of the file.

    Raises:
        UnreadableMap: damaged, truncated, too large, several pages, or of a kind that is no map.
        MissingDependency: tifffile or imagecodecs cannot be imported.
    """
    with _opened(data, path) as file:
        page = _only_page(file, path)
        height, width = _shape(page)
        check_size(path, height, width, limits.max_pixels)
        if labels and band is None and page.samplesperpixel > 1 and page.dtype is not None and page.dtype.kind == "f":
            band = ALL_BANDS  # soft labels
        takes_bands = band is not None and _has_bands(page)
        if band and (band > page.samplesperpixel or not (takes_bands or band == 1)):
            raise unreadable(path, f"it has {count(page.samplesperpixel, 'band')}, and --key says band {band}")
        bits = _check_kind(page, path, takes_bands=takes_bands)
        check_expansion(path, len(data), page.size * page.dtype.itemsize, limits)
        is_lossy = page.compression in JPEG | JPEG_2000
        if takes_bands and not band:
            check_count((page.samplesperpixel, height, width), path, limits)
        array = _samples(data, page, path, limits, name)
        if takes_bands:
            array, full_scale = _of_bands(array, page, bits, path, band)
        else:
            array, full_scale = _as_meant(array, page, bits, path, labels=labels)
        array, nodata = _unpacked(array, page, path, band or 1)
        has_bands = takes_bands and not band
        return Stored(
            upright(array, _orientation(page)), is_lossy, full_scale, nodata, _grid(page), has_bands=has_bands
        )


def read_given(data: bytes | None, is_labels: bool, band: int | None, path: Path, limits: Limits) -> Stored:  # noqa: FBT001 - as a process is asked
    """The image of a file, or of the bytes of one within another.

    Raises:
        UnreadableMap, MissingDependency: as `read`.
    """
    return read(FileBytes(path) if data is None else data, path, limits, labels=is_labels, band=band)


def read_into(
    name: str,
    data: bytes | None,
    is_labels: bool,  # noqa: FBT001 - as a process is asked
    band: int | None,
    path: Path,
    limits: Limits,
) -> tuple[Stored, Any, Any]:
    """The page of a large TIFF, written to the file `name`: the map without its values, their shape and type.

    `data` are the bytes of a file within another.

    Raises:
        UnreadableMap, MissingDependency: as `read`.
    """
    source = FileBytes(path) if data is None else data
    stored = read(source, path, limits, labels=is_labels, name=name, band=band)
    array = stored.array
    if not _is_whole(array, name):
        with Path(name).open("r+b") as file:
            reserve(file.fileno(), array.nbytes)
        copy_blocks(array, np.memmap(name, array.dtype, "r+", shape=array.shape))
    return replace(stored, array=np.empty(0, array.dtype)), array.shape, array.dtype


def _is_whole(array: Array, name: str) -> bool:
    """Whether an array is what a file holds, from its beginning to its end, in order."""
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    place = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    mapped = isinstance(base, np.memmap) and str(base.filename) == str(Path(name).resolve())
    return mapped and place == 0 and array.nbytes == base.nbytes and array.flags.c_contiguous


def read_apart(data: bytes | FileBytes, path: Path, limits: Limits, *, labels: bool, band: int | None = None) -> Stored:
    """The page of a TIFF, decoded by a process of its own: a large one by way of a temporary file.

    Raises:
        UnreadableMap, MissingDependency: as `read`.
    """
    with _opened(data, path) as file:
        page = _only_page(file, path)
        check_size(path, *_shape(page), limits.max_pixels)
        n_bytes = page.size * page.dtype.itemsize if page.dtype is not None else 0
        check_expansion(path, len(data), n_bytes, limits)
    if n_bytes < LARGE and not isinstance(data, FileBytes):
        stored: Stored = load_apart(__name__, path, limits, "read_given", data, labels, band)
        return stored
    with NamedTemporaryFile() as target:
        given = target.name, data if isinstance(data, bytes) else None, labels, band
        stored, shape, dtype = load_apart(__name__, path, limits, "read_into", *given)
        return replace(stored, array=np.asarray(np.memmap(target.name, dtype, "r", shape=shape)))


GDAL_METADATA = 42112

_SCALE = re.compile(r'<Item\b([^<>]*\brole="(scale|offset)"[^<>]*)>([^<>]*)</Item>')


def _unpacked(array: Array, page: Any, path: Path, band: int = 1) -> tuple[Array, float | None]:
    """The values that a GeoTIFF means by those that it stores in a band, and the one that marks missing data there.

    Where GDAL's metadata say a scale and an offset, a value is stored * scale + offset.
    """
    nodata = _nodata(page)
    tag = page.tags.get(GDAL_METADATA)
    items = _SCALE.findall(str(tag.value)) if tag is not None else ()
    is_one = array.ndim == 2  # noqa: PLR2004 - height and width
    said = {role: text for words, role, text in items if not is_one or _sample(words) == band - 1}
    try:
        scale, offset = float(said.get("scale", 1)), float(said.get("offset", 0))
    except ValueError as error:
        raise unreadable(path, f"damaged: its metadata say the scale {said.get('scale')!r}") from error
    if (scale, offset) == (1, 0):
        return array, nodata
    if not is_one:
        raise unreadable(path, "a TIFF of several samples whose metadata say a scale; store the one that is the map")
    found = scratch(array.shape, np.float64)
    for rows in blocks_of(array):
        found[rows] = array[rows] * np.float64(scale) + offset
    # a float is stored in the precision of its type, and so is its mark
    marked = None if nodata is None else float(array.dtype.type(nodata) if array.dtype.kind == "f" else nodata)
    return found, None if marked is None else marked * scale + offset


def _sample(words: str) -> int:
    """The sample that an item of GDAL's metadata is of, from 0."""
    found = re.search(r'\bsample="([0-9]+)"', words)
    return int(found[1]) if found else 0


GDAL_NODATA, GRID = 42113, (33550, 33922, 34264)
"""The tags of GeoTIFF: the value that marks pixels without data; the size of a pixel, a tie point, a transformation."""


def _nodata(page: Any) -> float | None:
    """The value that GDAL says to mark pixels without data; None where no tag says one."""
    tag = page.tags.get(GDAL_NODATA)
    try:
        return None if tag is None else float(str(tag.value).strip("\0 "))
    except ValueError:
        return None


def _grid(page: Any) -> Grid | None:
    """The affine map of rows and columns to places on earth; None where the tags say none."""
    scale, tie, whole = (tuple(page.tags[code].value) if code in page.tags else () for code in GRID)
    if len(whole) == len(MATRIX) ** 2:
        numbers = [whole[4 * row + column] for row in range(2) for column in (1, 0, 3)]
    elif len(scale) >= 2 and len(tie) >= len(TIE):  # noqa: PLR2004 - of columns and rows
        column, row, _, x, y, _ = tie[: len(TIE)]
        numbers = [0, scale[0], x - column * scale[0], -scale[1], 0, y + row * scale[1]]
    else:
        return None
    keys = _geo_keys(page)
    if keys.get(RASTER_TYPE) == IS_POINT:  # the tie point is the centre of a pixel, not its corner
        rows = np.asarray(numbers, np.float64).reshape(2, 3)
        rows[:, 2] -= rows[:, :2].sum(1) / 2
        numbers = rows.ravel().tolist()
    kind = KINDS_OF_MODELS.get(keys.get(MODEL_TYPE, 0), "")
    return Grid(tuple(map(float, numbers)), 2, _coordinates(page, keys), "GeoTIFF tags", WARP, kind)


WARP = "warp one to the other, as gdalwarp does"

TIE, MATRIX = ("column", "row", "layer", "x", "y", "z"), ("x", "y", "z", "1")
"""The numbers of a tie point, and the rows of a transformation."""

GEO_KEYS, GEO_DOUBLES, GEO_ASCII, CODES = 34735, 34736, 34737, (3072, 2048)
"""The directory of geographic keys, their numbers and texts; the keys that hold a code of EPSG."""

USER_DEFINED = 32767


MODEL_TYPE, RASTER_TYPE, IS_POINT = 1024, 1025, 2

KINDS_OF_MODELS: dict[int, Literal["", "geographic", "projected"]] = {1: "projected", 2: "geographic"}


def _geo_keys(page: Any) -> dict[int, int]:
    """The geographic keys whose value is a number in the directory itself."""
    keys = tuple(page.tags[GEO_KEYS].value) if GEO_KEYS in page.tags else ()
    return {keys[at]: keys[at + 3] for at in range(4, len(keys) - 3, 4) if keys[at + 1] == 0}


def _coordinates(page: Any, entries: dict[int, int]) -> str:
    """The coordinates that places are in, as `EPSG:4326`, or all that the tags say of them; empty where they say none.

    Where a system is written out instead of named, its parts tell it from others.
    """
    codes = [entries[code] for code in CODES if entries.get(code, USER_DEFINED) not in (0, USER_DEFINED)]
    if codes or not entries:
        return f"EPSG:{codes[0]}" if codes else ""
    own = [f"{key}={value}" for key, value in sorted(entries.items()) if key not in (RASTER_TYPE, MODEL_TYPE)]
    texts = [str(page.tags[code].value).strip("\0| ") for code in (GEO_ASCII, GEO_DOUBLES) if code in page.tags]
    return " ".join([*texts, *own])


def shape_of_bands(data: bytes | FileBytes, path: Path) -> tuple[int, int, int] | None:
    """The (C, H, W) of a page of several bands; None of a grey one and of a picture in colours.

    Raises:
        UnreadableMap, MissingDependency: as `read`.
    """
    with _opened(data, path) as file:
        page = _only_page(file, path)
        return (page.samplesperpixel, *_shape(page)) if _has_bands(page) else None


def _has_bands(page: Any) -> bool:
    """Whether the samples of a page are bands: GDAL calls three of bytes red, green and blue, whatever they are."""
    is_geo = any(code in page.tags for code in (GEO_KEYS, *GRID, GDAL_METADATA, GDAL_NODATA))
    return page.samplesperpixel > 1 and (is_geo or page.photometric in (MIN_IS_BLACK, MIN_IS_WHITE))


def _of_bands(array: Array, page: Any, bits: int, path: Path, band: int | None) -> tuple[Array, float | None]:
    """One band (H, W) of samples (H, W, C), or all of them as (C, H, W), and the full scale as `_as_meant`."""
    if page.compression in JPEG or array.dtype.kind == "b" or (bits in SUB_BYTE):
        what = f"its {page.samplesperpixel} bands are of {bits} bits, or compressed as a picture; store them as numbers"
        raise unreadable(path, what)
    full_scale = float(2**bits - 1) if array.dtype.kind == "u" and bits < SHORT and bits != BYTE else None
    found = array[..., band - 1] if band else np.moveaxis(array, -1, 0)
    return np.ascontiguousarray(found), full_scale


def is_compressed(data: bytes | FileBytes, path: Path) -> bool:
    """Whether decoders in C see the strips of a TIFF.

    Raises:
        UnreadableMap, MissingDependency: as `read`.
    """
    with _opened(data, path) as file:
        return int(_only_page(file, path).compression) != UNCOMPRESSED


def inspect(data: bytes | FileBytes, path: Path) -> tuple[int, int]:
    """The (height, width) of the one full page, as it is shown.

    Raises:
        UnreadableMap, MissingDependency: as `read`.
    """
    with _opened(data, path) as file:
        page = _only_page(file, path)
        height, width = _shape(page)
        return (width, height) if _orientation(page) in TRANSPOSED else (height, width)


@cache
def _library() -> Any:
    # tifffile would replace a missing imagecodecs by fewer decoders without a word
    load_package("imagecodecs", "TIFFs need imagecodecs", "pip install imagecodecs")
    tifffile = load_package("tifffile", "TIFFs need tifffile", "pip install tifffile")
    # what it would warn of, our errors say
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    return tifffile


def _opened(data: bytes | FileBytes, path: Path) -> Any:
    try:
        _follow(data, path)
        return _library().TiffFile(io.BytesIO(data) if isinstance(data, bytes) else str(data.path))
    except KldevalError:
        raise
    except Exception as error:
        what = f"truncated or damaged: the TIFF's directory is not in its {len(data)} bytes ({reason(error)})"
        raise unreadable(path, what) from error


def _follow(data: bytes | FileBytes, path: Path) -> None:
    """Follow the chain of directories, as tifffile would for ever where it runs in a circle.

    Raises:
        UnreadableMap: it does, or it has more than `MOST_DIRECTORIES`.
        struct.error: an offset beyond the file.
    """
    order = "<" if data.startswith(b"I") else ">"
    first, count, offset, entry = (8, "Q", "Q", 20) if data[2:4] in (b"+\0", b"\0+") else (4, "H", "I", 12)
    seen: set[int] = set()

    def number(form: str, at: int) -> int:
        found: int = struct.unpack(order + form, data[at : at + struct.calcsize("=" + form)])[0]
        return found

    place = number(offset, first)
    while place:
        if place in seen or len(seen) >= MOST_DIRECTORIES:
            raise unreadable(
                path, f"damaged: the directories of the TIFF run in a circle, or are over {MOST_DIRECTORIES}"
            )
        seen.add(place)
        n_entries = number(count, place)
        place = number(offset, place + struct.calcsize("=" + count) + n_entries * entry)


def _only_page(file: Any, path: Path) -> Any:
    """The one page that is neither a smaller copy nor a transparency mask."""
    try:
        pages = [page for page in file.pages if not (page.is_reduced or page.is_mask)]
        n_images = (
            len(pages) if len(pages) != 1 or not file.is_imagej else (file.imagej_metadata or {}).get("images", 1)
        )
        series = 1 if len(pages) != 1 or not (file.is_stk or file.is_lsm) else file.series[0].size // pages[0].size
    except Exception as error:
        raise unreadable(path, f"truncated or damaged: the TIFF's directories are broken ({reason(error)})") from error
    if not pages:
        raise unreadable(path, "a TIFF without any page at full size")
    if max(n_images, series) > 1:
        raise unreadable(path, f"a TIFF of {max(n_images, series)} pages; a map is one")
    return pages[0]


def _shape(page: Any) -> tuple[int, int]:
    return page.imagelength, page.imagewidth


def _orientation(page: Any) -> int:
    tag = page.tags.get(ORIENTATION)
    value = tag.value if tag else UPRIGHT
    return value if isinstance(value, int) and UPRIGHT < value <= max(TRANSPOSED) else UPRIGHT


def _check_kind(page: Any, path: Path, *, takes_bands: bool = False) -> int:
    """The bits of a sample, if the tags are those of a map.

    Raises:
        UnreadableMap: other numbers than real ones, other colours than grey and RGB, more samples than four.
    """
    photometric = getattr(page.photometric, "name", str(page.photometric))
    if page.photometric not in (MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE) and not (
        page.photometric == YCBCR and page.compression in JPEG
    ):
        raise unreadable(path, f"a TIFF of the colours {photometric}; a map is grey or RGB")
    bits = page.bitspersample
    if page.sampleformat not in KINDS or page.dtype is None or not isinstance(bits, int):
        raise unreadable(
            path, f"a TIFF of samples of {bits} bits and format {page.sampleformat}, which are no real numbers"
        )
    if page.imagedepth != 1 or not (1 <= page.samplesperpixel <= MOST_SAMPLES or takes_bands):
        found = f"{page.samplesperpixel} samples a pixel and {page.imagedepth} layers"
        raise unreadable(path, f"a TIFF of {found}; a map is grey, RGB or RGBA; {SAY_BAND}")
    if page.photometric == MIN_IS_WHITE:
        what = "a TIFF in which 0 is white (MinIsWhite): viewers turn its values round and array libraries do not"
        raise unreadable(path, f"{what}; store it with 0 as black")
    return bits


def _samples(data: bytes | FileBytes, page: Any, path: Path, limits: Limits, name: str | None = None) -> Array:
    """The samples (H, W, C) as stored, in the file of a name where there is one and they are many."""
    n_segments = math.prod(page.chunked)
    if len(page.dataoffsets) != n_segments or len(page.databytecounts) != n_segments:
        what = f"{len(page.dataoffsets)} offsets and {len(page.databytecounts)} lengths of {n_segments} strips or tiles"
        raise unreadable(path, f"damaged: the TIFF has {what}")
    image = scratch(page.shaped, page.dtype, name)
    try:
        for segment, (plane, layer, top, left, _), shape in _segments(data, page, path, limits):
            bottom, right = min(top + shape[1], image.shape[2]), min(left + shape[2], image.shape[3])
            image[plane, layer, top:bottom, left:right] = segment[0, : bottom - top, : right - left]
    except KldevalError:
        raise
    except Exception as error:
        raise unreadable(path, f"damaged: a strip or tile of the TIFF cannot be decoded ({reason(error)})") from error
    # (planes, layers, H, W, samples)
    return np.moveaxis(image[:, 0], 0, -1).reshape(*_shape(page), -1)


def _segments(data: bytes | FileBytes, page: Any, path: Path, limits: Limits) -> Iterator[Any]:
    """Every strip or tile decoded, with its place and shape."""
    compression = int(page.compression)
    tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader} if compression in JPEG else {}
    inflate = _library().TIFF.DECOMPRESSORS[compression] if compression in STREAMS else None
    if inflate:
        page.compression = UNCOMPRESSED  # of what is handed to `page.decode` from here on
    elif compression not in {UNCOMPRESSED} | JPEG | JPEG_2000 and not limits.trusts_files:
        raise unreadable(
            path, f"a TIFF compressed by method {compression}, whose sizes cannot be bounded: --trust-files"
        )
    for index, (start, n_bytes) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        segment = data[start : start + n_bytes]
        if start <= 0 or n_bytes <= 0 or len(segment) < n_bytes:
            what = f"bytes {start} to {start + n_bytes} of a file of {len(data)}"
            raise unreadable(path, f"truncated or damaged: strip or tile {index} of the TIFF is at {what}")
        if compression in JPEG:
            jpeg.check_stream(_whole_jpeg(segment, page.jpegtables), path)
        elif compression in JPEG_2000:
            jpeg2000.check_stream(
                segment, page.tilelength or page.rowsperstrip, page.tilewidth or page.imagewidth, path
            )
        elif compression in STREAMS or compression == UNCOMPRESSED:
            segment = _inflated(segment, inflate, _lengths(page, index), index, path)
        decoded = page.decode(segment, index, **tables)
        if decoded[0] is None:
            raise unreadable(path, f"damaged: strip or tile {index} of the TIFF is empty")
        yield decoded


def _lengths(page: Any, index: int) -> tuple[int, int]:
    """The bytes that a strip or tile must have: those inside the image, and those with the rows beyond it."""
    samples = page.shaped[-1]
    full_rows, width = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    row = -(-width * samples * page.bitspersample // BYTE)
    if page.is_tiled:
        return full_rows * row, full_rows * row
    per_plane = -(-page.imagelength // full_rows)
    rows = min(full_rows, page.imagelength - index % per_plane * full_rows)
    return rows * row, full_rows * row


def _inflated(segment: bytes, inflate: Any, lengths: tuple[int, int], index: int, path: Path) -> bytes:
    needed, full = lengths
    values = segment if inflate is None else inflate(segment, out=max(needed, full) + 1)
    n_bytes = len(values)
    if n_bytes not in (needed, full) and not (inflate is None and n_bytes > needed):
        what = f"{n_bytes} bytes instead of {needed}"
        raise unreadable(path, f"truncated or damaged: strip or tile {index} of the TIFF holds {what}")
    return bytes(values[:full] if n_bytes >= full else values)


def _whole_jpeg(segment: bytes, tables: bytes | None) -> bytes:
    """A strip of JPEG with the tables that its TIFF keeps elsewhere."""
    return segment if not tables else tables.removesuffix(jpeg.END) + segment.removeprefix(jpeg.START)


def _as_meant(array: Array, page: Any, bits: int, path: Path, *, labels: bool) -> tuple[Array, float | None]:
    """Samples (H, W, C) as grey or colours, and the full scale where the type does not say it."""
    if page.photometric == PALETTE:
        indices = array[..., 0]
        return (indices, None) if labels else (_coloured(indices, page.colormap, path), None)
    full_scale = None
    if array.dtype.kind == "b":
        array, bits = array.astype(np.uint8), 1
    if array.dtype.kind == "u" and bits in SUB_BYTE and not labels:
        array = array.astype(np.uint8) * np.uint8(255 // (2**bits - 1))
    elif array.dtype.kind == "u" and bits < SHORT and bits != BYTE:
        full_scale = float(2**bits - 1)
    return _in_opencv_order(array, page, path), full_scale


SAY_BAND = "--key N takes the N-th, and a class map, whose axis is named, has all of them for its classes: --axis 0"


def _in_opencv_order(array: Array, page: Any, path: Path) -> Array:
    """Grey (H, W), or blue, green, red and perhaps alpha (H, W, C)."""
    n_samples, extra = array.shape[-1], tuple(page.extrasamples)
    if page.photometric in (RGB, YCBCR):
        if n_samples == COLOURS or (n_samples == MOST_SAMPLES and set(extra) <= ALPHA and extra):
            return np.ascontiguousarray(array[..., [2, 1, 0, 3][:n_samples]])
    elif n_samples == 1:
        return np.ascontiguousarray(array[..., 0])
    elif n_samples == 2 and set(extra) <= ALPHA and extra:  # noqa: PLR2004 - grey and alpha
        return array[..., [0, 0, 0, 1]]
    elif np.array_equal(array, np.broadcast_to(array[..., :1], array.shape), equal_nan=array.dtype.kind == "f"):
        return np.ascontiguousarray(array[..., 0])
    what = f"a TIFF of {n_samples} samples per pixel that are not known to be a colour; {SAY_BAND}"
    raise unreadable(path, what)


def _coloured(indices: Array, colours: Array, path: Path) -> Array:
    """The colours of palette indices, of 16 bits a channel in the file, of which 8 are used in practice."""
    table = (np.asarray(colours) >> BYTE).astype(np.uint8).T[:, ::-1]
    if indices.max(initial=0) >= len(table):
        raise unreadable(path, f"damaged: a pixel of colour {indices.max()} in a TIFF whose palette has {len(table)}")
    return np.ascontiguousarray(table[indices])
