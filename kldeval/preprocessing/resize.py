"""Two maps brought to one size, or refused; always on the stored values, before scaling and normalising.

The kernels nearest, bilinear, bicubic (a = -0.75), area and lanczos (8 x 8) are OpenCV's, on float64 values with
OpenCV's single-precision weights, https://docs.opencv.org/4.x/da/d54/group__imgproc__transform.html. `area` averages
when it shrinks and is close to nearest when it enlarges; the others do not filter when they shrink.
`matlab-bicubic` is MATLAB's imresize (see `kldeval.preprocessing.resize`).

Results are float64, except that `nearest` keeps the type (it makes no new values), `round=true` keeps an integer type
(rounded half to even, saturated; floats stay floats), and `matlab-bicubic` keeps what MATLAB keeps unless
`round=false`. Its border is mirrored, as in MATLAB of today, or with `border=replicate` repeated, as in MATLAB of 2014,
whose numbers it gives to all their digits. A map that has the wanted size already passes untouched.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from kldeval.arrays import NumpyArray as Array
from kldeval.arrays import opencv, quiet
from kldeval.errors import RefusedMap, UsageProblem
from kldeval.grammar import Call, Info, Registry, Size

if TYPE_CHECKING:
    from collections.abc import Callable


Kernel = Literal["nearest", "bilinear", "bicubic", "area", "lanczos", "matlab-bicubic"]

Border = Literal["mirror", "replicate"]

Maps = tuple[Array, Array]
"""A prediction and a ground truth."""

RESIZES: Registry[Callable[..., Maps], Info] = Registry("resize", Info)
"""What `--resize` may name."""

AS_IS = Call("none")
"""Maps whose sizes must agree."""

_OPENCV = {
    "nearest": "INTER_NEAREST",
    "bilinear": "INTER_LINEAR",
    "bicubic": "INTER_CUBIC",
    "area": "INTER_AREA",
    "lanczos": "INTER_LANCZOS4",
}


def resize_pair(call: Call, pred: Array, gt: Array) -> Maps:
    """The maps (H, W) after the resizing that `call` names.

    Raises:
        RefusedMap: `none`, and the sizes differ.
        MissingDependency: a kernel of OpenCV, and it cannot be imported.
    """
    return RESIZES[call.name].function(pred, gt, **call.keywords)


@RESIZES.add("none")
def none(pred: Array, gt: Array) -> Maps:
    """The maps as they are, which must agree in size."""
    if pred.shape != gt.shape:
        if pred.shape == gt.shape[::-1]:
            msg = (
                f"the prediction is {pred.shape}, the ground truth {gt.shape} (height, width): one of them is "
                "transposed, as arrays in the order (W, H) are, or turned; store its transpose (array.T), do not resize"
            )
            raise RefusedMap(msg)
        raise RefusedMap(_why_different(pred, gt), code="size-mismatch")
    return pred, gt


def _why_different(pred: Array, gt: Array) -> str:
    """What is to be said of maps of two sizes; lists of values are shown as such, which have one row."""
    sides = {"prediction": pred.shape, "ground truth": gt.shape}
    listed = [side for side, shape in sides.items() if shape[0] == 1]
    said = {side: f"{shape[1]} values in one row" if side in listed else str(shape) for side, shape in sides.items()}
    found = f"the prediction is {said['prediction']}, the ground truth {said['ground truth']}"
    if len(listed) == 1 and pred.size == gt.size:
        other = next(shape for side, shape in sides.items() if side not in listed)
        return (
            f"{found} (height, width): as many, so the {listed[0]} may be the map flattened; store it in its shape, "
            f"array.reshape{other}, do not resize"
        )
    if len(listed) == len(sides):
        return f"sizes differ: {found}; distributions are compared value by value: give both as many"
    way = "choose who gives way, such as --resize 'pred-to-gt(kernel=bilinear)'"
    return f"sizes differ: {found} (height, width); {'store both as maps' if listed else way}"


def _check_kernel(
    *,
    kernel: Kernel = "bilinear",
    round: bool | None = None,  # noqa: A002 - the user's word
    border: Border = "mirror",
    size: Size | None = None,  # noqa: ARG001 - all parameters are passed
    stretch: bool = False,  # noqa: ARG001 - the same
) -> None:
    if kernel == "matlab-bicubic":
        return
    if border != "mirror":
        msg = f"border={border} is for kernel=matlab-bicubic: {kernel} has the border of OpenCV"
        raise UsageProblem(msg)
    if round is False:
        msg = f"round=false is for kernel=matlab-bicubic: {kernel} does not round unless round=true; leave it out"
        raise UsageProblem(msg)


@RESIZES.add("pred-to-gt", Info(check=_check_kernel))
def pred_to_gt(
    pred: Array,
    gt: Array,
    *,
    kernel: Kernel = "bilinear",
    round: bool | None = None,  # noqa: A002
    border: Border = "mirror",
    stretch: bool = False,
) -> Maps:
    """The prediction at the ground truth's size, as benchmarks do.

    With `stretch` both maps are stretched to 0..1 before, (x - min) / (max - min + 2^-23), as code does whose reader of
    maps stretches them: their own scale is gone then.
    """
    if stretch:
        pred, gt = map(_stretched, (pred, gt))
    return resized(pred, gt.shape, kernel, rounded=round, border=border), gt


SINGLE = 2.0**-23
"""The machine epsilon of single floats."""


def _stretched(array: Array) -> Array:
    values = array.astype("float64")
    low, high = values.min(), values.max()
    return (values - low) / (high - low + SINGLE)


@RESIZES.add("gt-to-pred", Info(check=_check_kernel))
def gt_to_pred(
    pred: Array,
    gt: Array,
    *,
    kernel: Kernel = "bilinear",
    round: bool | None = None,  # noqa: A002
    border: Border = "mirror",
) -> Maps:
    """The ground truth at the prediction's size, as training losses do."""
    return pred, resized(gt, pred.shape, kernel, rounded=round, border=border)


@RESIZES.add("both", Info(check=_check_kernel))
def both(
    pred: Array,
    gt: Array,
    *,
    size: Size,
    kernel: Kernel = "bilinear",
    round: bool | None = None,  # noqa: A002
    border: Border = "mirror",
) -> Maps:
    """Both maps at one size, WIDTHxHEIGHT."""
    shape = size[1], size[0]
    return (
        resized(pred, shape, kernel, rounded=round, border=border),
        resized(gt, shape, kernel, rounded=round, border=border),
    )


def resized(
    array: Array, shape: tuple[int, int], kernel: str, *, rounded: bool | None = None, border: str = "mirror"
) -> Array:
    """One map at another (height, width); it may overshoot the range of its input.

    `rounded` keeps an integer type; not said, `matlab-bicubic` keeps what MATLAB keeps and the others make floats.

    >>> import numpy as np
    >>> resized(np.array([[0, 255]], dtype=np.uint8), (1, 4), "bilinear").tolist()
    [[0.0, 63.75, 191.25, 255.0]]
    >>> resized(np.array([[0, 255]], dtype=np.uint8), (1, 4), "bilinear", rounded=True).tolist()
    [[0, 64, 191, 255]]
    """
    if array.shape == shape:
        return array
    if kernel == "nearest":
        return _opencv_resized(array, shape, kernel).astype(array.dtype)
    if kernel == "matlab-bicubic":
        stored = array.astype("float64") if rounded is False else array
        values = imresize(stored, shape, border=border)
    else:
        values = _opencv_resized(array, shape, kernel)
    if array.min() == array.max():
        # the weights of a kernel sum to 1 but for rounding, which is no content of a constant map
        values[...] = array.flat[0]
    return _whole(values, array.dtype) if rounded else values


DEPTH = 600.0
"""A power of e that double precision holds beside 1 with room to sum: what one pass over the logarithms resolves."""

PASSES = 64
"""A log-density of more layers than this, each e^600 below the one before, is no density of an image."""


def log_resized(array: Array, shape: tuple[int, int], kernel: str, *, border: str = "mirror") -> Array:
    """Logarithms whose exponentials are resized: ln of the resized density, in float64, not normalised.

    What exp would make 0 keeps its logarithm: the values are resized in layers of e^600, and each pixel is taken from
    the first layer in which its density can be told from 0.

    >>> import numpy as np
    >>> log_resized(np.log(np.asarray([[0.25, 0.75]])), (1, 1), "bilinear").round(12) == np.log(0.5).round(12)
    array([[ True]])

    Raises:
        RefusedMap: the kernel overshoots below 0, where there is no logarithm, or the map has too many layers.
    """
    import numpy as np

    logs = array.astype(np.float64)
    found, open_ = np.full(shape, -np.inf), np.ones(shape, bool)
    top = logs.max()
    for _ in range(PASSES):
        if not (np.isfinite(top) and open_.any()):
            return found
        layer = resized(np.exp(np.minimum(logs - top, 0.0)), shape, kernel, border=border)
        if layer.min() < -np.exp(-DEPTH):
            msg = (
                f"resizing a log-density with the kernel {kernel} makes negative probabilities (minimum "
                f"{layer.min():.6g} of the largest); choose bilinear, area or nearest, as in "
                "--resize 'pred-to-gt(kernel=bilinear)'"
            )
            raise RefusedMap(msg)
        seen = open_ & (layer > np.exp(-DEPTH))
        found[seen] = np.log(layer[seen]) + top
        open_ &= ~seen
        below = logs[logs < top - DEPTH / 2]
        top = below.max() if below.size else -np.inf
    msg = f"the log-density spreads over more than e^{PASSES * DEPTH / 2:g}, which cannot be resized; clip it first"
    raise RefusedMap(msg)


def _opencv_resized(array: Array, shape: tuple[int, int], kernel: str) -> Array:
    import numpy as np

    cv2 = opencv()
    return cv2.resize(array.astype(np.float64), shape[::-1], interpolation=getattr(cv2, _OPENCV[kernel]))


def _whole(values: Array, stored: Any) -> Array:
    """The values in their stored type again: integers rounded and saturated, floats left in double precision."""
    import numpy as np

    if stored.kind not in "biu" or values.dtype == stored:
        return values
    lowest, highest = (0, 1) if stored.kind == "b" else (np.iinfo(stored).min, np.iinfo(stored).max)
    return np.clip(np.rint(values), lowest, highest).astype(stored)


SUPPORT = 4.0
"""The width of the kernel."""

INTEGERS = frozenset({"uint8", "uint16", "int16"})
"""The integer types that imresize takes; a logical map passes through it as 0 and 255."""


def imresize(array: Array, shape: tuple[int, int], *, border: str = "mirror") -> Array:
    """An array (H, W) at another (height, width).

    `border` is mirror, as in recent MATLAB, or replicate, as in MATLAB of 2014. uint8, uint16 and int16 keep their
    type, rounded and saturated; bool stays bool; all else becomes float64 and may overshoot the range of its input.

    >>> import numpy as np
    >>> imresize(np.array([[0, 0, 255, 255]], dtype=np.uint8), (1, 8)).tolist()
    [[0, 0, 0, 52, 203, 255, 255, 255]]
    """
    import numpy as np

    if array.dtype.kind == "b":
        return imresize(array.astype(np.uint8) * np.uint8(255), shape, border=border) > 128  # noqa: PLR2004 - imresize's own threshold
    kept = array.dtype if array.dtype.name in INTEGERS else None
    for axis in sorted((0, 1), key=lambda axis: shape[axis] / array.shape[axis]):
        array = _along(array, axis, shape[axis], border)
        if kept is not None:
            array = _saturated(array, kept)
    return np.ascontiguousarray(array)


def cubic(x: Array) -> Array:
    """Keys' kernel with a = -1/2: 1.5|x|^3 - 2.5|x|^2 + 1 up to 1, then -0.5|x|^3 + 2.5|x|^2 - 4|x| + 2 up to 2."""
    import numpy as np

    # summed as MATLAB sums it: ratios of small numbers hit exact halves, and a last bit decides how these round
    x = np.abs(x)
    # numpy's own power has other last bits on other processors
    x2, x3 = x * x, np.frompyfunc(lambda one: one**3, 1, 1)(x).astype(np.float64)
    return (1.5 * x3 - 2.5 * x2 + 1) * (x <= 1) + (-0.5 * x3 + 2.5 * x2 - 4 * x + 2) * ((x > 1) & (x <= SUPPORT / 2))


@lru_cache(maxsize=32)
def contributions(n_in: int, n_out: int, border: str = "mirror") -> tuple[Array, Array]:
    """The weights (n_out, taps) of the input samples that make each output sample, and their indices (n_out, taps)."""
    import numpy as np

    scale = n_out / n_in
    shrink = min(scale, 1.0)
    width = SUPPORT / shrink
    centre = np.arange(1, n_out + 1) / scale + 0.5 * (1 - 1 / scale)
    sample = np.floor(centre - width / 2)[:, None] + np.arange(ceil(width) + 2)
    weights = cubic(shrink * (centre[:, None] - sample))
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.any(axis=0)
    if border == "replicate":
        return weights[:, used], np.clip(sample.astype(np.int64) - 1, 0, n_in - 1)[:, used]
    mirrored = np.mod(sample.astype(np.int64) - 1, 2 * n_in)
    return weights[:, used], np.minimum(mirrored, 2 * n_in - 1 - mirrored)[:, used]


def _along(array: Array, axis: int, n_out: int, border: str) -> Array:
    """The array resized along one axis, in float64."""
    return _rows(array, n_out, border) if axis == 0 else _rows(array.T, n_out, border).T


def _rows(array: Array, n_out: int, border: str) -> Array:
    """The array with another number of rows, summed tap by tap so that the order of the sums is always the same."""
    import numpy as np

    weights, indices = contributions(array.shape[0], n_out, border)
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
