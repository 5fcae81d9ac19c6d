"""What an array must be, by its values: the causes behind the symptoms that refusals and notes speak of.

Pure functions of what was read (shape, type, extremes, sums, log-sum-exp, shares of distinct values). Each answers one
question about one array, or about all points of a run; none opens a file, and none knows the settings of a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kldeval.normalization.lazy_map import BLOCK_PIXELS

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array


BASES: dict[str, float] = {"e": 1.0, "2": float(np.log(2)), "10": float(np.log(10))}
"""The natural logarithm of each base that logarithms are taken to."""

ROUNDINGS = 4
"""How many units in the last place of its largest logarithm the log-sum-exp of a log-density may be off."""

NEAR_ONE = 1e-3
"""How far the sum of stored probabilities may be from 1: half precision is off by 0.004 over a row of 1000 classes."""


def log_tolerance(array: Array) -> float:
    """How far from 0 the log-sum-exp of stored log-probabilities may be by rounding alone.

    >>> log_tolerance(np.log(np.asarray([[0.5, 0.5]], np.float32))) < 1e-6
    True
    """
    finite = array[np.isfinite(array)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    kind = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
    return float(ROUNDINGS * np.finfo(kind).eps * max(1.0, largest))


def log_sum(array: Array, axis: int | None = None, base: str = "e") -> Array:
    """ln sum base^x along an axis, or over the whole array.

    >>> round(float(log_sum(np.asarray([[-1.0, -1.0]]), base="2")), 12)
    0.0
    """
    values = np.asarray(array, np.float64) * BASES[base]
    peak = np.max(values, axis=axis, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore", over="ignore"):
        return np.log(np.sum(np.exp(values - peak), axis=axis)) + np.squeeze(peak, axis=axis)


def is_log_density(array: Array, axis: int | None = None, base: str = "e") -> bool:
    """Whether base^x sums to 1 along an axis, or over the whole array, within the rounding of its type.

    >>> is_log_density(np.log2(np.asarray([[0.25, 0.75]])), base="2")
    True
    """
    if array.dtype.kind != "f" or np.isnan(array).any():
        return False
    return bool((np.abs(log_sum(array, axis, base)) <= BASES[base] * log_tolerance(array)).all())


def log_density(array: Array) -> tuple[str, int | None] | None:
    """The base and the axis (None: the whole array) of the log-densities that an array holds; None if it holds none.

    Another base than e is named only where the powers of e do not sum to 1.

    >>> log_density(np.log(np.asarray([[0.25, 0.75], [0.5, 0.5]])))
    ('e', -1)
    """
    axes = (None, *range(-1, -array.ndim - 1, -1))
    found = ((base, axis) for base in BASES for axis in axes if _has_several(array, axis))
    return next(((base, axis) for base, axis in found if is_log_density(array, axis, base)), None)


def _has_several(array: Array, axis: int | None) -> bool:
    return bool((array.size if axis is None else array.shape[axis]) > 1)


def holds_distributions(array: Array, axis: int) -> bool:
    """Whether the values along an axis are probabilities: 0 or more, with the sum 1; or labels, one-hot in any integer.

    >>> holds_distributions(np.asarray([[0, 255, 0], [255, 0, 0]], np.uint8), -1)
    True
    """
    if array.shape[axis] < 2 or array.dtype.kind not in "biuf":  # noqa: PLR2004 - one class is no choice
        return False
    return all(_are_distributions(part, axis) for part in (_in_the_middle(array, axis), array))


def _in_the_middle(array: Array, axis: int) -> Array:
    """Some of the distributions along an axis, which deny it for nearly all arrays that hold none."""
    other = 1 if axis % array.ndim == 0 else 0
    if array.ndim == 1:
        return array
    middle = array.shape[other] // 2
    return array[(slice(None),) * other + (slice(middle, middle + 1),)]


def _are_distributions(array: Array, axis: int) -> bool:
    if array.dtype.kind in "biu":
        high = array.max()
        return bool(high > 0 and ((array == 0) | (array == high)).all() and (array.astype(bool).sum(axis) == 1).all())
    low, high = float(array.min()), float(array.max())
    if low < 0 or not high <= 1 + NEAR_ONE:
        return False
    return bool((np.abs(array.sum(axis, dtype=np.float64) - 1) <= NEAR_ONE).all())


Negatives = Literal["log-density", "nodata", "overshoot", "signed"]
"""Why a map has negative values."""

FEW = 0.01
"""A negative share of this much, of values and of mass, is what interpolation and Fourier transforms leave."""


def why_negative(array: Array) -> Negatives:
    """Why a map has negative values.

    A log-density's exponentials sum to 1. A value that stands for missing data is the only negative one, and repeated:
    maps that end in tanh hold -1, too, beside others. An overshoot is small beside the map. What is left has two signs
    by nature: scores, attributions, standardised maps.

    >>> why_negative(np.asarray([[-9999.0, -9999.0, 0.2, 0.8]]))
    'nodata'
    """
    if log_density(array):
        return "log-density"
    values = np.asarray(array, np.float64)
    negative = values[values < 0]
    if sentinel(array) is not None:
        return "nodata"
    high = float(values.max())
    total = float(values[values > 0].sum())
    if high > 0 and -negative.min() <= FEW * high and -negative.sum() <= FEW * total:
        return "overshoot"
    return "signed"


def sentinel(array: Array) -> float | None:
    """The one negative value that all negative pixels share, where there are several; it stands for missing data.

    A map that has no other values beside it says nothing, and a small one may be an overshoot that was rounded.

    >>> sentinel(np.asarray([[-1.0, -0.5, 1.0]])) is None
    True
    """
    if array.dtype.kind not in "if":
        return None
    negative = array[array < 0]
    low = float(negative.min()) if negative.size else 0.0
    if negative.size < 2 or negative.size == array.size or low != float(negative.max()):  # noqa: PLR2004 - a repeat
        return None
    high = float(array.max())
    return low if -low > FEW * high else None


def is_truncated(array: Array) -> bool:
    """Whether bytes or 16-bit numbers hold 0 and 1 alone: floats of 0..1 that were saved as integers lose all between.

    >>> is_truncated(np.asarray([[0, 1]], np.uint8)), is_truncated(np.asarray([[0, 255]], np.uint8))
    (True, False)
    """
    if array.dtype.kind not in "iu" or array.dtype.itemsize > 2:  # noqa: PLR2004 - bytes
        return False
    # a row in the middle denies it for nearly all maps
    return bool(array[len(array) // 2].max() <= 1 and array.max() == 1 and array.min() == 0)


FEW_FIXATIONS = 16
"""Maps that count fixations hold hardly more on a pixel, and maps of grey levels hardly less."""


def are_levels_apart(one: Array, other: Array) -> bool:
    """Whether one map is of bytes and the other holds whole numbers of 0..255 in a type that 255 does not divide.

    >>> levels = np.asarray([[0, 200], [3, 90]], np.uint8)
    >>> are_levels_apart(levels.astype(float), levels), are_levels_apart(levels.astype(np.uint16), levels)
    (True, True)
    >>> are_levels_apart(levels / 255, levels), are_levels_apart(levels, levels)
    (False, False)
    """
    if one.dtype == other.dtype or np.uint8 not in (one.dtype, other.dtype):
        return False
    wide = other if one.dtype == np.uint8 else one
    if wide.dtype.kind != "f" and wide.dtype != np.uint16:
        return False
    # a row in the middle denies it for nearly all maps
    return _holds_levels(wide[len(wide) // 2], 0) and _holds_levels(wide, FEW_FIXATIONS)


def _holds_levels(values: Array, least: int) -> bool:
    is_level = (values >= 0) & (values <= 255) & (values == np.floor(values))  # noqa: PLR2004 - a byte's largest
    return bool(is_level.all() and values.max(initial=0) >= least)


SPARSE = 0.05
"""A map of fixated pixels leaves most of the image bare: this share at most is not 0."""

ISOLATED = 0.5
"""At least this share of fixated pixels have no neighbour that is not 0, to the right or below."""


def is_fixation_map(array: Array) -> bool:
    """Whether a map marks single pixels instead of holding a density: few pixels are not 0, and most stand alone.

    Few values other than 0 are told apart: marks, or numbers of fixations.

    >>> spots = np.zeros((40, 40), np.uint8)
    >>> spots[[3, 9, 30], [5, 20, 11]] = 255
    >>> is_fixation_map(spots)
    True
    """
    if array.ndim != 2:  # noqa: PLR2004 - height and width
        return False
    marked, step = 0, max(1, BLOCK_PIXELS // array.shape[1])
    for top in range(0, array.shape[0], step):
        # of booleans, for numpy counts floats one by one, at 2 ns each; of a density the first rows say enough
        marked += int(np.count_nonzero(array[top : top + step] != 0))
        if marked > SPARSE * array.size:
            return False
    if marked <= 1:
        return False
    found = array != 0
    values = np.unique(array[found])
    if not (values >= 0).all() or len(values) > max(1, marked // 3) or not (values == np.floor(values)).all():
        return False
    beside = np.zeros_like(found)
    beside[:, :-1] |= found[:, 1:]
    beside[:-1] |= found[1:]
    return bool(np.count_nonzero(found & ~beside) >= ISOLATED * marked)


def describe_number(value: Any) -> str:
    """A number as a user would type it.

    >>> describe_number(-9999.0), describe_number(float("nan"))
    ('-9999', 'nan')
    """
    number = float(value)
    return repr(int(number)) if number == np.floor(number) and abs(number) < 2**53 else repr(number)
