"""Ways to look at a pair of maps, so that a chain touches as few numbers as it can.

Two 8-bit maps have few values. What acts on the whole map normalises 256 levels, and is measured on the cells of the
joint histogram. What acts within rows (or columns) is, for such maps, a number per level times a number per line
(`engine.lines`). All other maps are walked through in blocks of rows. The steps and the metrics are the same each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from kldeval.density import Density
from kldeval.engine.histogram import count_cells, levels
from kldeval.engine.lines import Lookups, line_density
from kldeval.engine.measure import Side, density, scaled
from kldeval.maps.chain import normalise
from kldeval.maps.steps import STEPS, one_axis
from kldeval.maps.values import Values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kldeval.arrays import Array
    from kldeval.maps.chain import Chain
    from kldeval.names import Call
    from kldeval.records import MapPair
    from kldeval.settings import Settings

Role = Literal["pred", "gt"]

ROLES: tuple[Role, ...] = ("pred", "gt")

Reach = Literal["value", "rows", "columns", "place"]
"""What a chain asks of a pixel beside the statistics of the map: its value, its row, its column, or its place."""

Where = Any
"""Some pixels, in the way in which the densities of a view are asked for them."""


class Seen(Protocol):
    """A normalised side of a pair."""

    def at(self, where: Where) -> Density:
        """The density of some pixels."""


Problem = tuple[str, float]
"""The kind and the smallest detail of what stands against using a normalised side."""


class View(Protocol):
    """A pair of maps as something to normalise and something to sum over."""

    def normalised(self, role: Role, settings: Settings, policy: str) -> tuple[Seen, Problem | None]:
        """A side after its chain; `policy` is what an empty map becomes."""

    def blocks(self) -> Iterator[tuple[Where, Array | None]]:
        """Some pixels after others, until all were there, and how often each counts (None: once)."""


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

    pixels = Pixels(_Sides({"pred": (pair.pred, None), "gt": (pair.gt, None)}, _full_scales(pair), {}))
    if any(array.dtype != np.uint8 for array in (pair.pred, pair.gt)):
        return {"value": pixels, "rows": pixels, "columns": pixels, "place": pixels}
    cells = Cells.of(pair)
    lines = Lines(pixels, cells.sides, {"pred": Lookups(pair.pred), "gt": Lookups(pair.gt)})
    return {"value": cells, "rows": lines, "columns": lines, "place": pixels}


@dataclass(frozen=True, slots=True)
class _Sides:
    """The arrays of both sides with the weights of their elements and their full scales, and what they start from."""

    arrays: Mapping[Role, tuple[Array, Array | None]]
    full_scales: Mapping[Role, float | None]
    started: dict[tuple[str, str, str, str], Values]

    def start(self, role: Role, settings: Settings, policy: str) -> Values:
        """The values of a side before its chain, once for each scale and policy: their extremes are kept with them."""
        key = (role, settings.scale, settings.dtype, policy)
        if key not in self.started:
            array, weights = self.arrays[role]
            side = Side(array, self.full_scales[role])
            self.started[key] = scaled(side, settings, weights=weights, empty=policy)
        return self.started[key]


@dataclass(frozen=True, slots=True)
class Pixels:
    """Maps as they are, walked through in blocks of rows."""

    sides: _Sides

    def normalised(self, role: Role, settings: Settings, policy: str) -> tuple[Seen, Problem | None]:
        """The map after its chain, not yet computed."""
        values = normalise(self.sides.start(role, settings, policy), chain_of(role, settings))
        return _Rows(values), _worst_problem(values)

    def blocks(self) -> Iterator[tuple[Where, Array | None]]:
        """Rows that fit a cache."""
        yield from ((rows, None) for rows in Values(self.sides.arrays["gt"][0], None).rows)


@dataclass(frozen=True, slots=True)
class Lines:
    """8-bit maps under chains that work within lines, looked up by level and line; `pixels` do what is irregular."""

    pixels: Pixels
    levels: _Sides
    lookups: Mapping[Role, Lookups]

    def normalised(self, role: Role, settings: Settings, policy: str) -> tuple[Seen, Problem | None]:
        """The map after its chain."""
        chain = chain_of(role, settings)
        found = None
        if reach(chain) != "value":
            found = line_density(self.lookups[role], self.levels.start(role, settings, policy), chain)
        return (found, None) if found else self.pixels.normalised(role, settings, policy)

    def blocks(self) -> Iterator[tuple[Where, Array | None]]:
        """Rows that fit a cache."""
        yield from ((rows, None) for rows in self.lookups["gt"].blocks)


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a joint histogram: the levels of either side that meet in each, and how often they do."""

    sides: _Sides
    places: Mapping[Role, Array]
    counts: Array
    found: dict[tuple[Role, bool, bytes], _Levels]

    @classmethod
    def of(cls, pair: MapPair) -> Cells:
        """The joint histogram of an 8-bit pair."""
        cells = count_cells(pair.pred, pair.gt)
        arrays: dict[Role, tuple[Array, Array]] = {
            "pred": (levels(), cells.pred_counts),
            "gt": (levels(), cells.gt_counts),
        }
        places: dict[Role, Array] = {"pred": cells.pred, "gt": cells.gt}
        return cls(_Sides(arrays, _full_scales(pair), {}), places, cells.counts[0], {})

    def normalised(self, role: Role, settings: Settings, policy: str) -> tuple[Seen, Problem | None]:
        """The 256 levels after the chain: one and the same side for all chains that make the same numbers of them."""
        values = normalise(self.sides.start(role, settings, policy), chain_of(role, settings))
        block = values.block(slice(0, 1))
        seen = _Levels(role, Density(log=block) if values.is_log else Density(prob=block))
        return self.found.setdefault((role, values.is_log, block.tobytes()), seen), _worst_problem(values)

    def blocks(self) -> Iterator[tuple[Where, Array | None]]:
        """All cells at once."""
        yield self.places, self.counts


def chain_of(role: Role, settings: Settings) -> Chain:
    """The chain of a side."""
    return settings.pred if role == "pred" else settings.gt


@dataclass(frozen=True, slots=True)
class _Rows:
    values: Values

    def at(self, where: slice) -> Density:
        return density(self.values, where)


@dataclass(frozen=True, slots=True)
class _Levels:
    role: Role
    levels: Density

    def at(self, where: Mapping[Role, Array]) -> Density:
        return LookedUp(self.levels, where[self.role])


class LookedUp(Density):
    """A density of levels, seen at the cells that have them: logarithms are taken once per level."""

    __slots__ = ("_levels", "_places")

    def __init__(self, levels: Density, places: Array) -> None:
        super().__init__()
        self.is_log = levels.is_log
        self._levels = levels
        self._places = places

    @property
    def prob(self) -> Array:
        """The probabilities."""
        if self._prob is None:
            self._prob = self._taken(self._levels.prob)
        return self._prob

    @property
    def log(self) -> Array:
        """The logarithms of the probabilities."""
        if self._log is None:
            self._log = self._taken(self._levels.log)
        return self._log

    @property
    def is_zero(self) -> Array:
        """Where the probability is exactly 0."""
        return self._taken(self._levels.is_zero)

    @property
    def xp(self) -> object:
        """The array namespace of the density."""
        return self._levels.xp

    def _taken(self, table: Array) -> Array:
        return table.take(self._places, mode="clip")


def _worst_problem(values: Values) -> Problem | None:
    """Not finite before negative before empty."""
    for kind in ("nonfinite", "negative", "empty"):
        for problem in values.problems:
            if problem.kind == kind and problem.found.any():
                return kind, float(problem.detail.min())
    return None


def _full_scales(pair: MapPair) -> dict[Role, float | None]:
    return {"pred": pair.pred_scale, "gt": pair.gt_scale}


def _reach_of_step(call: Call) -> Reach:
    entry = STEPS[call.name]
    axis = call.keywords.get("axis", entry.defaults.get("axis"))
    if axis is not None:
        return "rows" if one_axis(axis) == (-1,) else "columns"
    spatial = entry.traits.get("spatial")
    return "rows" if spatial == "rows" else "place" if spatial else "value"
