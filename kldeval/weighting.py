"""Sums and extents over the pixels of maps, each pixel with its weight; a pixel of weight 0 does not exist.

Shapes are (..., H, W), and statistics keep their dimensions, (..., 1, 1), so that they meet the maps again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from kldeval.arrays import computed_in, dot, namespace
from kldeval.errors import RefusedMap

if TYPE_CHECKING:
    from kldeval.arrays import AnyArray as Array
    from kldeval.arrays import Namespace


MAP = (-2, -1)
"""The axes of a whole map."""

FEWEST_ROWS = 2
"""A map whose first and last rows are the poles has more."""


def as_weights(weights: Array | None, values: Array) -> Array | None:
    """The weights in the floats that the values are computed in: a mask of booleans is one of 0 and 1."""
    return None if weights is None else namespace(weights).astype(weights, computed_in(values).dtype, copy=False)


def zero_excluded(xp: Namespace, values: Array, weights: Array | None) -> Array:
    """The values as floats, 0 where the weight is 0: whatever stands there, nan included, takes no part."""
    values = computed_in(values)
    return values if weights is None or _all_exist(weights) else xp.where(weights > 0, values, xp.zeros_like(values))


def _all_exist(weights: Array) -> bool:
    """Whether every pixel is known to have a positive weight; it is not worth asking a device that works ahead."""
    import numpy as np

    return isinstance(weights, np.ndarray) and weights.size > 0 and bool(weights.min() > 0)


def total(xp: Namespace, values: Array, weights: Array | None = None) -> Array:
    """The sum of weight times value over each map."""
    if weights is not None and xp.__name__ == "numpy" and weights.shape == values.shape:
        # without an array of the products
        if values.ndim == len(MAP) and values.flags.c_contiguous and weights.flags.c_contiguous:
            return xp.asarray(dot(weights.ravel(), values.ravel()))[None, None]
        return xp.einsum("...ij,...ij->...", weights, values)[..., None, None]
    return xp.sum(values if weights is None else weights * values, axis=MAP, keepdims=True)


def amount(xp: Namespace, values: Array, weights: Array | None = None) -> Array:
    """The sum of the weights over each map, which is the number of pixels where there are none."""
    if weights is None:
        return total(xp, xp.ones_like(values))
    return total(xp, weights if weights.shape == values.shape else weights + xp.zeros_like(values))


def total_where(xp: Namespace, chosen: Array, values: Array) -> Array:
    """The sum over each map of the values that are chosen."""
    return total(xp, xp.where(chosen, values, xp.zeros_like(values)))


def min_max(xp: Namespace, values: Array, weights: Array | None) -> tuple[Array, Array]:
    """The minimum and the maximum over the pixels that exist."""
    low = high = values
    if weights is not None and not _all_exist(weights):
        low = xp.where(weights > 0, values, xp.full_like(values, xp.inf))
        high = xp.where(weights > 0, values, xp.full_like(values, -xp.inf))
    return xp.min(low, axis=MAP, keepdims=True), xp.max(high, axis=MAP, keepdims=True)


def above_least(xp: Namespace, values: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """By how much values exceed the least of them, and by how much the greatest does; their quotient is on 0..1.

    Both are halved where the range is more than the largest float: the quotient stays what it is.
    """
    span = high - low
    if xp.__name__ == "numpy" and xp.isfinite(span).all():
        return values - low, span
    half = xp.where(xp.isfinite(span), xp.ones_like(span), xp.full_like(span, 0.5))
    return values * half - low * half, high * half - low * half


def shares(xp: Namespace, values: Array, weights: Array | None = None) -> Array:
    """Values of 0 or more as shares of their sum, also where that exceeds the largest float; zeros stay zeros."""
    mass = total(xp, values, weights)
    if not (xp.__name__ == "numpy" and xp.isfinite(mass).all()):
        peak = xp.max(values, axis=MAP, keepdims=True)
        values = values / xp.where(xp.isfinite(mass), xp.ones_like(mass), peak)
        mass = total(xp, values, weights)
    return values / xp.where(mass == 0, xp.ones_like(mass), mass)


def divide(xp: Namespace, numerator: Array, denominator: Array) -> Array:
    """The quotient, nan where the denominator is 0, without a warning and with finite gradients elsewhere."""
    if xp.__name__ == "numpy" and denominator.size == 1 and denominator.all():
        return numerator / denominator
    zero = denominator == 0
    quotient = numerator / xp.where(zero, xp.ones_like(denominator), denominator)
    return xp.where(zero, xp.full_like(quotient, xp.nan), quotient)


def root(xp: Namespace, values: Array) -> Array:
    """The square root, whose gradient at 0 is taken as 0 instead of infinite."""
    if xp.__name__ == "numpy":
        return xp.sqrt(values)
    zero = values == 0
    return xp.where(zero, xp.zeros_like(values), xp.sqrt(xp.where(zero, xp.ones_like(values), values)))


def drop_axes(xp: Namespace, statistic: Array) -> Array:
    """A statistic (..., 1, 1) as (...), one number per map."""
    return xp.squeeze(statistic, axis=MAP)


ECCENTRICITY = 0.0818191908426215
"""Of the ellipsoid of WGS 84, https://epsg.org/ellipsoid_7030/WGS-84.html."""


def area_weights(edges: tuple[float, ...], width: int, *, earth: Literal["sphere", "wgs84"] = "sphere") -> Array:
    """The area of each cell between parallels, whose `edges` are latitudes in degrees, as a share of the largest.

    On the sphere a cell between latitudes a and b has the area |sin b - sin a| times its width; on the ellipsoid of
    WGS 84 the sine is replaced by q / 2, with q of Snyder, Map Projections: a working manual (1987), equation 3-12,
    https://doi.org/10.3133/pp1395. All cells of a row are of one width.

    >>> area_weights((90.0, 30.0, -30.0), 1).round(12).tolist()
    [[0.5], [1.0]]
    """
    import numpy as np

    sines = np.sin(np.radians(np.clip(np.asarray(edges, np.float64), -90, 90)))
    if earth == "wgs84":
        e = ECCENTRICITY
        sines = (1 - e**2) * (sines / (1 - (e * sines) ** 2) + np.arctanh(e * sines) / e) / 2
    rows = np.abs(np.diff(sines))
    # every row once: a large raster needs no array of its size
    return np.broadcast_to((rows / rows.max())[:, None], (len(rows), width))


def latitude_weights(shape: tuple[int, int], *, rows: Literal["centres", "ends"] = "centres") -> Array:
    """sin(pi (r + 1/2) / H), the solid angle of each pixel of an equirectangular map (H, W), on the equator 1.

    A row r spans the polar angles from pi r / H to pi (r + 1) / H, and the integral of the sine over it,
    cos(pi r / H) - cos(pi (r + 1) / H), is 2 sin(pi / (2 H)) times this. So a weighted sum is, up to that one factor,
    the integral over the sphere of a function that is constant within pixels.

    With rows="ends" the weight is sin(pi r / (H - 1)) of the Salient360! toolbox, as of the step `latitude`: the first
    and the last row are the poles, and weigh 0.

    Raises:
        RefusedMap: a map of one or two rows, all of which would be poles.

    >>> latitude_weights((2, 1)).round(12).tolist()
    [[0.707106781187], [0.707106781187]]
    """
    import numpy as np

    height, width = shape
    if rows == "centres":
        found = np.asarray([math.sin(math.pi * (row + 0.5) / height) for row in range(height)])
    elif height > FEWEST_ROWS:
        found = np.asarray([math.sin(math.pi * (row / (height - 1))) for row in range(height)])
        found[-1] = 0.0  # the sine of the float next to pi is 1.2e-16
    else:
        msg = f"weights=latitude(rows=ends) of a map of {height} rows: both are poles, which weigh 0"
        raise RefusedMap(msg)
    return np.repeat(found[:, None], width, axis=1)
