"""What numeric code needs and the array API does not give: floats of any numbers, and reductions in bounded memory."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from kldeval.arrays import namespace
from kldeval.errors import RefusedMap

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.arrays import Array

BLOCK_ELEMENTS = 1 << 17
"""Elements a block: a float64 block and a temporary of it stay in a core's second-level cache."""

MOST_BLOCKS = 64
"""No more blocks than this: on a large array each costs a fixed time, on a GPU or in a gradient graph above all."""


def computed_in(array: Array) -> Array:
    """The array in the floats that its numbers are computed in.

    That is float64 for every library but torch, whose tensors of floats keep their own precision, on which memory and
    speed of a training loop depend; half precision, in which sums of a map overflow, becomes float32 there.

    Raises:
        RefusedMap: the array holds no real numbers.

    >>> import numpy as np
    >>> computed_in(np.asarray([1.0], np.float16)).dtype, computed_in(np.asarray([True])).dtype
    (dtype('float64'), dtype('float64'))
    """
    if getattr(array.dtype, "char", "") == "d":
        # numpy's float64, of which the standard's questions are slow
        return array
    array = real_floats(array)
    xp = namespace(array)
    if not xp.__name__.endswith("torch"):
        return xp.astype(array, xp.float64, copy=False)
    return array if array.dtype in (xp.float32, xp.float64) else xp.astype(array, xp.float32)


def returned_as(result: Array, *arrays: Array) -> Array:
    """A result in the floats that its caller holds: of torch tensors the widest of theirs, of others float64."""
    xp = namespace(result)
    if not xp.__name__.endswith("torch"):
        return result
    floats = [array.dtype for array in arrays if xp.isdtype(array.dtype, "real floating")]
    return xp.astype(result, xp.result_type(*floats), copy=False) if floats else result


def counted_in(array: Array) -> Array:
    """The array in floats that count every pixel of a map: float32 stops at 2^24 = 16,777,216.

    float64 wherever the device has it, as all but Apple's have.
    """
    xp = namespace(array)
    has_doubles = getattr(getattr(array, "device", None), "type", "") != "mps"
    return xp.astype(array, xp.float64 if has_doubles else xp.float32, copy=False)


def real_floats(array: Array) -> Array:
    """The array itself if it holds real floats, its values in float64 if it holds integers or booleans.

    Raises:
        RefusedMap: the array holds neither.
    """
    xp = namespace(array)
    if xp.isdtype(array.dtype, "real floating"):
        return array
    if xp.isdtype(array.dtype, ("integral", "bool")):
        return xp.astype(array, xp.float64)
    msg = f"an array of dtype {array.dtype} and shape {tuple(array.shape)} holds no real numbers; take its real part"
    raise RefusedMap(msg)


def in_blocks(reduce: Callable[..., Array], *arrays: Array, axis: int) -> Array:
    """`reduce(*arrays)`, a block at a time, so that its temporaries stay small.

    `reduce` shrinks `axis` to length 1 and treats every position beside it alone; the arrays have equal shapes except
    for the length of `axis`.

    >>> import numpy as np
    >>> x = np.arange(600_000.0).reshape(3, 200_000)
    >>> in_blocks(lambda block: np.sum(block, axis=0, keepdims=True), x, axis=0)[0, :2].tolist()
    [600000.0, 600003.0]
    """
    shape = arrays[0].shape
    n_blocks = min(MOST_BLOCKS, math.prod(shape) // BLOCK_ELEMENTS)
    others = [place for place in range(len(shape)) if place != axis % len(shape)]
    if n_blocks <= 1 or not others:
        return reduce(*arrays)
    # the first axis that is long enough: the earlier the axis, the longer the contiguous runs of a block
    cut = max(others, key=lambda place: min(shape[place], n_blocks))
    n_blocks = min(n_blocks, shape[cut])
    bounds = [shape[cut] * block // n_blocks for block in range(n_blocks + 1)]
    keys = [(*(slice(None),) * cut, slice(*pair), ...) for pair in pairwise(bounds)]
    parts = [reduce(*(array[key] for array in arrays)) for key in keys]
    return namespace(*parts).concat(parts, axis=cut)
