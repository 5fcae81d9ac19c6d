"""8-bit maps normalised within rows or columns: a number per level times a number per line, looked up at the pixels.

A softmax within rows is exp(x - peak) of the level divided by the sum of its row; `sum-to-one(axis=...)` and
`latitude+sum-to-one` are products of that kind, too. So 256 exponentials or logarithms do for a whole map. What is
irregular (a line that sums to 0, negative or undefined values) is left to the plain body, which knows what to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.density import Density
from kldeval.inputs.opencv import opencv
from kldeval.maps.chain import normalise
from kldeval.maps.steps import one_axis

if TYPE_CHECKING:
    from kldeval.arrays import Array
    from kldeval.maps.chain import Chain
    from kldeval.maps.values import Values
    from kldeval.names import Call

LEVELS = 256


@dataclass(frozen=True, slots=True)
class LineDensity:
    """A density that is a factor of the level times a factor of the line, given by both factors and their logarithms.

    `by_level` and `by_line` are pairs of a factor and its logarithm: of shape (256,), and (H, 1) or (1, W). `is_log`:
    the chain ends in log-probabilities.
    """

    array: Array
    by_level: tuple[Array, Array]
    by_line: tuple[Array, Array]
    is_log: bool

    def at(self, rows: slice) -> Density:
        """The density of some rows."""
        factor, log_factor = (part if len(part) == 1 else part[rows] for part in self.by_line)
        return _Lookup(self.array[rows], self.by_level, (factor, log_factor), is_log=self.is_log)


class _Lookup(Density):
    """A block of a `LineDensity`: probabilities and logarithms are looked up when asked for."""

    __slots__ = ("_by_level", "_by_line", "_levels")

    def __init__(
        self, levels: Array, by_level: tuple[Array, Array], by_line: tuple[Array, Array], *, is_log: bool
    ) -> None:
        super().__init__()
        self.is_log = is_log
        self._levels = levels
        self._by_level = by_level
        self._by_line = by_line

    @property
    def prob(self) -> Array:
        """The probabilities."""
        if self._prob is None:
            self._prob = looked_up(self._levels, self._by_level[0])
            self._prob *= self._by_line[0]
        return self._prob

    @property
    def log(self) -> Array:
        """The logarithms of the probabilities."""
        if self._log is None:
            self._log = looked_up(self._levels, self._by_level[1])
            self._log += self._by_line[1]
        return self._log

    @property
    def is_zero(self) -> Array:
        """Where the probability is exactly 0."""
        import numpy as np

        return self.log == -np.inf if self.is_log else self.prob == 0

    @property
    def has_zeros(self) -> bool:
        """Whether a probability may be exactly 0, which the two factors tell without looking at a pixel."""
        return any(bool((factor[0] == 0).any()) for factor in (self._by_level, self._by_line))

    @property
    def xp(self) -> object:
        """The array namespace of the density."""
        import numpy as np

        return np


def looked_up(levels: Array, table: Array) -> Array:
    """The table's number of every level, as a new array."""
    return opencv().LUT(levels, table)


def line_density(array: Array, start: Values, chain: Chain) -> LineDensity | None:
    """The density of an 8-bit map (H, W) under a chain that works within lines; None where the plain body must do it.

    `start` are the 256 levels on the scale of the settings, before the chain, with how many pixels have each.
    """
    import numpy as np

    prefix, final = _split(chain)
    values = normalise(start, prefix) if prefix else start
    levels = values.whole()[0]
    present = start.weights[0] > 0 if start.weights is not None else np.ones(LEVELS, np.bool)
    if any(problem.found.any() for problem in values.problems) or not _is_regular(levels[present]):
        return None
    # what does not occur is never looked up, and must not count as a zero
    levels = np.where(present, levels, 1.0)
    if final[-1].name == "softmax":
        return _softmax(array, levels, present, final[-1])
    return _sum_to_one(array, levels, final)


def _split(chain: Chain) -> tuple[Chain, Chain]:
    """What acts on the whole map, and the last step, with the weight of the latitude before it."""
    last = 2 if len(chain) > 1 and chain[-2].name == "latitude" else 1
    return chain[:-last], chain[-last:]


def _is_regular(levels: Array) -> bool:
    """Whether all numbers are finite and none is negative."""
    import numpy as np

    return bool(np.isfinite(levels).all() and levels.min() >= 0)


def _softmax(array: Array, levels: Array, present: Array, call: Call) -> LineDensity:
    import numpy as np

    axis = one_axis(call.keywords.get("axis", -1))[0]
    log_mass = levels - levels[present].max()
    mass = np.exp(log_mass)
    totals = looked_up(array, mass).sum(axis=axis, keepdims=True)
    return LineDensity(array, (mass, log_mass), (1 / totals, -np.log(totals)), is_log=True)


def _sum_to_one(array: Array, levels: Array, final: Chain) -> LineDensity | None:
    import numpy as np

    axis, offset = final[-1].keywords.get("axis"), final[-1].keywords.get("offset", 0.0)
    height = array.shape[0]
    rows = np.sin(np.pi * (np.arange(height) / max(1, height - 1)))[:, None]
    weights = rows if len(final) > 1 else np.ones((1, 1))
    sums = looked_up(array, levels).sum(axis=-1 if axis is None else one_axis(axis)[0], keepdims=True)
    totals = (weights * sums).sum() if axis is None else weights * sums
    if not np.all(totals > 0):
        return None
    by_line = weights / (totals + offset)
    return LineDensity(array, (levels, np.log(levels)), (by_line, np.log(by_line)), is_log=False)
