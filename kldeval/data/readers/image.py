"""Images: the bytes decide which reader takes them, whatever the suffix says.

Every reader is a module with `read(data, path, limits)`, the image as its file stores it, and `inspect(data, path)`,
its size without decoding. docs/files.md says what each format gives.

Pillow as the reader of headers was measured (13.0, maps of 768 x 1024) and left out. Of bytes that are read anyway it
tells the size of a PNG in 9 us where `png.inspect` takes 6, of a JPEG in 12 (18), of a TIFF in 230 (323, which follows
every directory); importing it takes 20 ms, a fifth of a run on one pair. It decodes no size of what OpenCV alone reads
(.hdr, .exr, .pam), and the readers here walk the headers in any case: they refuse what is damaged before they decode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.data.readers import png
from kldeval.data.readers.files import FileBytes, check_regular, read_bytes
from kldeval.data.readers.stored import Limits, Stored, unreadable
from kldeval.process import is_expendable

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


COMMON = (".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".dib", ".tif", ".tiff", ".webp")
NETPBM = (".pbm", ".pgm", ".ppm", ".pnm", ".pxm", ".pam", ".pfm")
RARE = (".avif", ".exr", ".gif", ".hdr", ".jp2", ".pic")

SUFFIXES = COMMON + NETPBM + RARE


def read(path: Path, key: str | None, limits: Limits) -> Stored:
    """The one image of a file; of a TIFF of several bands that whose number is the key, from 1.

    Raises:
        UnreadableMap: empty, damaged, too large, or several images.
        MissingDependency: a library that the format needs cannot be imported.
        OSError: the file cannot be opened.
    """
    data = _bytes(path)
    if isinstance(data, bytes) and data.startswith(png.MAGIC):
        return png.read(data, path, limits)
    return _decoded(data, path, limits, band=_band(key))


def read_classes(path: Path, key: str | None, limits: Limits) -> Stored:
    """The one image of a file, of a TIFF with several bands all of these, (C, H, W), unless the key says one.

    Raises:
        UnreadableMap, MissingDependency, OSError: as `read`.
    """
    data = _bytes(path)
    if isinstance(data, bytes) and data.startswith(png.MAGIC):
        return png.read(data, path, limits)
    return _decoded(data, path, limits, band=_band(key) or 0)


def shape_of_classes(path: Path, key: str | None) -> tuple[int, ...] | None:
    """The shape (C, H, W) of a TIFF of several bands, from its header; None of any other image."""
    from kldeval.data.readers import tiff

    data = _bytes(path)
    if _band(key) is not None or not data.startswith(tiff.MAGICS):
        return None
    return tiff.shape_of_bands(data, path)


def _band(key: str | None) -> int | None:
    """The band that a key says; a name is that of an array on the other side."""
    return int(key) if key and key.isdecimal() else None


def read_labels(path: Path, key: str | None, limits: Limits) -> Stored:
    """The one image of a file, of a PNG or TIFF with a palette the indices instead of the colours.

    Raises:
        UnreadableMap, MissingDependency, OSError: as `read`.
    """
    data = _bytes(path)
    if isinstance(data, bytes) and data.startswith(png.MAGIC):
        return png.read_labels(data, path, limits)
    return _decoded(data, path, limits, labels=True, band=_band(key))


def _decoded(
    data: bytes | FileBytes, path: Path, limits: Limits, *, labels: bool = False, band: int | None = None
) -> Stored:
    """An image that is no PNG, decoded in a process of its own where its decoders are not plainly sound.

    Those that are read in plain Python, by libdeflate or by libjpeg-turbo are.
    """
    from kldeval.data.readers import opencv_images, tiff

    reader = _reader(data)
    if reader is tiff:
        apart = not is_expendable() and tiff.is_compressed(data, path)
        read_tiff = tiff.read_apart if apart else tiff.read
        return read_tiff(data, path, limits, labels=labels, band=band)
    if not is_expendable() and reader is opencv_images:
        from kldeval.data.readers.apart import load_apart

        stored: Stored = load_apart(reader.__name__, path, limits, "read", data)
    else:
        stored = reader.read(data, path, limits)
    return stored


def declared_size(path: Path, limits: Limits) -> tuple[int, int] | None:
    """The (height, width) that the header of an image declares, as it is shown; None where it does not.

    Raises:
        UnreadableMap, MissingDependency, OSError: as `read`, as far as the header shows it.
    """
    check_regular(path)
    with path.open("rb") as file:
        head = file.read(png.DECLARED)
    if head.startswith(png.MAGIC):
        return png.inspect(path.read_bytes(), path, limits)
    data = _bytes(path)
    shape: tuple[int, int] | None = _reader(data).inspect(data, path)
    return shape


def _bytes(path: Path) -> bytes | FileBytes:
    """The contents of a file; of a large TIFF only what is asked for is read."""
    data = read_bytes(path, _large_tiff)
    if not data:
        raise unreadable(path, "the file is empty")
    return data


def _large_tiff(path: Path) -> FileBytes | None:
    from kldeval.data.readers import tiff

    found = FileBytes(path)
    return found if found.startswith(tiff.MAGICS) else None


def _reader(data: Any) -> ModuleType:
    """The reader of an image that is no PNG, imported when there is one."""
    from kldeval.data.readers import exr, jpeg, netpbm, opencv_images, tiff

    if data.startswith(jpeg.MAGIC):
        return jpeg
    if data.startswith(tiff.MAGICS):
        return tiff
    if netpbm.MAGIC.match(data):
        return netpbm
    return exr if data.startswith(exr.MAGIC) else opencv_images
