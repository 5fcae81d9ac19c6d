"""Arithmetic on blocks of maps: of numpy into memory that is used again, of other libraries into new arrays.

Goal: a block of a map of floats costs its arithmetic and nothing beside. Results lie in memory that the block before
left in a core's cache, and the logarithms and exponentials of large maps are OpenCV's, which takes 0.15 and 0.13 ms for
a map of 480 x 640 where numpy takes 0.25 and 0.20 ms (an Intel Xeon with AVX-512). The numbers of one block are summed
by numpy: OpenCV is four times as fast, but adds floats in an order that depends on where they lie in memory, and copies
of a map have one sum. Blocks are added to one another by either, since that has one order.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from kldeval.arrays import namespace, opencv
from kldeval.errors import MissingDependency

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.arrays import AnyArray as Array
    from kldeval.arrays import NumpyArray


LARGE = 1 << 17
"""Pixels of a map from which on OpenCV is worth its import, which takes as long as a hundred such maps gain."""

MOST_KEPT = 1 << 17
"""Elements of the largest array that is kept: a block has at most half of them, unless the rows of a map are longer."""

MOST_SHAPES = 4
"""Shapes of which arrays are kept: the blocks of a map have two, for the last may be smaller."""

TINY = 1e-300
"""What stands in the place of 0 where its logarithm must be finite."""


def arithmetic_for(array: Array) -> AnyArithmetic | KeptArithmetic:
    """The arithmetic of the library of some maps (..., H, W), to be had with `with`."""
    xp = namespace(array)
    return KeptArithmetic(xp, *_functions(is_large=is_large(array))) if xp.__name__ == "numpy" else AnyArithmetic(xp)


def is_large(array: Array) -> bool:
    """Whether the maps of an array (..., H, W) are worth OpenCV, whatever maps are beside them."""
    return bool(array.shape[-1] * array.shape[-2] >= LARGE)


@cache
def _functions(*, is_large: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The logarithm and the exponential of an array, into another."""
    import numpy as np

    cv2 = _opencv_for(is_large=is_large)
    if cv2 is None:
        return np.log, np.exp

    def log(x: NumpyArray, found: NumpyArray) -> NumpyArray:
        cv2.log(x.reshape(1, -1), found.reshape(1, -1))
        return found

    def exp(x: NumpyArray, found: NumpyArray) -> NumpyArray:
        cv2.exp(x.reshape(1, -1), found.reshape(1, -1))
        return found

    return log, exp


class BlockSum:
    """The sum in float64 of maps of numpy (..., H, W) whose blocks of rows are told one after the other.

    Blocks are added to one another number by number, and the numbers of the result at the end: whoever adds two numbers
    gets one sum, so OpenCV may, which converts float32 as it reads it, in 0.16 ns a pixel where numpy takes 0.38 ns.
    """

    __slots__ = ("_cv2", "_first", "_np", "_total")

    def __init__(self, source: NumpyArray) -> None:
        import numpy as np

        self._np = np
        self._cv2 = _opencv_for(is_large=is_large(source)) if source.dtype.name in ADDED_BY_OPENCV else None
        self._first: NumpyArray | None = None
        self._total: NumpyArray | None = None

    def add(self, block: NumpyArray) -> None:
        """Add a block, which is not larger than the first one."""
        if self._first is None:
            self._first = block
            return
        if self._total is None:
            self._total = self._np.array(self._first, float, order="C")
        part = self._total[..., : block.shape[-2], :]
        if self._cv2 and block.dtype.isnative and block.flags.c_contiguous and part.flags.c_contiguous:
            self._cv2.accumulate(block.reshape(1, -1), part.reshape(1, -1))
        else:
            self._np.add(part, block, part, dtype=float)

    def get(self) -> NumpyArray:
        """The sum of each map, (..., 1, 1)."""
        total = self._np.asarray(self._first, float) if self._total is None else self._total
        # what `numpy.sum` does, which takes twice as long to find that out
        return self._np.add.reduce(total, axis=(-2, -1), keepdims=True)


ADDED_BY_OPENCV = ("uint8", "uint16", "float32", "float64")
"""What `cv2.accumulate` adds to float64."""


@cache
def _opencv_for(*, is_large: bool) -> Any:
    """The `cv2` module for maps that are worth it, where it is installed; else None."""
    try:
        return opencv() if is_large else None
    except MissingDependency:
        return None


class _Rooms(threading.local):
    """The memory that each thread keeps: arrays by their shape."""

    def __init__(self) -> None:
        self.free: list[dict[tuple[int, ...], list[NumpyArray]]] = []


_rooms = _Rooms()


class AnyArithmetic:
    """Arithmetic whose results are new arrays.

    torch computes a float32 and a float64 in float64, and converts each number as it is read: a map that meets a
    statistic in float64 need not be written in float64 before.
    """

    __slots__ = ("_dtype", "_xp")

    def __init__(self, xp: Any) -> None:
        self._xp = xp
        self._dtype: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self) -> None:
        """Begin a block."""

    def floats(self, x: Array, dtype: Any) -> Array:
        """X in the floats `dtype`; x itself where it has them."""
        self._dtype = dtype
        return self._xp.astype(x, dtype, copy=False)

    def late_floats(self, x: Array, dtype: Any) -> Array:
        """The values in floats as `floats` gives; as they are where they become such as soon as they meet some."""
        self._dtype = dtype
        xp = self._xp
        # of booleans torch makes no difference
        is_converted_later = xp.__name__.endswith("torch") and x.dtype != xp.bool
        return x if is_converted_later else xp.astype(x, dtype, copy=False)

    def plus(self, x: Array, other: Array) -> Array:
        """The sum of x and another array."""
        return x + other

    def plus_on_temporary(self, x: Array, other: Array) -> Array:
        """The sum of another array and one that nobody needs any more."""
        return x + other

    def minus(self, x: Array, other: Array) -> Array:
        """The difference of x and another array."""
        return x - other

    def quotient(self, x: Array, other: Array) -> Array:
        """X / other, in an array that may be written to."""
        return x / other

    def log(self, x: Array, *, is_finite: bool = False) -> Array:
        """Ln x; of 0, if it is to be finite, that of a tiny number."""
        xp = self._xp
        x = x if self._dtype is None else xp.astype(x, self._dtype, copy=False)
        return xp.log(x + TINY if is_finite else x)

    def log_of_temporary(self, x: Array) -> Array:
        """Ln x of an array that nobody needs any more."""
        return self._xp.log(x)

    def log_near_one(self, x: Array) -> Array:
        """The logarithm of x, correct to the last bit but one also where x is close to 1."""
        return self._xp.log(x)

    def exp(self, x: Array) -> Array:
        """The exponential of x."""
        return self._xp.exp(x)


class KeptArithmetic:
    """Arithmetic of numpy in float64, with results in memory that the thread keeps until `start` begins a block."""

    __slots__ = ("_exp", "_log", "_np", "_room", "_taken")

    def __init__(self, np: Any, log: Callable[..., Any], exp: Callable[..., Any]) -> None:
        self._np = np
        self._log = log
        self._exp = exp
        self._room: dict[tuple[int, ...], list[NumpyArray]] = {}
        self._taken: dict[tuple[int, ...], int] = {}

    def __enter__(self) -> Self:
        if _rooms.free:
            self._room = _rooms.free.pop()
        return self

    def __exit__(self, *_: object) -> None:
        _rooms.free.append(self._room)

    def start(self) -> None:
        """Begin a block: no result of the last one is needed any more."""
        self._taken.clear()

    def floats(self, x: NumpyArray, dtype: Any) -> NumpyArray:
        """X in float64; x itself where it is."""
        if x.dtype == dtype:
            return x
        found = self._place(x)
        found[...] = x
        return found

    late_floats = floats

    def plus(self, x: NumpyArray, other: NumpyArray) -> NumpyArray:
        """The sum of x and another array."""
        return self._np.add(x, other, self._place(x, other))

    def plus_on_temporary(self, x: NumpyArray, other: NumpyArray) -> NumpyArray:
        """X + other in the place of x."""
        return self._np.add(x, other, x)

    def minus(self, x: NumpyArray, other: Any) -> NumpyArray:
        """The difference of x and another array."""
        return self._np.subtract(x, other, self._place(x, other))

    def quotient(self, x: NumpyArray, other: NumpyArray) -> NumpyArray:
        """X / other, in an array that may be written to."""
        return self._np.divide(x, other, self._place(x, other))

    def log(self, x: NumpyArray, *, is_finite: bool = False) -> NumpyArray:
        """Ln x; of 0, if it is to be finite, that of a tiny number."""
        found = self._place(x)
        # numpy adds in half the time of a maximum, and nothing but 0 is moved by so little
        return self._log(self._np.add(x, TINY, found) if is_finite else x, found)

    def log_of_temporary(self, x: NumpyArray) -> NumpyArray:
        """The logarithm of x, in its place."""
        return self._log(x, x)

    def log_near_one(self, x: NumpyArray) -> NumpyArray:
        """Ln x in its place, correct to the last bit but one also where x is close to 1."""
        return self._np.log(x, x)

    def exp(self, x: NumpyArray) -> NumpyArray:
        """The exponential of x."""
        return self._exp(x, self._place(x))

    def _place(self, x: NumpyArray, other: NumpyArray | None = None) -> NumpyArray:
        """An array for a result, of the shape that both broadcast to."""
        shape = x.shape
        if other is not None and other.size > 1 and other.shape != shape:
            shape = self._np.broadcast(x, other).shape
        arrays = self._room.get(shape)
        if arrays is None:
            if len(self._room) >= MOST_SHAPES:
                self._room.clear()
                self._taken.clear()
            arrays = self._room[shape] = []
        place = self._taken.get(shape, 0)
        if place < len(arrays):
            self._taken[shape] = place + 1
            return arrays[place]
        found = self._np.empty(shape)
        if found.size <= MOST_KEPT:
            arrays.append(found)
            self._taken[shape] = place + 1
        return found
