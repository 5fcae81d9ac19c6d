"""The weight of every pixel of a map on a sphere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kldeval.arrays import Array


def latitude_weights(shape: tuple[int, int]) -> Array:
    """sin(pi (r + 1/2) / H), the solid angle of each pixel of an equirectangular map (H, W), on the equator 1.

    A row r spans the polar angles from pi r / H to pi (r + 1) / H, and the integral of the sine over it,
    cos(pi r / H) - cos(pi (r + 1) / H), is 2 sin(pi / (2 H)) times this. So a weighted sum is, up to that one factor,
    the integral over the sphere of a function that is constant within pixels.

    (The step `latitude` is another weight, sin(pi r / (H - 1)), of the Salient360! toolbox.)

    >>> latitude_weights((2, 1)).round(12).tolist()
    [[0.707106781187], [0.707106781187]]
    """
    import numpy as np

    height, width = shape
    rows = [math.sin(math.pi * (row + 0.5) / height) for row in range(height)]
    return np.repeat(np.asarray(rows)[:, None], width, axis=1)
