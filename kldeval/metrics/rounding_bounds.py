"""What a rounded prediction leaves open: the least and the greatest divergence of the maps that round to it.

An 8-bit map stands for every map of floats that rounds to it: a pixel of level s lies in an interval [a, b]. Over that
box the divergence D(q || x / sum x) = sum q ln q - sum q ln x + ln sum x has one minimum, and its maxima at corners of
the box.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from kldeval.arrays import quiet
from kldeval.dataclass import NamedTuple
from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.arrays import NumpyArray as Array


Rounding = Literal["round", "floor"]
"""How floats became levels: to the nearest, or cut off. Values beyond the scale saturate: level 255 ends at 255."""


def check_rounding(text: str) -> Rounding:
    """The rounding of this name.

    Raises:
        UsageProblem: it is neither round nor floor.
    """
    found: Rounding | None = {"round": "round", "floor": "floor"}.get(text)  # type: ignore[assignment] # two literals
    if found is None:
        msg = f"--bounds {text}: 8-bit maps were made by round or by floor"
        raise UsageProblem(msg)
    return found


TOP = 255
"""The highest level."""

DRAWS = 24
"""Dithered maps that a range is drawn from."""


class Bounds(NamedTuple):
    """The least and the greatest divergence of the float maps behind a file, and how far that is known.

    `high` is that of a map which can be built; no map has more than `outer`. `dither` are the least and the greatest of
    maps whose pixels lie at random in their intervals, each by itself. Where `kind` is outer, no map has less than
    `low` or more than `outer`, which `high` is too, and none may come near them.
    """

    low: float
    high: float
    outer: float
    dither: tuple[float, float]
    kind: Literal["exact", "outer"] = "exact"


def intervals(levels: Array, rounding: Rounding) -> tuple[Array, Array]:
    """The floats that become each level, in levels.

    >>> import numpy as np
    >>> [end.tolist() for end in intervals(np.asarray([0, 7, 255]), "round")]
    [[0.0, 6.5, 254.5], [0.5, 7.5, 255.0]]
    >>> [end.tolist() for end in intervals(np.asarray([0, 7, 255]), "floor")]
    [[0.0, 7.0, 255.0], [1.0, 8.0, 255.0]]
    """
    import numpy as np

    below, above = (0.5, 0.5) if rounding == "round" else (0.0, 1.0)
    return np.maximum(levels - below, 0.0), np.minimum(levels + above, float(TOP))


def divergence(q: Array, x: Array, eps: float, counts: Array | float = 1.0) -> float:
    """sum q ln(eps + q / (p + eps)) with p = x / sum x, of cells that hold `counts` pixels each."""
    import numpy as np

    total = float((counts * x).sum())
    with quiet():
        p = x / total + eps
        terms = np.where(q > 0, counts * q * np.log(eps + np.where(q > 0, q, 1.0) / p), 0.0)
    return float(terms.sum())


class Constants(NamedTuple):
    """The constants of sum q ln(log_eps + (q + num_eps) / (p + ratio_eps))."""

    log_eps: float = 0.0
    num_eps: float = 0.0
    ratio_eps: float = 0.0

    def total(self, q: Array, p: Array) -> float:
        """The sum over all pixels, which falls with every p.

        >>> import numpy as np
        >>> Constants().total(np.asarray([0.5, 0.5]), np.asarray([0.5, 0.5]))
        0.0
        """
        import numpy as np

        seen = q > 0
        with quiet():
            return float((q[seen] * np.log(self.log_eps + (q[seen] + self.num_eps) / (p[seen] + self.ratio_eps))).sum())


def outer_probabilities(low: Array, high: Array, offset: tuple[float, float] = (0.0, 0.0)) -> tuple[Array, Array]:
    """The least and the greatest of x / (sum x + offset) at every pixel, of any x between `low` and `high`.

    A pixel's is least where it is low, and all others and the offset are high.

    >>> import numpy as np
    >>> [end.tolist() for end in outer_probabilities(np.asarray([1.0, 1.0]), np.asarray([1.0, 3.0]))]
    [[0.25, 0.5], [0.5, 0.75]]
    """
    import numpy as np

    with quiet():
        least = low / (low + np.maximum(high.sum() - high, 0.0) + offset[1])
        most = high / (high + np.maximum(low.sum() - low, 0.0) + offset[0])
    return np.nan_to_num(least, nan=0.0), np.nan_to_num(np.minimum(most, 1.0), nan=1.0)


def bounds(levels: Array, q: Array, eps: float, rounding: Rounding, seed: int = 0, *, dithers: bool = True) -> Bounds:
    """The bounds for the levels of a prediction and the density of its ground truth, pixel by pixel.

    `eps` is added in the logarithm and under the quotient; it must be far below every probability (0, or 1e-12).
    Without `dithers` the range of dither is not worked out: it is nan.

    >>> import numpy as np
    >>> q = np.asarray([0.25, 0.75])
    >>> found = bounds(np.asarray([1, 3]), q, 0.0, "round")
    >>> round(abs(found.low), 12), round(found.high - divergence(q, np.asarray([0.5, 3.5]), 0.0), 12)
    (0.0, 0.0)
    """
    # pixels of one level and one ground truth are alike
    import numpy as np

    values, places = np.unique(q.ravel(), return_inverse=True)
    codes, counts = np.unique(levels.ravel().astype(np.int64) * len(values) + places, return_counts=True)
    cells, mass = (codes // len(values)).astype(np.float64), values[codes % len(values)]
    low_ends, high_ends = intervals(cells, rounding)
    least = lowest_map(mass, low_ends, high_ends, counts)
    high, outer = _highest(mass, (low_ends, high_ends), counts, eps)
    dither = _dithered(levels, q, eps, rounding, seed) if dithers else (math.nan, math.nan)
    return Bounds(divergence(mass, least, eps, counts), high, outer, dither)


def lowest_map(q: Array, low: Array, high: Array, counts: Array) -> Array:
    """The map of the least divergence: clip(S q, low, high), where S is its own sum.

    The sum of clip(S q, low, high) less S falls with S, so that bisection finds S.
    """
    import numpy as np

    def excess(total: float) -> float:
        import numpy as np

        return float((counts * np.clip(total * q, low, high)).sum()) - total

    at_least, at_most = float((counts * low).sum()), float((counts * high).sum())
    for _ in range(200):
        middle = (at_least + at_most) / 2
        if excess(middle) > 0:
            at_least = middle
        else:
            at_most = middle
    return np.asarray(np.clip(at_most * q, low, high))


def highest_map(q: Array, low: Array, high: Array, counts: Array, eps: float) -> tuple[Array, Array]:
    """Cells in the order in which their pixels go from the upper to the lower end, and how many of each do.

    A pixel at its lower end adds q ln(high / low) and takes high - low from the sum: those with most of the one for the
    other go first. Every number of them, pixel by pixel, is tried.
    """
    import numpy as np

    total = float((counts * high).sum())
    width = high - low
    with quiet():
        floor = np.where(low > 0, low / total, eps)
        gain = np.where(
            q > 0, q * np.log(np.where(q > 0, (high / total) / np.where(floor > 0, floor, 1e-300), 1.0)), 0.0
        )
        order = np.argsort(-np.where(width > 0, gain / np.where(width > 0, width, 1.0), -np.inf), kind="stable")
    order = order[width[order] > 0]
    gains, falls = (np.repeat(part[order], counts[order]) for part in (gain, width))
    zeroed = np.repeat(np.where(low[order] > 0, 0.0, q[order]), counts[order])
    # where a pixel is 0 its term does not depend on the sum any more
    value = np.cumsum(gains) + (1 - np.cumsum(zeroed)) * np.log1p(-np.cumsum(falls) / total)
    best = int(np.argmax(value)) + 1 if len(value) and value.max() > 0 else 0
    moved = np.zeros_like(counts)
    for cell in order:
        moved[cell] = min(best, counts[cell])
        best -= moved[cell]
    return order, moved


def _highest(q: Array, ends: tuple[Array, Array], counts: Array, eps: float) -> tuple[float, float]:
    import numpy as np

    low, high = ends
    if eps == 0 and bool(((low == 0) & (q > 0)).any()):
        return math.inf, math.inf
    _, moved = highest_map(q, low, high, counts, eps)
    # each cell is two: its pixels at the lower end, and the others
    reached = divergence(np.tile(q, 2), np.concatenate([low, high]), eps, np.concatenate([moved, counts - moved]))
    total = float((counts * high).sum())
    with quiet():
        terms = np.where(q > 0, counts * q * np.log(eps + np.where(q > 0, q, 1.0) / (low / total + eps)), 0.0)
    return reached, max(reached, float(terms.sum()))


def dithered_levels(levels: Array, rounding: Rounding, seed: int = 0) -> Iterator[Array]:
    """Maps of floats that round to the levels: every pixel lies at random in its interval, by itself."""
    import numpy as np

    low, high = intervals(levels.astype(np.float64), rounding)
    rng = np.random.default_rng(seed)
    for _ in range(DRAWS):
        yield rng.uniform(low, high)


def _dithered(levels: Array, q: Array, eps: float, rounding: Rounding, seed: int) -> tuple[float, float]:
    drawn = [divergence(q, one, eps) for one in dithered_levels(levels, rounding, seed)]
    return min(drawn), max(drawn)
