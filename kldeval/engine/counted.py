"""8-bit pairs by the cells of their joint histograms, several pairs at a time.

What acts on whole maps depends on 256 levels and on how many pixels have each, so the levels of many pairs are
normalised at once, and each pair is measured on its few thousand occupied cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.density import Density
from kldeval.engine.histogram import count_cells, levels, looked_up, pair_of_cells
from kldeval.engine.sides import ROLES, Sides, chain_of, full_scales, worst_problems
from kldeval.maps.chain import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.arrays import Array
    from kldeval.engine.sides import Problems, Role, Seen, Where
    from kldeval.records import MapPair
    from kldeval.settings import Settings


@dataclass(frozen=True, slots=True)
class Counted:
    """An 8-bit pair without its maps: the cells of its joint histogram, also in the form of a pair."""

    pair: MapPair
    pred_counts: Array
    gt_counts: Array

    @classmethod
    def of(cls, pair: MapPair) -> Counted:
        """The joint histogram of an 8-bit pair."""
        cells = count_cells(pair.pred, pair.gt)
        return cls(pair_of_cells(pair, cells), cells.pred_counts, cells.gt_counts)


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of joint histograms: the levels of either side that meet in each, and how often they do.

    The levels of all pairs are normalised together, as maps (n, 1, 256); `occurs` says which a map has.
    """

    counted: Sequence[Counted]
    sides: Sides
    occurs: Mapping[Role, Array]
    found: dict[tuple[Role, bool, bytes], _Levels]

    @classmethod
    def of(cls, counted: Sequence[Counted]) -> Cells:
        """The view of pairs of one scale."""
        import numpy as np

        counts: dict[Role, Array] = {
            "pred": np.stack([one.pred_counts for one in counted]),
            "gt": np.stack([one.gt_counts for one in counted]),
        }
        sides = Sides({role: (levels(), counts[role]) for role in ROLES}, full_scales(counted[0].pair), {})
        return cls(counted, sides, {role: counts[role] > 0 for role in ROLES}, {})

    @property
    def pairs(self) -> tuple[MapPair, ...]:
        """The pairs, each of the shape (1, cells)."""
        return tuple(one.pair for one in self.counted)

    def normalised(self, role: Role, settings: Settings, policy: str) -> tuple[Seen, Problems]:
        """The 256 levels after the chain: one and the same side for all chains that make the same numbers of them."""
        values = normalise(self.sides.start(role, settings, policy), chain_of(role, settings))
        block = values.block(slice(0, 1))
        key = role, values.is_log, block.tobytes()
        if key not in self.found:
            table = values.xp.broadcast_to(block, self.occurs[role].shape)
            table = Density(log=table) if values.is_log else Density(prob=table)
            self.found[key] = _Levels(role, table, self.occurs[role])
        return self.found[key], worst_problems(values, len(self.counted))

    def blocks(self, place: int) -> Iterator[tuple[Where, Array | None]]:
        """All cells of a pair at once."""
        pair = self.counted[place].pair
        yield (place, {"pred": pair.pred, "gt": pair.gt}), pair.weights


@dataclass(frozen=True, slots=True)
class _Levels:
    role: Role
    levels: Density
    occurs: Array

    def at(self, where: tuple[int, Mapping[Role, Array]]) -> Density:
        place, cells = where
        return LookedUp(self.levels, self.occurs, place, cells[self.role])


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
