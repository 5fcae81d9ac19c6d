"""The only door to array libraries: which namespace an array belongs to, and how to make floats of it.

The numeric body is written against the array API standard. numpy follows the standard itself; everything else is
reached through array-api-compat, imported when such an array arrives. torch is imported in `torch()` alone.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

from kldeval.errors import MissingDependency, RefusedMap, UsageProblem
from kldeval.packages import load_package

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray


AnyArray = Any
"""An array of whichever library is in use, with all that this library gives it: what a public function gives back."""

if TYPE_CHECKING:
    NumpyArray = np.ndarray[Any, np.dtype[Any]]
else:  # annotations are not read at run time, and numpy is imported where it is used
    NumpyArray = Any


class Array(Protocol):  # noqa: PLW1641 - an array that compares element by element has no hash
    """What an array of any library that follows the array API standard can do: numpy, torch, JAX, array_api_strict.

    What an operation gives is an array of the same library, which only that library knows in full.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""

    @property
    def ndim(self) -> int:
        """The number of axes."""

    @property
    def dtype(self) -> Any:
        """The type of the elements, the library's own."""

    def __array__(self) -> NDArray[Any]: ...
    def __getitem__(self, key: Any, /) -> Any: ...
    def __abs__(self) -> Any: ...
    def __neg__(self) -> Any: ...
    def __invert__(self) -> Any: ...
    def __float__(self) -> float: ...
    def __int__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def __eq__(self, other: Any, /) -> Any: ...
    def __ne__(self, other: Any, /) -> Any: ...
    def __add__(self, other: Any, /) -> Any: ...
    def __radd__(self, other: Any, /) -> Any: ...
    def __sub__(self, other: Any, /) -> Any: ...
    def __rsub__(self, other: Any, /) -> Any: ...
    def __mul__(self, other: Any, /) -> Any: ...
    def __rmul__(self, other: Any, /) -> Any: ...
    def __truediv__(self, other: Any, /) -> Any: ...
    def __rtruediv__(self, other: Any, /) -> Any: ...
    def __floordiv__(self, other: Any, /) -> Any: ...
    def __mod__(self, other: Any, /) -> Any: ...
    def __pow__(self, other: Any, /) -> Any: ...
    def __rpow__(self, other: Any, /) -> Any: ...
    def __matmul__(self, other: Any, /) -> Any: ...
    def __and__(self, other: Any, /) -> Any: ...
    def __or__(self, other: Any, /) -> Any: ...
    def __xor__(self, other: Any, /) -> Any: ...
    def __rand__(self, other: Any, /) -> Any: ...
    def __ror__(self, other: Any, /) -> Any: ...
    def __lt__(self, other: Any, /) -> Any: ...
    def __le__(self, other: Any, /) -> Any: ...
    def __gt__(self, other: Any, /) -> Any: ...
    def __ge__(self, other: Any, /) -> Any: ...


Namespace = Any
"""The module of array functions that belongs to an array, of which each library has more than the standard."""


def namespace(*arrays: Array) -> Namespace:
    """The array-API namespace that the arrays share.

    Raises:
        TypeError: the arrays belong to different libraries, or are no arrays.
    """
    found = _PLAIN.get(type(arrays[0])) if len(arrays) == 1 else None
    if found is not None:
        return found
    import numpy as np

    if all(isinstance(array, (np.ndarray, np.generic)) for array in arrays):
        _PLAIN[np.ndarray] = np
        return np
    import array_api_compat

    return array_api_compat.array_namespace(*arrays)


_PLAIN: dict[type, Any] = {}
"""The namespace of plain arrays of numpy, once numpy is imported: it is asked for dozens of times for a pair."""


def any_of(found: AnyArray) -> bool:
    """Whether one of some booleans of numpy is true; of a single one without a call of Python."""
    return bool(found) if found.size == 1 else bool(found.any())


def without_gradient(array: Array) -> Array:
    """The array as a constant, through which no gradient goes."""
    return array.detach() if hasattr(array, "detach") else array


def device_of(array: Array) -> Any:
    """The device that holds `array`."""
    import array_api_compat

    return array_api_compat.device(array)


PLAIN_MODES = frozenset({"1", "L", "F", "I", "I;16", "I;16B", "I;16L", "I;16N"})
"""The modes of pictures of Pillow whose one channel is the grey value of a pixel."""


def is_pillow(value: object) -> bool:
    """Whether a value is a picture of Pillow."""
    return hasattr(value, "__array_interface__") and hasattr(value, "mode") and hasattr(value, "getbands")


def _refuse_coded(array: Any) -> None:
    """Refuse pictures of Pillow whose numbers are no grey values: places in a palette, or colours.

    Raises:
        RefusedMap: naming the mode.
    """
    coded = [
        one.mode
        for one in (array if isinstance(array, list | tuple) else (array,))
        if is_pillow(one) and one.mode not in PLAIN_MODES
    ]
    if coded:
        msg = f"an image of Pillow of the mode {coded[0]}, whose values are no grey: give image.convert('L')"
        raise RefusedMap(msg)


def as_numpy(array: Any) -> Any:
    """An array of any library in the memory of the processor, as numpy's.

    Half precision of which numpy knows no kind becomes float32, which holds every value of it.

    Raises:
        RefusedMap: it is no array of real numbers, or some of its pixels are masked.
    """
    import numpy as np

    if hasattr(array, "detach"):
        _refuse_tensor(array)
        array = array.detach().cpu()
        array = array.to_dense() if array.layout is not torch().strided else array
        if array.is_floating_point() and array.itemsize < np.dtype(np.float32).itemsize:
            array = array.float()
        return array.numpy()
    if hasattr(array, "get") and type(array).__module__.startswith("cupy"):
        return array.get()
    _refuse_masked(array)
    _refuse_coded(array)
    found = np.asarray(array)
    if found.dtype.kind not in "biuf":
        msg = f"{type(array).__name__} of dtype {found.dtype} and shape {found.shape}; maps hold real numbers"
        raise RefusedMap(msg)
    return found


def _refuse_tensor(tensor: Any) -> None:
    """Refuse a tensor that numpy cannot hold.

    Raises:
        RefusedMap: with the way out.
    """
    found = (
        ("of the device meta, without values", "give one with values")
        if tensor.is_meta
        else ("nested", "give each of its parts, such as tensor.unbind()")
        if tensor.is_nested
        else ("quantised", "give tensor.dequantize()")
        if tensor.is_quantized
        else ("of complex numbers", "maps hold real numbers")
        if tensor.is_complex()
        else None
    )
    if found:
        msg = f"a tensor that is {found[0]} is no map: {found[1]}"
        raise RefusedMap(msg)


def _refuse_masked(array: Any) -> None:
    """Refuse an array of numpy.ma with masked pixels: nothing here would leave them out; and a tensor without values.

    Raises:
        RefusedMap: with the way out.
    """
    import numpy as np

    if getattr(array, "is_sparse", False) or getattr(array, "is_meta", False):
        what, way_out = (
            ("sparse", "give tensor.to_dense()") if array.is_sparse else ("on the device meta", "give one with values")
        )
        msg = f"a tensor that is {what} has no pixels to look at: {way_out}"
        raise RefusedMap(msg)

    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        msg = (
            f"{np.count_nonzero(array.mask)} values of a masked array are masked, which nothing here leaves out: "
            "give array.data, and beside it mask=~array.mask, or as weights of a function"
        )
        raise RefusedMap(msg)


def quiet() -> AbstractContextManager[object]:
    """Silence numpy's warnings on 0/0, ln 0 and overflow: here inf and nan are answers, which the report counts."""
    import numpy as np

    return np.errstate(all="ignore")


def torch() -> Any:
    """The torch package, imported here alone: it costs seconds, and a CPU run does not need it.

    Raises:
        MissingDependency: torch cannot be imported.
    """
    return load_package("torch", "tensors and GPUs need torch", "pip install torch")


def exp_of_temporary(x: Array) -> Array:
    """Exp x of an array that nobody else has: in its place where the library can, for a fresh array costs a third."""
    xp = namespace(x)
    return xp.exp(x, out=x) if xp.__name__ == "numpy" else xp.exp(x)


FOR_RANKS = 40
"""Bits of a density whose pixels are ranked: sums of other orders differ by some 2^-51 of it."""

FOR_VALUES = 44
"""Bits of a map whose values count as well: an error of 3e-14."""


def tied(values: Array, bits: int = FOR_RANKS) -> Array:
    """Numbers in double precision to some of their 53 bits, so that those are ties that are equal but for rounding.

    Numbers of other precisions stay as they are. A rank (AUC) sees the last bit of a number, and in which order a
    product of matrices is summed depends on the place and the processor. (Veltkamp's splitting: Dekker 1971, A
    floating-point technique for extending the available precision, doi:10.1007/BF01397083.)

    >>> import numpy as np
    >>> len(set(tied(np.asarray([0.3, 0.1 + 0.2])).tolist()))
    1
    """
    xp = namespace(values)
    if values.dtype != xp.float64:
        return values
    many = values * (2.0 ** (53 - bits) + 1)
    return xp.where(xp.isfinite(many), many - (many - values), values)


def evenly(smooth: Callable[[Array], Array], maps: Array) -> Array:
    """What a linear function whose weights sum to 1 makes of maps (..., H, W), even wherever these are.

    It is told how far the values are above the least: what rounding adds to a constant map is no content, which a
    variance, a range or a rank would find.
    """
    xp = namespace(maps)
    with quiet():
        low, high = (end(maps, axis=(-2, -1), keepdims=True) for end in (xp.min, xp.max))
        low = xp.where(xp.isfinite(high - low), low, xp.zeros_like(low))
        return low + tied(smooth(maps - low), FOR_VALUES)


DOT = 1 << 13
"""Elements of a product that BLAS sums at once: more than 10 000 are cut by the threads of OpenBLAS."""


def dot(x: NumpyArray, y: NumpyArray) -> Any:
    """The sum of x * y over vectors of numpy, the same to the last bit with any number of threads of BLAS."""
    size = x.shape[0]
    if size <= DOT:
        return x @ y
    import numpy as np

    cut = size - size % DOT
    whole = np.vecdot(x[:cut].reshape(-1, DOT), y[:cut].reshape(-1, DOT)).sum()
    return whole + x[cut:] @ y[cut:] if cut < size else whole


def row_dots(x: NumpyArray, y: NumpyArray) -> NumpyArray:
    """The sum of x * y over each row (..., W) of numpy, the same to the last bit with any number of threads of BLAS."""
    import numpy as np

    width = x.shape[-1]
    if width <= DOT:
        return np.vecdot(x, y)
    cuts = [slice(start, start + DOT) for start in range(0, width, DOT)]
    return sum(np.vecdot(x[..., cut], y[..., cut]) for cut in cuts)


@cache
def opencv() -> Any:
    """The `cv2` module. Its log is switched off for the whole process: what it would say, our errors say.

    Raises:
        MissingDependency: cv2 cannot be imported; the message says what to install.
    """
    try:
        import cv2
    except ImportError as error:
        raise MissingDependency(_advice(str(error))) from error
    _silence(cv2)
    return cv2


def _advice(reason: str) -> str:
    first = (reason.splitlines() or ["no reason given"])[0]
    if ".so" in reason:
        # a wheel with windows, on a server without a screen
        return (
            f"OpenCV cannot be imported ({first}); install the system packages libgl1 and libglib2.0-0, "
            "or replace opencv-python: pip uninstall opencv-python && pip install opencv-python-headless"
        )
    return f"OpenCV cannot be imported ({first}); install it with: pip install opencv-python-headless"


def _silence(cv2: Any) -> None:
    if hasattr(cv2, "setLogLevel"):
        cv2.setLogLevel(0)
    else:  # OpenCV 5 moved it
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


MAP = (-2, -1)
"""The axes of a map."""

_REAL = ("real floating", "integral", "bool")


def check_maps(pred: Array, gt: Array) -> None:
    """Refuse arrays that are no maps, or do not fit each other.

    Raises:
        RefusedMap: naming shapes or dtypes.
        UsageProblem: the arrays are of different libraries.
    """
    xp = _shared_namespace(pred, gt)
    for role, array in (("pred", pred), ("gt", gt)):
        _refuse_masked(array)
        if array.ndim < len(MAP) or 0 in array.shape[-2:]:
            msg = f"{role} has the shape {tuple(array.shape)}; maps are (..., H, W) and have pixels"
            msg += _hint_at_labels(xp, pred, gt)
            raise RefusedMap(msg)
        if not xp.isdtype(array.dtype, _REAL):
            msg = f"{role} has the dtype {array.dtype}; maps hold real numbers"
            raise RefusedMap(msg)
    if pred.shape[-2:] != gt.shape[-2:] or _broadcast(pred.shape, gt.shape) is None:
        msg = (
            f"pred has the shape {tuple(pred.shape)} and gt {tuple(gt.shape)}; height and width must agree, and the "
            "axes before them must broadcast"
        )
        raise RefusedMap(msg + _hint_at_labels(xp, pred, gt))


def _hint_at_labels(xp: Any, pred: Array, gt: Array) -> str:
    is_integer = gt.ndim == pred.ndim - 1 and xp.isdtype(gt.dtype, "integral")
    return "; for integer labels there is kldeval.cross_entropy" if is_integer else ""


def whole_weights(weights: Array, pred: Array, gt: Array) -> Array:
    """The weights in the shape of the maps.

    Raises:
        RefusedMap: they do not fit the maps, are no real numbers of 0 or more, or leave a map without pixels.
    """
    xp = _shared_namespace(pred, gt, weights)
    shape = _broadcast(pred.shape, gt.shape)
    if _broadcast(weights.shape, pred.shape, gt.shape) != shape:
        msg = f"weights have the shape {tuple(weights.shape)}, which does not broadcast to that of the maps, {shape}"
        raise RefusedMap(msg)
    if not xp.isdtype(weights.dtype, _REAL):
        msg = f"weights have the dtype {weights.dtype}; they must be real numbers"
        raise RefusedMap(msg)
    whole = xp.broadcast_to(xp.astype(weights, xp.float64, copy=False), shape)
    if not bool(xp.all((whole >= 0) & (whole < xp.inf))):
        msg = "weights must be finite numbers of 0 or more"
        raise RefusedMap(msg)
    if not bool(xp.all(xp.max(whole, axis=MAP) > 0)):
        msg = "the weights of a map are all 0: it has no pixels"
        raise RefusedMap(msg)
    return whole


def _shared_namespace(*arrays: Array) -> Any:
    try:
        if all(hasattr(array, "shape") for array in arrays):
            return namespace(*arrays)
    except TypeError:
        pass
    kinds = ", ".join(type(array).__name__ for array in arrays)
    msg = f"maps and weights must be arrays of one library, not {kinds}: numpy.asarray or torch.as_tensor makes them so"
    raise UsageProblem(msg)


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    import numpy as np

    try:
        return np.broadcast_shapes(*map(tuple, shapes))
    except ValueError:
        return None


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
