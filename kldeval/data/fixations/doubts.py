"""What the fixations of a run must be, by all their coordinates together: so that chance raises no alarm.

Refused is what cannot be meant: normalised gaze, another screen's pixels, swapped axes. Lost samples and lists that
may count from 1 are noted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kldeval.dataclass import dataclass
from kldeval.errors import MapProblem, UsageProblem, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.fixations.collection import FixationSource

    Shape = tuple[int, int]

LOOKED_AT = 500
"""The images of a list whose sizes are looked up, spread over all; those of a folder of .mat files are fewer."""

LOOKED_AT_FILES = 30

FEWEST = 20
"""Fewer coordinates may lie in 0..1, or beyond a map, by chance."""

SMALLEST_SIDE = 16
"""On smaller images coordinates of 0..1 are nothing unusual."""

BEYOND = 0.1
"""The share of fixations beyond the maps from which on they were made on another screen."""

LOST = 0.01
"""The share of fixations at exactly (0, 0) from which on they are lost samples."""

NEAR = 1.5
"""A screen is at most so many times as large as the farthest positions on it."""

SCREENS = (
    *((640, 480), (800, 600), (1024, 768), (1280, 720), (1280, 1024), (1366, 768), (1440, 900), (1600, 1200)),
    *((1680, 1050), (1920, 1080), (1920, 1200), (2560, 1440), (2560, 1600), (3840, 2160)),
)
"""The usual sizes of screens, (width, height)."""


@dataclass(frozen=True, slots=True)
class Positions:
    """The coordinates of many fixations as their file has them, and the (width, height) of each one's image."""

    x: Array
    y: Array
    width: Array
    height: Array

    @property
    def is_beyond(self) -> Array:
        """Which fixations lie to the right of their image or below it."""
        return (self.x >= self.width) | (self.y >= self.height)


def check_positions(source: FixationSource, size_of: Callable[[str], Shape | None]) -> Iterator[str]:
    """Notes on what the fixations may be; `size_of` gives the (height, width) of an image, None where it is unknown.

    Raises:
        UsageProblem: they cannot be meant as they are read, with the option that is right.
    """
    if source.reading.size is not None:
        return
    found = _positions(source, size_of)
    if found is None or len(found.x) < FEWEST:
        return
    where = printable(source.path)
    for refuse in (_normalised, _swapped, _of_another_screen):
        reason = refuse(found)
        if reason:
            msg = f"{where}: {reason}"
            raise UsageProblem(msg)
    lost = int(np.count_nonzero((found.x == 0) & (found.y == 0)))
    if lost > max(2, LOST * len(found.x)):
        yield (
            f"{where}: {lost} of {len(found.x)} fixations that were looked at lie at exactly (0, 0), where eye "
            "trackers put lost samples; if they are such, take them out of the file"
        )
    if _counts_from_one(found, source.reading.base):
        yield (
            f"{where}: the coordinates are whole, none is 0, and the largest are the width and the height of the maps, "
            "as in lists that count from 1: --fixation-base 1"
        )


def _positions(source: FixationSource, size_of: Callable[[str], Shape | None]) -> Positions | None:
    names = [name for name in source.names if name in source.known]
    names = names[:: 1 + len(names) // LOOKED_AT]
    names += [name for name in source.files if source.files[name][0].suffix.lower() == ".mat"][:LOOKED_AT_FILES]
    parts = []
    base = source.reading.base or 0
    for name in names:
        try:
            fixations = source.of(name)
            shape = size_of(name)
        except MapProblem:
            continue
        if shape is not None and fixations.shape is None:
            length = len(fixations.rows)
            sides = (np.full(length, side, np.float64) for side in (shape[1], shape[0]))
            parts.append(np.stack([fixations.cols + base, fixations.rows + base, *sides]))
    if not parts:
        return None
    table = np.concatenate(parts, axis=1)
    return Positions(*table[:, np.isfinite(table[:2]).all(axis=0)])


def _normalised(found: Positions) -> str | None:
    values = np.concatenate([found.x, found.y])
    sides = np.concatenate([found.width, found.height])
    if not len(values) or values.min() < 0 or values.max() > 1 or sides.min() < SMALLEST_SIDE:
        return None
    if (values == np.floor(values)).all():
        return None
    return (
        f"all {len(found.x)} fixations that were looked at lie in 0..1, as normalised gaze does, and would all fall on "
        "one pixel: --fixation-size 1x1 stretches them over the maps"
    )


def _swapped(found: Positions) -> str | None:
    swapped = Positions(found.y, found.x, found.width, found.height)
    if not found.is_beyond.any() or swapped.is_beyond.any() or min(found.x.min(), found.y.min()) < 0:
        return None
    count = int(np.count_nonzero(found.is_beyond))
    return (
        f"{count} of {len(found.x)} fixations that were looked at lie beyond their maps, and none does with x and y "
        "exchanged: --fixation-columns x=y,y=x"
    )


def _of_another_screen(found: Positions) -> str | None:
    count = int(np.count_nonzero(found.is_beyond))
    if count < BEYOND * len(found.x) or min(found.x.min(), found.y.min()) < 0:
        return None
    right, bottom = float(found.x.max()), float(found.y.max())
    near = ((w, h) for w, h in SCREENS if right < w <= NEAR * right and bottom < h <= NEAR * bottom)
    width, height = next(near, (int(right) + 1, int(bottom) + 1))
    return (
        f"{count} of {len(found.x)} fixations that were looked at lie beyond their maps (the largest x is {right:g}, "
        f"y {bottom:g}; the maps are {found.width.max():g} x {found.height.max():g}), as positions on a larger screen "
        f"do: say its size, such as --fixation-size {width}x{height}"
    )


def _counts_from_one(found: Positions, base: int | None) -> bool:
    if base == 1:
        return False
    values = np.concatenate([found.x, found.y])
    reaches = bool((found.x == found.width).any() or (found.y == found.height).any())
    return reaches and values.min() >= 1 and bool((values == np.floor(values)).all())
