"""Numbers as pictures: perceptual colour maps, and images of one size whatever the size of a map."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from kldeval.arrays import opencv

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kldeval.arrays import NumpyArray as Array

WIDTH = 160
"""Pixels of a picture in its width."""

QUALITY = 60
"""Of WebP: a strip of four pictures takes about 9 kB."""

MARKED = 255, 0, 255
"""The colour, red, green and blue, of pixels that no scale has."""

FIXATED = 255, 255, 255
"""The colour of fixations, which have a dark ring."""

_ENDS = {"low": (33, 102, 172), "middle": (247, 247, 247), "high": (178, 24, 43)}
"""The ends and the middle of the diverging table: RdBu of ColorBrewer (https://colorbrewer2.org)."""


@cache
def viridis() -> Array:
    """256 colours (256, 3) from dark blue to yellow, of even lightness steps (matplotlib's viridis)."""
    cv2 = opencv()
    bgr = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)
    return np.ascontiguousarray(bgr[:, 0, ::-1])


@cache
def diverging() -> Array:
    """257 colours (257, 3) from blue over nearly white, which is 0, to red; straight in CIELAB."""
    cv2 = opencv()
    anchors = np.asarray([[_ENDS[name] for name in ("low", "middle", "high")]], np.float32) / 255
    lab = cv2.cvtColor(anchors, cv2.COLOR_RGB2LAB)[0]
    steps = np.linspace(0, 2, 257)
    table = np.stack([np.interp(steps, (0, 1, 2), lab[:, place]) for place in range(3)], axis=1).astype(np.float32)
    rgb = cv2.cvtColor(table[None], cv2.COLOR_LAB2RGB)[0]
    return np.clip(np.rint(rgb * 255), 0, 255).astype(np.uint8)


def sequential_picture(values: Array, width: int = WIDTH) -> tuple[Array, tuple[float, float]]:
    """The map (H, W) in viridis from its least to its largest finite value, and these two; (h, width, 3) of 8 bits."""
    shown = shrunk(values, width)
    finite = shown[np.isfinite(shown)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    share = (shown - low) / (high - low) if high > low else np.zeros_like(shown)
    return _marked(viridis()[_places(share, 255)], ~np.isfinite(shown)), (low, high)


def diverging_picture(values: Array, width: int = WIDTH, marked: Array | None = None) -> tuple[Array, float]:
    """The map (H, W) around a true zero, and the value at either end.

    Pixels that are `marked`, or not finite, have a colour of their own and no part in the scale.
    """
    shown = shrunk(values if marked is None else np.where(marked, 0.0, values), width)
    odd = ~np.isfinite(shown)
    if marked is not None:
        odd |= shrunk(marked.astype(np.float64), width) > 0
    usual = np.abs(shown[~odd])
    most = float(usual.max()) if usual.size else 0.0
    share = shown / most / 2 + 0.5 if most else np.full_like(shown, 0.5)
    return _marked(diverging()[_places(share, 256)], odd), most


def _places(share: Array, last: int) -> Array:
    return np.clip(np.rint(np.nan_to_num(share, nan=0.0) * last), 0, last).astype(np.intp)


def _marked(picture: Array, odd: Array) -> Array:
    picture[odd] = MARKED
    return picture


def shrunk(values: Array, width: int) -> Array:
    """The map (H, W) as float64 in the given width: means over areas, or every value as a block where it is smaller.

    What is not finite is not finite in the mean.
    """
    cv2 = opencv()
    array = np.ascontiguousarray(values, np.float64)
    height = max(1, round(array.shape[0] * width / array.shape[1]))
    height = min(height, 4 * width)
    smaller = array.shape[1] < width
    return cv2.resize(array, (width, height), interpolation=cv2.INTER_NEAREST if smaller else cv2.INTER_AREA)


def with_rings(picture: Array, places: Iterable[tuple[float, float]]) -> Array:
    """The picture with a small ring at each place, (row, column) as shares of its height and width."""
    cv2 = opencv()
    drawn = np.ascontiguousarray(picture)
    for row, column in places:
        centre = int(column * drawn.shape[1]), int(row * drawn.shape[0])
        cv2.circle(drawn, centre, 3, (0, 0, 0), -1, cv2.LINE_AA)
        cv2.circle(drawn, centre, 2, FIXATED, -1, cv2.LINE_AA)
    return drawn


def laid_over(stimulus: Array, values: Array, width: int = WIDTH) -> Array:
    """A stimulus (H, W) or (H, W, 3) of 8 bits under the map: the more a pixel has, the more colour it shows."""
    cv2 = opencv()
    base = np.repeat(stimulus[..., None], 3, axis=-1) if stimulus.ndim == 2 else stimulus[..., :3]  # noqa: PLR2004 - grey
    colors, (low, high) = sequential_picture(values, width)
    fitting = cv2.resize(np.ascontiguousarray(base), colors.shape[1::-1], interpolation=cv2.INTER_AREA)
    strength = (shrunk(values, width) - low) / (high - low) if high > low else np.zeros(colors.shape[:2])
    alpha = 0.15 + 0.6 * np.clip(np.nan_to_num(strength), 0, 1)[..., None]
    return np.rint(fitting * (1 - alpha) + colors * alpha).astype(np.uint8)


def webp(picture: Array) -> bytes:
    """The picture (h, w, 3), red first, as the bytes of a WebP file."""
    return _encoded(picture, ".webp", [opencv().IMWRITE_WEBP_QUALITY, QUALITY])


def png(picture: Array) -> bytes:
    """The picture (h, w, 3), red first, as the bytes of a PNG file."""
    return _encoded(picture, ".png", [])


def _encoded(picture: Array, suffix: str, flags: list[int]) -> bytes:
    done, data = opencv().imencode(suffix, np.ascontiguousarray(picture[..., ::-1]), flags)
    if not done:
        msg = f"OpenCV cannot write {suffix} files"
        raise OSError(msg)
    return bytes(data.tobytes())


_MARGIN, _LINE, _BAR = 8, 22, 10
"""Pixels of a sheet around pictures, for a line of text, and for a bar of colours."""


def captioned(picture: Array, title: str, scale: str, table: Array) -> Array:
    """The picture on white, its title above, below it the colours from the first to the last word of `scale`."""
    height, width = picture.shape[:2]
    sheet = np.full((height + 3 * _LINE + _BAR + 2 * _MARGIN, width + 2 * _MARGIN, 3), 255, np.uint8)
    top = _MARGIN + _LINE
    sheet[top : top + height, _MARGIN : _MARGIN + width] = picture
    colors = table[np.linspace(0, len(table) - 1, width).astype(np.intp)]
    bar = top + height + _MARGIN
    sheet[bar : bar + _BAR, _MARGIN : _MARGIN + width] = colors
    low, _, high = scale.partition(" ")
    _write(sheet, title, _MARGIN, _MARGIN + 14)
    _write(sheet, low, _MARGIN, bar + _BAR + 16)
    _write(sheet, high, _MARGIN + width - 9 * len(high), bar + _BAR + 16)
    return sheet


def titled(picture: Array, title: str) -> Array:
    """The picture under a line of text."""
    sheet = np.full((picture.shape[0] + _LINE + _MARGIN, picture.shape[1], 3), 255, np.uint8)
    sheet[_LINE + _MARGIN :] = picture
    _write(sheet, title, _MARGIN, _MARGIN + 14)
    return sheet


def _write(sheet: Array, text: str, x: int, y: int) -> None:
    """Text in the font of OpenCV, which has no letters beyond ASCII."""
    cv2 = opencv()
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(sheet, plain, (max(0, x), y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
