"""Pictures of maps: which colour map painted a picture, whose grey is not the map that was painted.

The luma of most colour maps does not grow with the value (jet's is the same at both ends), so none of the rules that
make grey from colour gives the map back.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from kldeval.arrays import opencv

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array

OPENCV = (
    *("jet", "viridis", "hot", "turbo", "inferno", "magma", "plasma", "cividis", "parula", "rainbow", "hsv"),
    *("cool", "spring", "summer", "autumn", "winter", "ocean", "deepgreen", "twilight"),
)
"""The colour maps of OpenCV that are no shades of one colour."""

ANCHORS: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "jet": (
        *((0, 0, 0, 0.5), (0.11, 0, 0, 1), (0.125, 0, 0, 1), (0.34, 0, 0.86, 1), (0.35, 0, 0.9, 0.968)),
        *((0.375, 0.081, 1, 0.887), (0.64, 0.935, 1, 0.032), (0.65, 0.968, 0.963, 0), (0.66, 1, 0.926, 0)),
        *((0.89, 1, 0.074, 0), (0.91, 0.909, 0, 0), (1, 0.5, 0, 0)),
    ),
    "bwr": ((0, 0, 0, 1), (0.5, 1, 1, 1), (1, 1, 0, 0)),
    "seismic": ((0, 0, 0, 0.3), (0.25, 0, 0, 1), (0.5, 1, 1, 1), (0.75, 1, 0, 0), (1, 0.5, 0, 0)),
    "afmhot": ((0, 0, 0, 0), (0.25, 0.5, 0, 0), (0.5, 1, 0.5, 0), (0.75, 1, 1, 0.5), (1, 1, 1, 1)),
    "coolwarm": (
        *((0, 0.23, 0.299, 0.754), (0.25, 0.553, 0.69, 0.996), (0.5, 0.865, 0.865, 0.865)),
        *((0.75, 0.957, 0.598, 0.477), (1, 0.706, 0.016, 0.15)),
    ),
}
"""Colour maps of matplotlib that OpenCV lacks or draws otherwise: (value, red, green, blue) between straight lines.

https://matplotlib.org/stable/users/explain/colors/colormaps.html
"""

LEVELS = 256

LOOKED_AT = 1000
"""Pixels of a picture, spread over all of it."""

FEWEST = 16
"""Fewer colours lie on many a line."""

EXACT, LOSSY = 7.0, 30.0
"""How far a colour may be from its map, in levels of 255: rounding of the tables, and what JPEG does to them."""

SHARE_EXACT, SHARE_LOSSY = 0.98, 0.9
"""The share of the pixels that must be so near."""


CHANNELS = ("blue", "green", "red")
"""What the channels of a picture are called, in their order."""


def tint_of(array: Array) -> tuple[str, ...]:
    """The channels that hold a map in shades of one colour on black: the same values, and 0 in all others; else none.

    `array` is a picture (H, W, C) in the order blue, green, red. Shades on white fall where the map rises.

    >>> ramp = np.arange(6).reshape(2, 3)
    >>> tint_of(np.dstack([0 * ramp, 0 * ramp, ramp])), tint_of(np.dstack([ramp, 5 - ramp, ramp]))
    (('red',), ())
    """
    lit = [place for place in range(len(CHANNELS)) if array[..., place].any()]
    if not 0 < len(lit) < len(CHANNELS):
        return ()
    if any(not np.array_equal(array[..., lit[0]], array[..., place]) for place in lit[1:]):
        return ()
    return tuple(CHANNELS[place] for place in lit)


def name_of_color_map(array: Array) -> str | None:
    """The colour map that painted a picture (H, W, C) in the order blue, green, red; None where it seems to be none.

    >>> ramp = np.arange(256, dtype=np.uint8)[None]
    >>> name_of_color_map(opencv().applyColorMap(ramp, opencv().COLORMAP_VIRIDIS))
    'viridis'
    """
    colours = array[..., :3].reshape(-1, 3)
    colours = colours[:: 1 + len(colours) // LOOKED_AT].astype(np.float32) * np.float32(_to_levels(array))
    if len(np.unique(colours, axis=0)) < FEWEST or np.ptp(colours, axis=1).mean() < EXACT:
        return None  # a picture of few colours says too little, and one that is nearly grey has none
    if tint_of(array):  # the dark end of hot is no more than shades of red
        return None
    distances = {name: _distances(colours, table) for name, table in _tables().items()}
    for near, share in ((EXACT, SHARE_EXACT), (LOSSY, SHARE_LOSSY)):
        painted = {name: found.mean() for name, found in distances.items() if (found <= near).mean() >= share}
        if painted:
            return min(painted, key=painted.__getitem__)
    return None


def _to_levels(array: Array) -> float:
    if array.dtype.kind in "iu":
        return 255.0 / float(np.iinfo(array.dtype).max)
    return 255.0 if float(array.max()) <= 1 else 1.0


def _distances(colours: Array, table: Array) -> Array:
    """How far each colour is from the nearest of a table, in its channel that is farthest off."""
    farthest = np.zeros((len(colours), len(table)), np.float32)
    for ours, theirs in zip(colours.T, table.T, strict=True):  # a channel of 1000 pixels and 256 colours fits a cache
        apart = ours[:, None] - theirs[None]
        np.maximum(farthest, np.abs(apart, out=apart), out=farthest)
    return farthest.min(axis=-1)


@lru_cache(maxsize=1)
def _tables() -> dict[str, Array]:
    """256 colours, blue, green and red, of every colour map."""
    cv2 = opencv()
    ramp = np.arange(LEVELS, dtype=np.uint8)[None]
    found = {
        name: cv2.applyColorMap(ramp, getattr(cv2, f"COLORMAP_{name.upper()}"))[0].astype(np.float64)
        for name in OPENCV
        if hasattr(cv2, f"COLORMAP_{name.upper()}")
    }
    at = np.linspace(0, 1, LEVELS)
    for name, anchors in ANCHORS.items():
        places, *channels = np.asarray(anchors, np.float64).T
        painted = np.stack([255 * np.interp(at, places, channel) for channel in reversed(channels)], axis=-1)
        found[name] = np.concatenate([found[name], painted]) if name in found else painted
    return {name: table.astype(np.float32) for name, table in found.items()}
