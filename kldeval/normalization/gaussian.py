"""Gaussians on the grid of a map: counts of fixations made smooth, and what a single fixation adds anywhere.

The kernel is that of `scipy.ndimage.gaussian_filter`, which pysaliency and the MIT/Tuebingen benchmark use: samples of
a Gaussian up to `truncate` standard deviations, divided by their sum. The names of borders are scipy's, too.

Rows are multiplied with the kernel as a matrix, because libraries were measured to be slower on one core: a Gaussian of
24 pixels on a map of 480 x 640 takes 10 ms so, 27 by scipy and 25 by OpenCV; on 1080 x 1920 57, 187 and 339 ms.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args

from kldeval.errors import UsageProblem
from kldeval.packages import load_package

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array


Border = Literal["reflect", "mirror", "nearest", "constant", "wrap"]
"""What lies beyond the border: the map mirrored with the edge repeated, without it, the edge, 0, or (of an
equirectangular map of the sphere) what lies there: the other side in longitude, and over the pole in latitude.
"""

BORDERS: tuple[Border, ...] = get_args(Border)

TRUNCATE = 4.0
"""Standard deviations to each side, scipy's default."""

BLOCK = 64
"""Rows that are smoothed at a time."""

TABLES_KEPT = 64
"""Sides of maps, with a sigma, of which the answer to every distance is kept: a few thousand numbers each."""


def blurred(counts: Array, sigma: tuple[float, float], border: Border = "reflect", truncate: float = TRUNCATE) -> Array:
    """The map (H, W) under a Gaussian of `sigma` pixels along rows' and columns' axes, in float64.

    `reflect` and `wrap` keep the sum of the map; `constant` loses what falls beyond the border.

    Raises:
        UsageProblem: a sigma or a truncation that is not positive.
        MissingDependency: a border other than `reflect`, and scipy cannot be imported.

    >>> import numpy as np
    >>> spot = np.zeros((3, 3)); spot[1, 1] = 1
    >>> round(float(blurred(spot, (0.5, 0.5)).sum()), 12)
    1.0
    """
    import numpy as np

    for side in sigma:
        check_kernel(side, truncate)
    if border == "reflect":
        down = _along_rows(np.asarray(counts, np.float64), sigma[0], truncate)
        return np.ascontiguousarray(_along_rows(down.T, sigma[1], truncate).T)
    gaussian_filter = load_package("scipy.ndimage", "a Gaussian needs scipy", "pip install scipy").gaussian_filter
    counts = np.asarray(counts, np.float64)
    if border == "wrap":
        # down one meridian and up the opposite one is a circle, as every row is
        around = np.concatenate([counts, over_the_pole(counts)])
        return gaussian_filter(around, sigma, mode="wrap", truncate=truncate)[: len(counts)]
    return gaussian_filter(counts, sigma, mode=border, truncate=truncate)


def over_the_pole(values: Array) -> Array:
    """The rows that follow those of an equirectangular map (H, W) beyond the pole: upwards, on the opposite meridian.

    >>> import numpy as np
    >>> over_the_pole(np.asarray([[1, 2, 3, 4], [5, 6, 7, 8]])).tolist()
    [[7.0, 8.0, 5.0, 6.0], [3.0, 4.0, 1.0, 2.0]]
    """
    import numpy as np

    # of an odd width the opposite meridian lies between two columns
    half = values.shape[1] // 2
    turned = np.roll(values, half, axis=1) + np.roll(values, values.shape[1] - half, axis=1)
    return 0.5 * turned[::-1]


def spherical(
    places: tuple[Array, Array, Array], shape: tuple[int, int], sigma: float, truncate: float = TRUNCATE
) -> Array:
    """The density of points on the sphere under a Gaussian of the great-circle distance, as an equirectangular map.

    `sigma` is in pixels of the equator, 2 pi / W each. Every point has the mass 1 in solid angle: the sum of the map
    times `kldeval.weighting.latitude_weights` is the number of the points, wherever they lie.

    >>> import numpy as np
    >>> from kldeval.weighting import latitude_weights
    >>> pole = tuple(np.asarray([number]) for number in (0, 3, 2))
    >>> round(float((spherical(pole, (32, 64), 2.0) * latitude_weights((32, 64))).sum()), 12)
    2.0
    """
    import numpy as np

    from kldeval.weighting import latitude_weights

    check_kernel(sigma, truncate)
    height, width = shape
    weights = latitude_weights(shape)
    angles = np.pi * (np.arange(height) + 0.5) / height
    turned = np.cos(2 * np.pi * np.arange(width) / width)
    unit = 2 * np.pi / width
    found = np.zeros(shape)
    for row in np.unique(places[0]):
        near = np.abs(angles - angles[row]) <= truncate * sigma * unit
        cosines = np.cos(angles[near])[:, None] * np.cos(angles[row])
        cosines = cosines + (np.sin(angles[near]) * np.sin(angles[row]))[:, None] * turned
        distance = np.arccos(np.clip(cosines, -1, 1)) / unit
        kernel = np.where(distance <= truncate * sigma, np.exp(-0.5 * (distance / sigma) ** 2), 0.0)
        kernel[np.flatnonzero(near) == row, 0] = 1.0  # whatever rounding made of the distance 0
        kernel /= (kernel * weights[near]).sum()
        for col, count in zip(places[1][places[0] == row], places[2][places[0] == row], strict=True):
            found[near] += count * np.roll(kernel, col, axis=1)
    return found


def blurred_points(
    places: tuple[Array, Array, Array], shape: tuple[int, int], sigma: tuple[float, float], truncate: float = TRUNCATE
) -> Array:
    """The `blurred` map, reflected, of a few points: their rows, columns and counts, each place once.

    It is a product of two matrices, a column for each point, and costs a fraction of a pass over the map.

    >>> import numpy as np
    >>> spot = np.zeros((3, 4)); spot[1, 2] = 5
    >>> points = tuple(np.asarray([number]) for number in (1, 2, 5))
    >>> bool(np.allclose(blurred_points(points, (3, 4), (1.0, 2.0)), blurred(spot, (1.0, 2.0)), rtol=1e-14))
    True
    """
    import numpy as np

    rows, cols, counts = places
    down = gaussian_responses(np.arange(shape[0]), rows, shape[0], sigma[0], truncate)
    return (down * counts) @ gaussian_responses(np.arange(shape[1]), cols, shape[1], sigma[1], truncate).T


def _along_rows(values: Array, sigma: float, truncate: float) -> Array:
    """Every column under the Gaussian, reflected: products of matrices, each of the rows that meet in a block."""
    import numpy as np

    length, radius = values.shape[0], int(truncate * sigma + 0.5)
    found = np.empty(values.shape)
    for start in range(0, length, BLOCK):
        here = np.arange(start, min(start + BLOCK, length))
        near = np.arange(max(start - radius, 0), min(start + BLOCK + radius, length))
        np.matmul(
            gaussian_responses(here, near, length, sigma, truncate),
            values[near[0] : near[-1] + 1],
            out=found[here[0] : here[-1] + 1],
        )
    return found


def check_kernel(sigma: float, truncate: float = TRUNCATE) -> None:
    """Refuse a kernel that is none.

    Raises:
        UsageProblem: naming the value.
    """
    for name, value in (("sigma", sigma), ("truncate", truncate)):
        if not 0 < value < float("inf"):
            msg = f"{name} {value:g}: a Gaussian needs a positive number"
            raise UsageProblem(msg)


def gaussian_responses(to: Array, places: Array, length: int, sigma: float, truncate: float = TRUNCATE) -> Array:
    """What a 1 at each of `places` adds at each position of `to` along a side of `length`, reflected: (to, places).

    With the matrices R of the rows and C of the columns, `blurred` of some points is R diag(counts) C^T; so a few
    points cost no pass over the map.

    >>> import numpy as np
    >>> impulse = np.zeros((1, 5)); impulse[0, 1] = 1
    >>> expected = blurred(impulse, (1e-3, 1.0))
    >>> bool(np.allclose(gaussian_responses(np.arange(5), np.asarray([1]), 5, 1.0)[:, 0], expected[0], rtol=1e-15))
    True
    """
    import numpy as np

    by_difference, by_sum = _tables(length, sigma, truncate)
    to, places = np.asarray(to)[:, None], np.asarray(places)[None]
    return by_difference[to - places] + by_sum[to + places]


@lru_cache(TABLES_KEPT)
def _tables(length: int, sigma: float, truncate: float) -> tuple[Array, Array]:
    """What a 1 adds along a side that stands beside its mirror image, and the two again and again: two parts.

    From the side itself and its every second copy, by the difference of two positions (a negative one counts from the
    end, as numpy's indices do); from the mirror images, by their sum.
    """
    import numpy as np

    radius = int(truncate * sigma + 0.5)
    distances = np.arange(-radius, radius + 1)
    taps = np.exp(-0.5 * (distances / sigma) ** 2)
    taps = np.append(taps / taps.sum(), 0.0)
    differences = np.concatenate([np.arange(length), np.arange(-length + 1, 0)])
    sums = np.arange(2 * length - 1) + 1
    copies = range(-(radius // (2 * length)) - 1, radius // (2 * length) + 2)
    away = np.stack([differences, sums])
    parts = sum(taps[radius + np.minimum(np.abs(away - 2 * length * copy), radius + 1)] for copy in copies)
    return parts[0], parts[1]
