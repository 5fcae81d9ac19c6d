"""MATLAB's `imresize(A, size)` with its default, the bicubic kernel: what the MIT benchmark's scripts resize with.

The method is that of the function's documentation, https://www.mathworks.com/help/images/ref/imresize.html, and of
R. Keys, Cubic convolution interpolation for digital image processing, IEEE Trans. ASSP 29 (1981),
https://doi.org/10.1109/TASSP.1981.1163711. For an output of n' out of n samples and the scale s = n'/n:

* output sample x (from 1) lies at u = x/s + (1 - 1/s)/2 of the input;
* its weights are the kernel's at the distances of the input samples, divided by their sum;
* where s < 1 the kernel is stretched by 1/s, which filters what the smaller grid cannot hold (antialiasing);
* beyond the border the input is mirrored, the border sample included;
* the dimension of the smaller scale comes first, rows where both are equal;
* the type of the values is kept, after each dimension: integers are rounded half away from zero and saturated.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from kldeval.arrays import quiet

if TYPE_CHECKING:
    from kldeval.arrays import Array

SUPPORT = 4.0
"""The width of the kernel."""

INTEGERS = frozenset({"uint8", "uint16", "int16"})
"""The integer types that imresize takes; a logical map passes through it as 0 and 255."""


def imresize(array: Array, shape: tuple[int, int]) -> Array:
    """An array (H, W) at another (height, width).

    uint8, uint16 and int16 keep their type, rounded and saturated; bool stays bool; all else becomes float64 and may
    overshoot the range of its input.

    >>> import numpy as np
    >>> imresize(np.array([[0, 0, 255, 255]], dtype=np.uint8), (1, 8)).tolist()
    [[0, 0, 0, 52, 203, 255, 255, 255]]
    """
    import numpy as np

    if array.dtype.kind == "b":
        return imresize(array.astype(np.uint8) * np.uint8(255), shape) > 128  # noqa: PLR2004 - imresize's own threshold
    kept = array.dtype if array.dtype.name in INTEGERS else None
    for axis in sorted((0, 1), key=lambda axis: shape[axis] / array.shape[axis]):
        array = _along(array, axis, shape[axis])
        if kept is not None:
            array = _saturated(array, kept)
    return np.ascontiguousarray(array)


def cubic(x: Array) -> Array:
    """Keys' kernel with a = -1/2: 1.5|x|^3 - 2.5|x|^2 + 1 up to 1, then -0.5|x|^3 + 2.5|x|^2 - 4|x| + 2 up to 2."""
    import numpy as np

    # summed as MATLAB sums it: ratios of small numbers hit exact halves, and a last bit decides how these round
    x = np.abs(x)
    x2, x3 = x**2, x**3
    return (1.5 * x3 - 2.5 * x2 + 1) * (x <= 1) + (-0.5 * x3 + 2.5 * x2 - 4 * x + 2) * ((x > 1) & (x <= SUPPORT / 2))


def contributions(n_in: int, n_out: int) -> tuple[Array, Array]:
    """The weights (n_out, taps) of the input samples that make each output sample, and their indices (n_out, taps)."""
    import numpy as np

    scale = n_out / n_in
    shrink = min(scale, 1.0)
    width = SUPPORT / shrink
    centre = np.arange(1, n_out + 1) / scale + 0.5 * (1 - 1 / scale)
    sample = np.floor(centre - width / 2)[:, None] + np.arange(ceil(width) + 2)
    weights = cubic(shrink * (centre[:, None] - sample))
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = np.mod(sample.astype(np.int64) - 1, 2 * n_in)
    used = weights.any(axis=0)
    return weights[:, used], np.minimum(mirrored, 2 * n_in - 1 - mirrored)[:, used]


def _along(array: Array, axis: int, n_out: int) -> Array:
    """The array resized along one axis, in float64."""
    return _rows(array, n_out) if axis == 0 else _rows(array.T, n_out).T


def _rows(array: Array, n_out: int) -> Array:
    """The array with another number of rows, summed tap by tap so that the order of the sums is always the same."""
    import numpy as np

    weights, indices = contributions(array.shape[0], n_out)
    source = np.ascontiguousarray(array, np.float64)
    total = np.zeros((n_out, array.shape[1]))
    term = np.empty_like(total)
    with quiet():  # infinities may meet weights of 0 and each other
        for weight, index in zip(weights.T, indices.T, strict=True):
            np.take(source, index, axis=0, out=term, mode="clip")  # every index is inside; only "clip" avoids a buffer
            term *= weight[:, None]
            total += term
    return total


def _saturated(values: Array, kept: Any) -> Array:
    """Whole numbers of an integer type, halves away from zero."""
    import numpy as np

    limits = np.iinfo(kept)
    whole = np.copysign(np.floor(np.abs(values) + 0.5), values)
    return np.clip(whole, limits.min, limits.max).astype(kept)
