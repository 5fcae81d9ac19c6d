"""What `--scale unit` divides by: the full scale of the stored type."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kldeval.arrays import Array

FULL_SCALES = {"uint8": 255.0, "uint16": 65535.0}
"""The types of images, whose values are shares of the largest; bool is 0 and 1, and others are taken as they are."""


def full_scale(array: Array) -> float | None:
    """The value of the array's type that stands for 1; None where values are taken as they are.

    >>> import numpy as np
    >>> full_scale(np.zeros((2, 2), np.uint8)), full_scale(np.zeros((2, 2)))
    (255.0, None)
    """
    # the name and not the text of a numpy type, which is ">u2" in the other byte order
    return FULL_SCALES.get(getattr(array.dtype, "name", str(array.dtype)).rpartition(".")[2])
