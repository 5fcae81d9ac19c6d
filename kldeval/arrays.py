"""The only door to array libraries: which namespace an array belongs to, and how to make floats of it.

The numeric body is written against the array API standard. numpy follows the standard itself; everything else is
reached through array-api-compat, imported when such an array arrives. torch is imported in `torch()` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.errors import MissingDependency

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

Array = Any
"""An array of any library that follows the array API; mypy has no protocol for the standard yet."""

Namespace = Any
"""The module of array functions that belongs to an array."""


def namespace(*arrays: Array) -> Namespace:
    """The array-API namespace that the arrays share.

    Raises:
        TypeError: the arrays belong to different libraries, or are no arrays.
    """
    import numpy as np

    for array in arrays:
        if not isinstance(array, (np.ndarray, np.generic)):
            break
    else:
        return np
    import array_api_compat

    return array_api_compat.array_namespace(*arrays)


def device_of(array: Array) -> Any:
    """The device that holds `array`."""
    import array_api_compat

    return array_api_compat.device(array)


def quiet() -> AbstractContextManager[object]:
    """Silence numpy's warnings on 0/0, ln 0 and overflow: here inf and nan are answers, which the report counts."""
    import numpy as np

    return np.errstate(all="ignore")


def torch() -> Any:
    """The torch package, imported here alone: it costs seconds, and a CPU run does not need it.

    Raises:
        MissingDependency: torch cannot be imported.
    """
    try:
        import torch as package
    except ImportError as error:
        msg = f"torch cannot be imported ({error}); install it with: pip install torch"
        raise MissingDependency(msg) from error
    return package


def exp_of_temporary(x: Array) -> Array:
    """Exp x of an array that nobody else has: in its place where the library can, for a fresh array costs a third."""
    xp = namespace(x)
    return xp.exp(x, out=x) if xp.__name__ == "numpy" else xp.exp(x)
