"""The array libraries that the numeric body runs on, and arrays of each, for tests over all of them."""

from __future__ import annotations

from typing import Any

import numpy as np

BACKENDS = ("numpy", "numpy:readonly", "array_api_strict", "torch")
"""Plain numpy; numpy arrays that refuse to be written; a library with nothing beyond the standard; tensors."""


def make(backend: str, data: Any, dtype: str | None = None) -> Any:
    """An array of the backend that holds `data`; floats are float64 unless `dtype` says otherwise."""
    array = np.array(data, dtype=dtype)
    if backend == "numpy:readonly":
        array.flags.writeable = False
    if backend == "array_api_strict":
        import array_api_strict

        return array_api_strict.asarray(array)
    if backend == "torch":
        import torch

        return (
            torch.from_numpy(array) if array.ndim else torch.tensor(array.item(), dtype=torch.from_numpy(array).dtype)
        )
    return array


def to_numpy(array: Any) -> np.ndarray:
    """The array's values as numpy."""
    return np.asarray(array.detach() if hasattr(array, "detach") else array)
