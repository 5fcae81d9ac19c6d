"""What is known of an image before it is decoded."""

from __future__ import annotations

from typing import NamedTuple

Shape = tuple[int, int]
"""(height, width)."""


class Header(NamedTuple):
    """Shape (none: unknown) and compression of an image, and what to decode where it is not the file as it is."""

    shape: Shape | None
    lossy: bool = False
    data: bytes | None = None
