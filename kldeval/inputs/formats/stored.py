"""What every reader returns, and the checks that every reader makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.errors import UnreadableMap, printable

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.arrays import Array

MAX_PIXELS = 500_000_000
"""The default of `--max-pixels`: room for a map of 20 000 x 20 000, half of what OpenCV itself allows."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One map as its file stores it: (H, W), or (H, W, C) with OpenCV's channel order blue, green, red, alpha.

    `lossy` where the compression is known to have changed the values.
    """

    array: Array
    lossy: bool = False


def unreadable(path: Path, what: str) -> UnreadableMap:
    """The error for one file: its path, and what is wrong."""
    return UnreadableMap(f"{printable(path)}: {what}")


def check_size(path: Path, height: int, width: int, max_pixels: int) -> None:
    """Refuse a map without pixels or with more than allowed.

    Raises:
        UnreadableMap: naming the size.
    """
    if height < 1 or width < 1:
        raise unreadable(path, f"it has no pixels (height {height}, width {width})")
    if height * width > max_pixels:
        what = f"{height * width} pixels ({width} x {height}) are more than --max-pixels {max_pixels}"
        raise unreadable(path, what)
