"""Two maps brought to one size, or refused; always on the stored values, before scaling and normalising.

The kernels nearest, bilinear, bicubic (a = -0.75), area and lanczos (8 x 8) are OpenCV's, on float64 values with
OpenCV's single-precision weights, https://docs.opencv.org/4.x/da/d54/group__imgproc__transform.html. `area` averages
when it shrinks and is close to nearest when it enlarges; the others do not filter when they shrink.
`matlab-bicubic` is MATLAB's imresize (see `kldeval.inputs.matlab`).

Results are float64, except that `nearest` keeps the type (it makes no new values), `round=true` keeps an integer type
(rounded half to even, saturated; floats stay floats), and `matlab-bicubic` keeps what MATLAB keeps. A map that has the
wanted size already passes untouched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from kldeval.arrays import Array
from kldeval.errors import RefusedMap
from kldeval.inputs.matlab import imresize
from kldeval.inputs.opencv import opencv
from kldeval.names import Call, Info, Registry, Size

if TYPE_CHECKING:
    from collections.abc import Callable

Kernel = Literal["nearest", "bilinear", "bicubic", "area", "lanczos", "matlab-bicubic"]

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
        msg = (
            f"sizes differ: the prediction is {pred.shape}, the ground truth {gt.shape} (height, width); "
            "choose who gives way, such as --resize 'pred-to-gt(kernel=bilinear)'"
        )
        raise RefusedMap(msg)
    return pred, gt


@RESIZES.add("pred-to-gt")
def pred_to_gt(pred: Array, gt: Array, *, kernel: Kernel = "bilinear", round: bool = False) -> Maps:  # noqa: A002
    """The prediction at the ground truth's size, as benchmarks do."""
    return resized(pred, gt.shape, kernel, rounded=round), gt


@RESIZES.add("gt-to-pred")
def gt_to_pred(pred: Array, gt: Array, *, kernel: Kernel = "bilinear", round: bool = False) -> Maps:  # noqa: A002
    """The ground truth at the prediction's size, as training losses do."""
    return pred, resized(gt, pred.shape, kernel, rounded=round)


@RESIZES.add("both")
def both(pred: Array, gt: Array, *, size: Size, kernel: Kernel = "bilinear", round: bool = False) -> Maps:  # noqa: A002
    """Both maps at one size, WIDTHxHEIGHT."""
    shape = size[1], size[0]
    return resized(pred, shape, kernel, rounded=round), resized(gt, shape, kernel, rounded=round)


def resized(array: Array, shape: tuple[int, int], kernel: str, *, rounded: bool = False) -> Array:
    """One map at another (height, width); it may overshoot the range of its input.

    >>> import numpy as np
    >>> resized(np.array([[0, 255]], dtype=np.uint8), (1, 4), "bilinear").tolist()
    [[0.0, 63.75, 191.25, 255.0]]
    >>> resized(np.array([[0, 255]], dtype=np.uint8), (1, 4), "bilinear", rounded=True).tolist()
    [[0, 64, 191, 255]]
    """
    if array.shape == shape:
        return array
    values = imresize(array, shape) if kernel == "matlab-bicubic" else _opencv_resized(array, shape, kernel)
    if kernel == "nearest":
        return values.astype(array.dtype)
    return _whole(values, array.dtype) if rounded else values


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
