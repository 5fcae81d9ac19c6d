"""Ways to look at a pair of maps, so that a chain touches as few numbers as it can.

Two 8-bit maps have few values. What acts on the whole map normalises 256 levels, and is measured on the cells of the
joint histogram. What acts within rows (or columns) is, for such maps, a number per level times a number per line
(`engine.lines`). All other maps are walked through in blocks of rows. The steps and the metrics are the same each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from kldeval.engine.counted import Cells, Counted
from kldeval.engine.lines import LineDensity, Lookups, exact_divergence, line_density
from kldeval.engine.measure import density
from kldeval.engine.sides import Sides, chain_of, full_scales, worst_problems
from kldeval.normalization.chain import normalise
from kldeval.normalization.lazy_map import LazyMap
from kldeval.normalization.steps import STEPS, one_axis

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.arrays import Array
    from kldeval.engine.cases import Case
    from kldeval.engine.sides import Problems, Seen, Where
    from kldeval.grammar import Call
    from kldeval.normalization.chain import Chain
    from kldeval.normalization.density import Density
    from kldeval.records import MapPair, Role
    from kldeval.settings.settings import Settings

Reach = Literal["value", "rows", "columns", "place"]
"""What a chain asks of a pixel beside the statistics of the map: its value, its row, its column, or its place."""


EXACT = "kld"
"""The metric that 8-bit maps normalised within lines answer without a logarithm of a pixel."""


class View(Protocol):
    """Pairs of maps as something to normalise and something to sum over."""

    @property
    def pairs(self) -> Sequence[MapPair]:
        """The pairs, by whose place in the sequence they are called."""

    def normalised(self, role: Role, settings: Settings, policy: str) -> tuple[Seen, Problems]:
        """A side after its chain; `policy` is what an empty map becomes."""

    def known_sum(self, place: int, case: Case, pred: Any, gt: Any) -> float | None:
        """The sum of a case's terms over a pair, of sides of this view, where it takes no walk over its pixels."""

    def blocks(self, place: int) -> Iterator[tuple[Where, Array | None]]:
        """Some pixels of a pair after others, until all were there, and how often each counts (None: once)."""


def reach(chain: Chain) -> Reach:
    """What the chain asks of a pixel."""
    return joint_reach(*map(_reach_of_step, chain))


def joint_reach(*found: Reach) -> Reach:
    """What several chains ask of a pixel together.

    >>> joint_reach("value", "rows"), joint_reach("rows", "columns")
    ('rows', 'place')
    """
    some = set(found) - {"value"}
    return some.pop() if len(some) == 1 else "place" if some else "value"


def views_of(pair: MapPair) -> Mapping[Reach, View]:
    """For each thing that may be needed of a pixel the cheapest view of the pair that knows it."""
    import numpy as np

    pixels = Pixels((pair,), Sides({"pred": (pair.pred, None), "gt": (pair.gt, None)}, full_scales(pair), {}))
    if any(array.dtype != np.uint8 for array in (pair.pred, pair.gt)):
        return {"value": pixels, "rows": pixels, "columns": pixels, "place": pixels}
    counted = Counted.of(pair)
    cells = Cells([counted])
    lines = Lines(pixels, cells.sides, {"pred": Lookups(pair.pred), "gt": Lookups(pair.gt)}, counted.counts)
    return {"value": cells, "rows": lines, "columns": lines, "place": pixels}


@dataclass(frozen=True, slots=True)
class Pixels:
    """Maps as they are, walked through in blocks of rows: a view of one pair."""

    pairs: tuple[MapPair]
    sides: Sides

    def normalised(self, role: Role, settings: Settings, policy: str) -> tuple[Seen, Problems]:
        """The map after its chain, not yet computed."""
        values = normalise(self.sides.start(role, settings, policy), chain_of(role, settings))
        return _Rows(values), worst_problems(values, 1)

    def known_sum(self, place: int, case: Case, pred: Seen, gt: Seen) -> None:
        """Nothing is."""

    def blocks(self, place: int) -> Iterator[tuple[Where, Array | None]]:  # noqa: ARG002 - there is one pair
        """Rows that fit a cache."""
        yield from ((rows, None) for rows in LazyMap(self.sides.arrays["gt"][0], None).rows)


@dataclass(frozen=True, slots=True)
class Lines:
    """8-bit maps under chains that work within lines, looked up by level and line: a view of one pair.

    `pixels` do what is irregular.
    """

    pixels: Pixels
    levels: Sides
    lookups: Mapping[Role, Lookups]
    counts: Array

    @property
    def pairs(self) -> tuple[MapPair]:
        """The only pair."""
        return self.pixels.pairs

    def normalised(self, role: Role, settings: Settings, policy: str) -> tuple[Seen, Problems]:
        """The map after its chain."""
        chain = chain_of(role, settings)
        if reach(chain) != "value":
            found = line_density(self.lookups[role], self.levels.start(role, settings, policy), chain)
            if found:
                return found[0], (found[1],)
        return self.pixels.normalised(role, settings, policy)

    def known_sum(self, place: int, case: Case, pred: Seen, gt: Seen) -> float | None:  # noqa: ARG002 - one pair
        """The exact divergence of lines, which takes no logarithm of a pixel."""
        if case.what == EXACT and isinstance(pred, LineDensity) and isinstance(gt, LineDensity):
            return exact_divergence(pred, gt, self.counts)
        return None

    def blocks(self, place: int) -> Iterator[tuple[Where, Array | None]]:  # noqa: ARG002 - there is one pair
        """Rows that fit a cache."""
        yield from ((rows, None) for rows in self.lookups["gt"].blocks)


@dataclass(frozen=True, slots=True)
class _Rows:
    values: LazyMap

    def at(self, where: slice) -> Density:
        return density(self.values, where)


def _reach_of_step(call: Call) -> Reach:
    entry = STEPS[call.name]
    axis = call.keywords.get("axis", entry.defaults.get("axis"))
    if axis is not None:
        return "rows" if one_axis(axis) == (-1,) else "columns"
    return entry.info.spatial or "value"
