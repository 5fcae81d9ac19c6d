"""The value that `--scale unit` makes 1: the full scale of the stored type."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kldeval.arrays import Array

FULL_SCALES = {"uint8": 255.0, "uint16": 65535.0}
"""The types that hold a share of their full scale; bool is 0 and 1, and every other type is taken as it is."""


def full_scale(array: Array) -> float | None:
    """What `--scale unit` divides the array by; None where it is taken as it is.

    >>> import numpy as np
    >>> full_scale(np.zeros((2, 2), np.uint8)), full_scale(np.zeros((2, 2)))
    (255.0, None)
    """
    return FULL_SCALES.get(str(array.dtype).rpartition(".")[2])
