"""Grey from colour, by a named rule or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.arrays import quiet
from kldeval.errors import RefusedMap, printable
from kldeval.preprocessing.color_maps import name_of_color_map, tint_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kldeval.arrays import AnyArray
    from kldeval.arrays import NumpyArray as Array
    from kldeval.memory import MapFile


LUMA = (0.114, 0.587, 0.299)
"""Weights of blue, green and red: ITU-R BT.601, those of OpenCV's RGB2GRAY, https://www.itu.int/rec/R-REC-BT.601."""

COLOURS, ALPHA = 3, 3
"""How many colour channels there are, and the index of the one after them."""

_WAY_OUT = "--color luma|mean|first"


def to_grey(array: Array, color: str, path: MapFile, chroma: int = 0) -> Array:
    """A map (H, W) from an array (H, W) or (H, W, C) with the channels blue, green, red and perhaps alpha.

    Three equal channels are grey under every rule, and keep their type. `color` says what else is done: `error` refuses
    differing channels and an alpha that is not opaque everywhere; `luma` is 0.299 R + 0.587 G + 0.114 B and `mean`
    (R + G + B) / 3, both in float64 on the stored values and not rounded; `first` is the file's first channel, red, as
    stored. The three rules ignore alpha. Under `error` channels at most `chroma` apart are grey, too: their median.

    Raises:
        RefusedMap: colour or transparency under `error`, or neither 3 nor 4 channels.
    """
    if array.ndim == 2:  # noqa: PLR2004 - grey already
        return array
    if array.shape[-1] not in (COLOURS, COLOURS + 1):
        raise RefusedMap(
            f"{printable(path)}: {array.shape[-1]} channels (shape {array.shape}); a map is grey, RGB or RGBA",
            code="color",
        )
    if color == "error":
        _refuse_transparency(array, path)
    if channels_agree(array):
        return array[..., 0].copy()
    if color == "error" and chroma:
        low, high, third = _apart(array)
        if int((high - low).max(initial=0)) <= chroma:
            return third
    if color == "error":
        painted = name_of_color_map(array)
        if painted:
            what = f"a picture of a map in the colours of {painted}, whose grey is not the map"
            way_out = "store the map itself, in grey or as .npy, not its colours"
            raise RefusedMap(f"{printable(path)}: {what}; {way_out}", code="color")
        tint = tint_of(array)
        if tint:
            raise RefusedMap(f"{printable(path)}: {_of_tint(tint)}", code="color")
        what = f"its colour channels differ ({array.dtype}, shape {array.shape})"
        raise RefusedMap(
            f"{printable(path)}: {what}; a map is grey: choose how to make it so with {_WAY_OUT}", code="color"
        )
    with quiet():  # infinities of two signs
        return _RULES[color](array[..., :COLOURS])


def _of_tint(channels: tuple[str, ...]) -> str:
    """What a map in shades of one colour is, and which rule takes it as it was."""
    one = len(channels) == 1
    held = f"the map stands in its {' and '.join(channels)} channel{'' if one else 's'} alone"
    if "red" in channels:
        way = "--color first takes the red channel as it is stored"
    else:
        share = f"{len(channels)}/{COLOURS}"
        way = f"store that channel in grey; --color mean takes {share} of it, which sum-to-one or minmax undo"
    return f"{held}, and the other{'s hold' if one else ' holds'} 0: {way}"


def _apart(array: Array) -> tuple[Array, Array, Array]:
    """The smallest, the largest and the median of the three channels."""
    import numpy as np

    blue, green, red = (array[..., channel] for channel in range(COLOURS))
    low, high = np.minimum(blue, green), np.maximum(blue, green)
    return np.minimum(low, red), np.maximum(high, red), np.maximum(low, np.minimum(high, red))


def channels_agree(array: Array) -> bool:
    """Whether blue, green and red are equal everywhere: such an image is grey."""
    import numpy as np

    blue, green, red = (array[..., channel] for channel in range(COLOURS))
    has_nan = array.dtype.kind == "f"
    return np.array_equal(blue, green, equal_nan=has_nan) and np.array_equal(green, red, equal_nan=has_nan)


def _refuse_transparency(array: Array, path: MapFile) -> None:
    import numpy as np

    if array.shape[-1] == COLOURS:
        return
    opaque = np.iinfo(array.dtype).max if array.dtype.kind in "iu" else 1
    lowest = array[..., ALPHA].min()
    if not lowest >= opaque:  # nan is not opaque
        if lowest < array[..., ALPHA].max() and (array[..., :COLOURS] == array[0, 0, :COLOURS]).all():
            what = "the map stands in its alpha alone, and its colour is the same everywhere: store the alpha in grey"
            raise RefusedMap(f"{printable(path)}: {what}, or as .npy", code="color")
        what = f"its alpha is not opaque (minimum {lowest:g} of {opaque:g})"
        raise RefusedMap(f"{printable(path)}: {what}; to ignore alpha, choose {_WAY_OUT}", code="color")


def _luma(colours: Array) -> Array:
    import numpy as np

    blue, green, red = (colours[..., channel].astype(np.float64) * LUMA[channel] for channel in range(COLOURS))
    return red + green + blue


def _mean(colours: Array) -> Array:
    import numpy as np

    return colours.sum(axis=-1, dtype=np.float64) / COLOURS


def _first_channel(colours: Array) -> Array:
    return colours[..., COLOURS - 1].copy()


_RULES: Mapping[str, Callable[[Array], Array]] = {"luma": _luma, "mean": _mean, "first": _first_channel}


FULL_SCALES = {"uint8": 255.0, "uint16": 65535.0, "B": 255.0, "H": 65535.0}
"""The types of images, whose values are shares of the largest; bool is 0 and 1, and others are taken as they are."""


def full_scale(array: AnyArray) -> float | None:
    """The value of the array's type that stands for 1; None where values are taken as they are.

    >>> import numpy as np
    >>> full_scale(np.zeros((2, 2), np.uint8)), full_scale(np.zeros((2, 2)))
    (255.0, None)
    """
    # the name and not the text of a numpy type, which is ">u2" in the other byte order
    kind = getattr(array.dtype, "char", None)
    # numpy spells a type's name anew each time
    return FULL_SCALES.get(kind or str(array.dtype).rpartition(".")[2])
