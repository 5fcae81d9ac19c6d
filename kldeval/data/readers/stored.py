"""What every reader of maps returns, the bounds it works within, and the checks that every reader makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass
from kldeval.errors import UnreadableMap, printable
from kldeval.preprocessing.grey import full_scale

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array
    from kldeval.grids import Place
    from kldeval.memory import MapContents, MapFile


MAX_PIXELS = 500_000_000
"""The default of `--max-pixels`: room for a map of 20 000 x 20 000, half of what OpenCV itself allows."""

SMALL = 2**26
"""Decoded bytes that no file has to account for: 64 MiB."""

MOST_EXPANSION = 2048
"""Decoded bytes per byte of a file, above `SMALL`: twice what deflate can reach (1032), and more than any real map."""


SLACK = 2**20
"""Bytes of names and headers that a file may hold beside its values."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may ask for: the most pixels of a map, and whether its own claims about its size are believed.

    `shape` is the (height, width) of files that do not say it.
    """

    max_pixels: int = MAX_PIXELS
    trusts_files: bool = False
    shape: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """One map as its file stores it: (H, W), or (H, W, C) with OpenCV's channel order blue, green, red, alpha.

    `lossy` where the compression is known to have changed the values. `full_scale` is the largest value that the file
    declares, where that is not the largest of the array's type (the 4095 of 12 bits in 16). `nodata` is the value that
    a GeoTIFF declares to mark pixels without data, and `grid` where on earth its pixels lie. `is_volume`: every axis of
    the array is one of space, but for that of classes where these were asked for; `is_xyz`: in the order x, y, z, where
    images and arrays have their rows, or slices, first. `has_bands`: the first axis is that of the bands of a raster.
    `chroma` is how far the channels of a grey image may be apart, whose colours were stored in less detail.
    """

    array: Array
    lossy: bool = False
    full_scale: float | None = None
    nodata: float | None = None
    grid: Place | None = None
    is_volume: bool = False
    is_xyz: bool = False
    has_bands: bool = False
    chroma: int = 0

    @property
    def scale(self) -> float | None:
        """What `--scale unit` divides by: the declared largest value, else that of the type; None for neither."""
        return full_scale(self.array) if self.full_scale is None else self.full_scale


def unreadable(path: MapFile | MapContents, what: str, code: str | None = None) -> UnreadableMap:
    """The error for one file: its path, and what is wrong; `code` where it is not just "unreadable"."""
    return UnreadableMap(f"{printable(path)}: {what}", code=code)


def check_size(path: MapFile | MapContents, height: int, width: int, max_pixels: int) -> None:
    """Refuse a map without pixels or with more than allowed.

    Raises:
        UnreadableMap: naming the size.
    """
    if height < 1 or width < 1:
        raise unreadable(path, f"it has no pixels (height {height}, width {width})")
    if height * width > max_pixels:
        what = f"{height * width} pixels ({width} x {height}) are more than --max-pixels {max_pixels}"
        raise unreadable(path, what, "too-large")


def check_expansion(path: MapFile | MapContents, n_stored: int, n_decoded: int, limits: Limits) -> None:
    """Refuse a compressed file whose decoded size, in bytes, is out of all proportion to its own.

    Raises:
        UnreadableMap: naming both sizes and `--trust-files`.
    """
    if n_decoded > max(SMALL, MOST_EXPANSION * n_stored) and not limits.trusts_files:
        what = (
            f"{n_stored} bytes that claim to hold {n_decoded}, more than {MOST_EXPANSION} times as many; "
            "if the file is known to be good: --trust-files"
        )
        raise unreadable(path, what, "too-large")
