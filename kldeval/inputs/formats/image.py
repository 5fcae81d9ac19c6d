"""Images, decoded by OpenCV from bytes that Python read, so that a path may hold any character.

Values are those of the file: 8 or 16 bit as they are, no colour conversion, no gamma, no EXIF rotation. What OpenCV
would decode although half of it is missing, or decode in part, is refused before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.arrays import opencv
from kldeval.errors import UnreadableMap
from kldeval.inputs.formats import png
from kldeval.inputs.formats.stored import Stored, check_size, unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.arrays import Array
    from kldeval.inputs.formats.header import Header

COMMON = (".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".dib", ".tif", ".tiff", ".webp")
NETPBM = (".pbm", ".pgm", ".ppm", ".pnm", ".pxm", ".pam", ".pfm")
RARE = (".avif", ".exr", ".gif", ".hdr", ".jp2", ".pic")

SUFFIXES = COMMON + NETPBM + RARE
"""What OpenCV reads (https://docs.opencv.org/4.x/d4/da8/group__imgcodecs.html), some only where built with it."""

SUN_RASTER = b"\x59\xa6\x6a\x95"
"""The one format that OpenCV decodes wrongly: grey without a colour map becomes all zero."""


def read(path: Path, _key: str | None, max_pixels: int) -> Stored:
    """The one image of a file.

    Raises:
        UnreadableMap: empty, damaged, too large, or several images.
        MissingDependency: OpenCV cannot be imported.
        OSError: the file cannot be opened.
    """
    return _decoded(path, max_pixels)


def read_labels(path: Path, _key: str | None, max_pixels: int) -> Stored:
    """The one image of a file, of a PNG with a palette the indices instead of the colours.

    Raises:
        UnreadableMap, MissingDependency, OSError: as `read`.
    """
    return _decoded(path, max_pixels, labels=True)


def declared_size(path: Path) -> tuple[int, int] | None:
    """The (height, width) that the header of an image declares; None where it does not, or the file is damaged."""
    try:
        with path.open("rb") as file:
            return png.declared_size(file.read(png.DECLARED)) or _inspect(path.read_bytes(), path).shape
    except (UnreadableMap, OSError):
        return None


def _decoded(path: Path, max_pixels: int, *, labels: bool = False) -> Stored:
    data = path.read_bytes()
    if not data:
        raise unreadable(path, "the file is empty")
    header = _inspect(data, path)
    if header.shape:
        check_size(path, *header.shape, max_pixels)
    data, step = header.data or data, 1
    if labels and data.startswith(png.MAGIC):
        data, step = png.as_indices(data, path)
    array = _decode(data, path)
    height, width = array.shape[:2]
    check_size(path, height, width, max_pixels)
    return Stored(array if step == 1 else array // step, header.lossy)


def _inspect(data: bytes, path: Path) -> Header:
    """What the first bytes say of the image, whatever its suffix."""
    if data.startswith(png.MAGIC):
        return png.inspect(data, path)
    from kldeval.inputs.formats import jpeg, sizes, tiff, webp

    if data.startswith(jpeg.MAGIC):
        return jpeg.inspect(data, path)
    if data[:4] in tiff.LAYOUTS:
        return tiff.inspect(data, path)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return webp.inspect(data, path)
    if data.startswith(SUN_RASTER):
        raise unreadable(path, "a Sun raster, of which OpenCV may read zeros; store a PNG")
    return sizes.inspect(data)


def _decode(data: bytes, path: Path) -> Array:
    """The array of the image, (H, W) or (H, W, C)."""
    import numpy as np

    cv2 = opencv()
    encoded = np.frombuffer(data, np.uint8)
    try:
        array = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
        is_one = not data.startswith(b"GIF8") or _frames(encoded) == 1
    except cv2.error:
        array, is_one = None, True
    if array is None:
        raise unreadable(path, f"OpenCV cannot decode its {len(data)} bytes, which begin with {data[:12]!r}")
    if not is_one:
        raise unreadable(path, "an animated GIF; a map is one image")
    return array


def _frames(encoded: Array) -> int:
    """How many images there are, counted up to two."""
    cv2 = opencv()
    return len(cv2.imdecodemulti(encoded, cv2.IMREAD_UNCHANGED, range=(0, 2))[1])
