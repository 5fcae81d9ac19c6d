"""OpenEXR images, read by the OpenEXR project's own library in a process of its own: it prints what it warns of.

Format: https://openexr.com/en/latest/OpenEXRFileLayout.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.readers.apart import Library, load_apart
from kldeval.data.readers.files import on_disk
from kldeval.data.readers.stored import Limits, Stored, check_expansion, check_size, unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.memory import BytesInMemory


MAGIC = b"\x76\x2f\x31\x01"

LIBRARY = Library("OpenEXR", "OpenEXR images", "pip install 'kldeval[exr]'")

COLOURS = ("B", "G", "R")

LOSSY = ("PXR24_COMPRESSION", "B44_COMPRESSION", "B44A_COMPRESSION", "DWAA_COMPRESSION", "DWAB_COMPRESSION")


def read(_data: bytes, path: Path | BytesInMemory, limits: Limits) -> Stored:
    """The one part of an OpenEXR: grey (one channel), or blue, green, red and perhaps alpha; half floats as float16.

    Raises:
        UnreadableMap: damaged, too large, several parts, or other channels.
        MissingDependency: OpenEXR is not installed.
    """
    LIBRARY.check()
    stored: Stored = load_apart(__name__, path, limits)
    return stored


def load(path: Path | BytesInMemory, limits: Limits) -> Stored:
    """The map of an OpenEXR file, as `read` gives it, decoded in this process.

    Raises:
        UnreadableMap: as `read`.
    """
    with on_disk(path) as file:
        return _load(file, path, limits)


def _load(place: Path, path: Path | BytesInMemory, limits: Limits) -> Stored:
    """The map of a file; `path` is what messages call it."""
    import OpenEXR

    with OpenEXR.File(str(place), header_only=True) as file:
        parts, header = len(file.parts), dict(file.header())
    if parts != 1:
        raise unreadable(path, f"an OpenEXR of {parts} parts; a map is one image")
    height, width = _shape(header)
    check_size(path, height, width, limits.max_pixels)
    check_expansion(path, place.stat().st_size, 4 * 4 * height * width, limits)
    with OpenEXR.File(str(place), separate_channels=True) as file:
        channels = {name: np.array(channel.pixels) for name, channel in file.channels().items()}
    is_lossy = str(header.get("compression", "")).rpartition(".")[2] in LOSSY
    return Stored(_arranged(channels, path), is_lossy)


def inspect(_data: bytes, _path: Path) -> None:
    """Nothing: the header is read by the process that decodes."""


def _shape(header: Any) -> tuple[int, int]:
    (left, top), (right, bottom) = header["dataWindow"]
    return int(bottom) - int(top) + 1, int(right) - int(left) + 1


def _arranged(channels: dict[str, Array], path: Path | BytesInMemory) -> Array:
    if len(channels) == 1:
        return next(iter(channels.values()))
    if set(channels) in ({*COLOURS}, {*COLOURS, "A"}):
        return np.stack([channels[name] for name in (*COLOURS, "A") if name in channels], axis=-1)
    raise unreadable(path, f"an OpenEXR of the channels {', '.join(sorted(channels))}; a map has one, or R, G, B and A")
