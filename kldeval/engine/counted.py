"""8-bit pairs by their joint histograms, several pairs at a time.

What acts on whole maps depends on 256 levels and on how many pixels have each, so the levels of many pairs are
normalised at once. A divergence is a few products of the levels with the counts (`metrics.separated`), or else is
measured on the occupied cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kldeval.engine.histogram import cells_of_counts, joint_counts, levels, looked_up, margins
from kldeval.engine.sides import ROLES, Sides, chain_of, full_scales, worst_problems
from kldeval.metrics.separable import LARGEST_QUOTIENT, powers
from kldeval.normalization.chain import normalise
from kldeval.normalization.density import Density

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.arrays import Array
    from kldeval.engine import histogram
    from kldeval.engine.cases import Case
    from kldeval.engine.sides import Problems, Where
    from kldeval.metrics.separable import Part
    from kldeval.records import MapPair, Role
    from kldeval.settings.settings import Settings


CANCELLED = 1e-5
"""A sum that is smaller than this share of its summands has lost five of their sixteen digits."""


@dataclass(frozen=True, slots=True)
class Counted:
    """An 8-bit pair without its maps: how often each two levels meet (256, 256), the prediction's first.

    The maps of `pair` are the levels that occur, of shape (1, n); `margins` say how many pixels have each level of a
    side, and `cells` are there where they were needed already.
    """

    pair: MapPair
    counts: Array
    margins: tuple[Array, Array]
    cells: histogram.Cells | None = None

    @classmethod
    def of(cls, pair: MapPair) -> Counted:
        """The joint histogram of an 8-bit pair."""
        return cls.of_counts(pair, joint_counts(pair.pred, pair.gt))

    @classmethod
    def of_counts(cls, pair: MapPair, counts: Array, cells: histogram.Cells | None = None) -> Counted:
        """The pair that was counted so."""
        both = (cells.pred_counts, cells.gt_counts) if cells else margins(counts)
        pred, gt = (levels()[:, margin[0] > 0] for margin in both)
        return cls(replace(pair, pred=pred, gt=gt, weights=None, company=None), counts, both, cells)


class Cells:
    """Joint histograms as something to normalise and something to sum over: a view of many pairs of one scale.

    The levels of all pairs are normalised together, as maps (n, 1, 256).
    """

    def __init__(self, counted: Sequence[Counted]) -> None:
        import numpy as np

        self.counted = counted
        self.pairs = tuple(one.pair for one in counted)
        counts: dict[Role, Array] = {
            role: np.stack([one.margins[place] for one in counted]) for place, role in enumerate(ROLES)
        }
        self.sides = Sides({role: (levels(), counts[role]) for role in ROLES}, full_scales(counted[0].pair), {})
        self._occurs = {role: counts[role] > 0 for role in ROLES}
        self._found: dict[tuple[Role, bool, bytes], Levels] = {}
        self._separated: dict[tuple[Levels, Levels, str], Sequence[_Separated]] = {}
        self._table: tuple[int, Array] | None = None

    def normalised(self, role: Role, settings: Settings, policy: str) -> tuple[Levels, Problems]:
        """The 256 levels after the chain: one and the same side for all chains that make the same numbers of them."""
        values = normalise(self.sides.start(role, settings, policy), chain_of(role, settings))
        block = values.block(slice(0, 1))
        key = role, values.is_log, block.tobytes()
        if key not in self._found:
            table = values.xp.broadcast_to(block, self._occurs[role].shape)
            density = Density(log=table) if values.is_log else Density(prob=table)
            self._found[key] = Levels(role, density, self.sides.arrays[role][1])
        return self._found[key], worst_problems(values, len(self.counted))

    def known_sum(self, place: int, case: Case, pred: Levels, gt: Levels) -> float | None:
        """The sum of a case's terms from the levels of a pair alone, where that is possible."""
        key = pred, gt, case.what
        if key not in self._separated:
            found = case.separated(pred.density, gt.density) if case.separated else None
            self._separated[key] = [_Separated(part, pred, gt) for part in found or ()]
        parts = self._separated[key]
        if not parts or not all(part.is_exact[place] for part in parts):
            return None
        summands = [summand for part in parts for summand in part.summands(place, self._counts(place))]
        total = sum(summands)
        # what is left of summands that cancel has their rounding: the cells subtract before they sum
        return None if abs(total) < CANCELLED * max(map(abs, summands)) else total

    def blocks(self, place: int) -> Iterator[tuple[Where, Array | None]]:
        """All cells of a pair at once."""
        cells = self.counted[place].cells or cells_of_counts(self.counted[place].counts)
        yield (place, {"pred": cells.pred, "gt": cells.gt}), cells.counts

    def _counts(self, place: int) -> Array:
        """The joint histogram of a pair in float64, which is asked for many times before that of the next."""
        import numpy as np

        if self._table is None or self._table[0] != place:
            self._table = place, self.counted[place].counts.astype(np.float64)
        return self._table[1]


class Levels:
    """A normalised side of many pairs: the density of each level, and how many pixels of each pair have it."""

    def __init__(self, role: Role, density: Density, counts: Array) -> None:
        self.role = role
        self.density = density
        self.counts = counts
        self.occurs = counts > 0
        self.is_finite = density.xp.isfinite(density.xp.where(self.occurs, density.prob, 0.0)).all(axis=-1)
        self._powers: Array | None = None
        self._met: tuple[int, Array] | None = None

    def at(self, where: tuple[int, Mapping[Role, Array]]) -> Density:
        """The density at some cells of a pair."""
        place, cells = where
        return LookedUp(self.density, self.occurs, place, cells[self.role])

    def met(self, place: int, table: Array) -> Array:
        """For each power of this side's density its sum over the pixels that have each level of the other side."""
        if self._powers is None:
            self._powers = self.density.xp.where(self.occurs[:, None], powers(self.density), 0.0)
        if self._met is None or self._met[0] != place:
            columns = self._powers[place, :, 0]
            self._met = place, columns @ (table.T if self.role == "gt" else table)
        return self._met[1]


class LookedUp(Density):
    """The density of levels of one pair out of several, seen at the cells that have them.

    Logarithms are taken once per level, and of all pairs together. `occurs` says which levels there are.
    """

    __slots__ = ("_cells", "_levels", "_occurs", "_place")

    def __init__(self, levels: Density, occurs: Array, place: int, cells: Array) -> None:
        super().__init__()
        self.is_log = levels.is_log
        self._levels = levels
        self._occurs = occurs
        self._place = place
        self._cells = cells

    @property
    def prob(self) -> Array:
        """The probabilities."""
        if self._prob is None:
            self._prob = looked_up(self._levels.prob[self._place], self._cells)
        return self._prob

    @property
    def log(self) -> Array:
        """The logarithms of the probabilities."""
        if self._log is None:
            self._log = looked_up(self._levels.log[self._place], self._cells)
        return self._log

    @property
    def is_zero(self) -> Array:
        """Where the probability is exactly 0."""
        return looked_up(self._levels.is_zero[self._place], self._cells)

    @property
    def has_zeros(self) -> bool:
        """Whether a probability is exactly 0, which the levels tell."""
        return bool((self._levels.is_zero[self._place] & self._occurs[self._place]).any())

    @property
    def xp(self) -> object:
        """The array namespace of the density."""
        return self._levels.xp


class _Separated:
    """A part of a divergence of many pairs: what can be said of the levels of each side before the two meet."""

    def __init__(self, part: Part, pred: Levels, gt: Levels) -> None:
        import numpy as np

        self._target, self._other = (gt, pred) if part.target == "gt" else (pred, gt)
        self._scale = part.scale
        self._own = _masked_product(self._target.counts * self._target.density.prob, part.own).sum(axis=-1)
        self._factors = np.stack([np.broadcast_to(one, part.own.shape) for one in part.factors], axis=-2)
        largest = np.where(self._other.occurs, part.reach, 0.0).max(axis=-1)
        t = self._target.density.prob
        least = np.where(self._target.occurs & (t != 0), t, np.inf).min(axis=-1)
        is_plain = self._target.is_finite & self._other.is_finite
        self.is_exact = (is_plain & (largest <= LARGEST_QUOTIENT * least))[:, 0]

    def summands(self, place: int, table: Array) -> tuple[float, float]:
        """What the target alone and what both sides together add to the sum over the pixels of a pair."""
        factors = self._factors[place, 0]
        met = self._target.met(place, table)[: len(factors)]
        both = _masked_product(met, factors).sum(axis=-1).sum()
        return self._scale * float(self._own[place, 0]), self._scale * float(both)


def _masked_product(weights: Array, numbers: Array) -> Array:
    """Their product; 0 where the weight is 0, also where the number is infinite or undefined."""
    import numpy as np

    return np.where(weights == 0, 0.0, weights * numbers)
