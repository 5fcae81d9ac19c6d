"""Ways to look at a pair of maps, so that a chain touches as few numbers as it can.

Two 8-bit maps have few values. What acts on the whole map normalises 256 levels and is measured on the cells of the
joint histogram; what acts within rows (or columns) normalises the 256 levels of every row and is looked up at the
pixels. Other maps are walked through in blocks of rows. The numeric body is the same each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from kldeval.density import Density
from kldeval.engine.histogram import LEVELS, collapse
from kldeval.engine.measure import density
from kldeval.maps.steps import STEPS, one_axis
from kldeval.maps.values import Values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kldeval.arrays import Array
    from kldeval.maps.chain import Chain
    from kldeval.names import Call
    from kldeval.records import MapPair

Role = Literal["pred", "gt"]

ROLES: tuple[Role, ...] = ("pred", "gt")

Reach = Literal["value", "rows", "columns", "place"]
"""What a chain asks of a pixel beside the statistics of the map: its value, its row, its column, or its place."""

BLOCK_PIXELS = 32_768
"""Pixels looked up at a time: several arrays of them stay in a core's second-level cache."""


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the pixels: their densities, from what `View.prepared` gave, and how often each counts (None: once)."""

    density: Callable[[Role, Any], Density]
    weights: Array | None = None


class View(Protocol):
    """A pair of maps as something to normalise and something to sum over."""

    def side(self, role: Role) -> tuple[Array, Array | None]:
        """What a chain normalises, and the weights of its elements."""

    def prepared(self, values: Values) -> Any:
        """Normalised values in the form in which the blocks take them."""

    def blocks(self) -> Iterator[Block]:
        """What is summed over."""


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


def view_of(pair: MapPair, needed: Reach) -> View:
    """The cheapest view of the pair that knows what is needed of a pixel."""
    if needed == "place" or not has_levels(pair):
        return Pixels({"pred": pair.pred, "gt": pair.gt})
    if needed == "value":
        return cells_of(pair)
    return Lines({"pred": pair.pred, "gt": pair.gt}, along_rows=needed == "rows")


@dataclass(frozen=True, slots=True)
class Pixels:
    """Maps as they are, walked through in blocks of rows."""

    maps: Mapping[Role, Array]

    def side(self, role: Role) -> tuple[Array, Array | None]:
        """The map."""
        return self.maps[role], None

    def prepared(self, values: Values) -> Values:
        """The values, which each block computes for its rows."""
        return values

    def blocks(self) -> Iterator[Block]:
        """Rows that fit a cache."""
        for rows in Values(self.maps["gt"], None).rows:
            yield Block(partial(_rows_of, rows))


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a joint histogram: the levels of either side that meet in each, and how often they do."""

    levels: Mapping[Role, Array]
    counts: Array

    def side(self, role: Role) -> tuple[Array, Array | None]:
        """The 256 levels and how many pixels have them."""
        import numpy as np

        occurring = np.bincount(self.levels[role].ravel(), self.counts.ravel(), LEVELS)
        return np.arange(LEVELS, dtype=np.uint8)[None], occurring[None]

    def prepared(self, values: Values) -> Density:
        """The density of the levels."""
        return density(values, slice(0, 1))

    def blocks(self) -> Iterator[Block]:
        """All cells at once."""
        yield Block(partial(_look_up, self.levels), self.counts)


def cells_of(pair: MapPair) -> Cells:
    """The joint histogram of an 8-bit pair."""
    import numpy as np

    found = collapse(pair)
    levels: dict[Role, Array] = {"pred": found.pred.astype(np.intp), "gt": found.gt.astype(np.intp)}
    return Cells(levels, np.ones(found.pred.shape) if found.weights is None else found.weights)


@dataclass(frozen=True, slots=True)
class Lines:
    """8-bit maps with a histogram of every row (or of every column) of either side."""

    maps: Mapping[Role, Array]
    along_rows: bool

    def side(self, role: Role) -> tuple[Array, Array | None]:
        """The 256 levels of every line and how many of its pixels have them: (H, 256), or (256, W) of columns."""
        import numpy as np

        array = self.maps[role] if self.along_rows else self.maps[role].T
        places = np.arange(len(array))[:, None] * LEVELS + array
        counts = np.bincount(places.ravel(), minlength=len(array) * LEVELS).reshape(-1, LEVELS).astype(np.float64)
        levels = np.broadcast_to(np.arange(LEVELS, dtype=np.uint8), counts.shape)
        tables = (levels, counts) if self.along_rows else (levels.T, counts.T)
        # in memory as they are looked up: row after row
        return np.ascontiguousarray(tables[0]), np.ascontiguousarray(tables[1])

    def prepared(self, values: Values) -> Density:
        """The density of the levels of every line."""
        return density(values, slice(0, values.source.shape[-2]))

    def blocks(self) -> Iterator[Block]:
        """Blocks of rows, with the place of every pixel in the table of its side."""
        height, width = self.maps["gt"].shape
        step = max(1, BLOCK_PIXELS // width)
        for top in range(0, height, step):
            rows = slice(top, min(top + step, height))
            yield Block(partial(_look_up, {role: self._places(array, rows) for role, array in self.maps.items()}))

    def _places(self, array: Array, rows: slice) -> Array:
        import numpy as np

        levels = array[rows].astype(np.intp)
        if self.along_rows:
            return np.arange(rows.start, rows.stop)[:, None] * LEVELS + levels
        return levels * array.shape[1] + np.arange(array.shape[1])


class LookedUp(Density):
    """A density of levels, seen at the pixels or cells that have them: logarithms are taken once per level."""

    __slots__ = ("_levels", "_places", "_zero")

    def __init__(self, levels: Density, places: Array) -> None:
        super().__init__()
        self.is_log = levels.is_log
        self._levels = levels
        self._places = places
        self._zero: Array | None = None

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
        if self._zero is None:
            self._zero = self._taken(self._levels.is_zero)
        return self._zero

    @property
    def xp(self) -> object:
        """The array namespace of the density."""
        return self._levels.xp

    def _taken(self, table: Array) -> Array:
        return table.take(self._places, mode="clip")


def _rows_of(rows: slice, _: Role, values: Values) -> Density:
    return density(values, rows)


def _look_up(places: Mapping[Role, Array], role: Role, levels: Density) -> Density:
    return LookedUp(levels, places[role])


def _reach_of_step(call: Call) -> Reach:
    entry = STEPS[call.name]
    axis = call.keywords.get("axis", entry.defaults.get("axis"))
    if axis is not None:
        return "rows" if one_axis(axis) == (-1,) else "columns"
    spatial = entry.traits.get("spatial")
    return "rows" if spatial == "rows" else "place" if spatial else "value"


def has_levels(pair: MapPair) -> bool:
    """Whether both maps are of 8 bits."""
    import numpy as np

    return all(isinstance(array, np.ndarray) and array.dtype == np.uint8 for array in (pair.pred, pair.gt))
