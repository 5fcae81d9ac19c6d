"""Maps seen through pointwise functions, a block of rows at a time.

A normalisation is a few statistics of the whole map and then a function of each pixel. `Values` keeps the two apart:
`min_max` and `sum` walk over the map in blocks that fit the processor's cache, `map` only remembers the function.
So a map of any size is normalised without a copy of it, and the same body serves a batch of tensors (one block, so
that gradients flow and nothing is computed twice) and the cells of a joint histogram (one block of a few thousand).

Shapes are (..., H, W) throughout; statistics keep their dimensions: (..., 1, 1) of whole maps, (..., H, 1) of rows.
"""

from __future__ import annotations

from dataclasses import field
from functools import reduce
from math import ceil
from operator import add
from typing import TYPE_CHECKING, Any

from kldeval.arrays import any_of, exp_of_temporary, namespace
from kldeval.dataclass import dataclass
from kldeval.normalization.arithmetic import BlockSum, arithmetic_for
from kldeval.normalization.segments import BLOCKS, in_segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kldeval.arrays import AnyArray as Array


MAP = (-2, -1)
"""The axes of a whole map."""

SUM = "sum"
"""The key of what is known of the sum of a whole map, beside that of its extremes."""

BLOCK_PIXELS = 32_768
"""Pixels a block, about: a float64 block is 256 KB, so that some of them stay in a core's second-level cache, and small
enough for malloc to keep their memory: blocks of 131 072 cost a process that has not settled malloc 2300 page faults a
pair and twice the time (6.0 against 3.2 ms for two maps of 480 x 640 floats), and two threads half as much again."""

NARROW = 256
"""The least width of a map; shorter rows are positions of a class map, each of whose blocks takes 60 calls of numpy."""

SHORT_ROWS_IN_A_BLOCK = 4
"""How many times as large such blocks are."""

TIMES_IN_A_LARGE_MAP = 2
"""How many times as large the blocks of a map of millions of pixels are, of which Python visits thousands."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What stands against a normalisation: `found` marks the maps it befalls.

    `kind` is nonfinite, overflow, negative or empty; `detail` holds the offending values.
    """

    kind: str
    found: Array
    detail: Array


@dataclass(frozen=True, slots=True)
class LazyMap:
    """Maps (..., H, W) under transformation, with the weight of each pixel.

    `empty` says what a division by zero means (error, keep, uniform, nan); `axes` are those over which a step made
    distributions of the values (none yet, or not said: None), and `is_log` whether they are log-probabilities;
    `is_positive` is said where no probability is known to be 0; `share` is what the last step divided, and by what;
    `quotient` is another map and a number above 0, where the values are one divided by the other.
    `may_wait` says that values may be looked at even on an accelerator, for which Python then waits.
    """

    source: Array
    dtype: Any
    weights: Array | None = None
    empty: str = "error"
    axes: tuple[int, ...] | None = None
    is_log: bool = False
    is_positive: bool = False
    may_wait: bool = False
    problems: tuple[Problem, ...] = ()
    functions: tuple[tuple[Callable[..., Array], tuple[Array | Deferred, ...]], ...] = ()
    known: dict[str, tuple[Array, ...]] = field(default_factory=dict)
    share: Share | None = None
    quotient: tuple[LazyMap, float] | None = None

    @property
    def xp(self) -> Any:
        """The array namespace of the maps."""
        return namespace(self.source)

    @property
    def rows(self) -> tuple[slice, ...]:
        """The blocks: slices of rows. Only numpy maps larger than a block have more than one, and no block has."""
        height, size = self.source.shape[-2], self.source.size
        if self.xp.__name__ != "numpy" or size <= BLOCK_PIXELS:
            return (slice(0, height),)
        if self.source.shape[-1] < NARROW:
            most = SHORT_ROWS_IN_A_BLOCK * BLOCK_PIXELS
        else:
            most = (1 if size <= BLOCKS * BLOCK_PIXELS else TIMES_IN_A_LARGE_MAP) * BLOCK_PIXELS
        step = ceil(height / max(1, ceil((size - size // height) / most)))
        return tuple(slice(start, min(start + step, height)) for start in range(0, height, step))

    def block(self, rows: slice, floats: Callable[[Array, Any], Array] | None = None) -> Array:
        """The values of some rows; `floats` makes some of the stored ones."""
        stored = self.source[..., rows, :]
        values = floats(stored, self.dtype) if floats else self.xp.astype(stored, self.dtype, copy=False)
        for function, statistics in self.functions:
            values = function(values, *(slice_rows(_worked_out(one), rows) for one in statistics))
        return values

    def blocks(self) -> Iterator[tuple[Array, Array | None]]:
        """Every block with its weights."""
        for rows in self.rows:
            yield self.block(rows), slice_rows(self.weights, rows)

    def statistics(self, of: Callable[[LazyMap], tuple[Array, ...]], axes: tuple[int, ...]) -> tuple[Array, ...]:
        """Statistics over `axes` that are made of one another: where rows do not meet, all of a block while it is near.

        `of` makes them of maps, and is given the map whole or some of its rows.
        """
        if MAP[0] in axes or len(self.rows) == 1:
            return of(self)
        parts = [of(self._part(rows)) for rows in self.rows]
        return tuple(self.xp.concat(list(column), axis=-2) for column in zip(*parts, strict=True))

    def _part(self, rows: slice) -> LazyMap:
        """Some rows as maps of their own, of which nothing is known yet."""
        functions = tuple(
            (one, tuple(slice_rows(_worked_out(each), rows) for each in known)) for one, known in self.functions
        )
        source, weights = self.source[..., rows, :], slice_rows(self.weights, rows)
        return self.changed(source=source, weights=weights, functions=functions)

    def whole(self) -> Array:
        """The values of all rows, computed."""
        return self.xp.concat([self.block(rows) for rows in self.rows], axis=-2)

    def map(self, function: Callable[..., Array], *statistics: Array | Deferred, **changes: Any) -> LazyMap:
        """The values through a function of each pixel (and of statistics, which are cut to the block).

        `changes` are the fields of the result that differ beside.
        """
        changes = {"is_positive": False, "share": None, "quotient": None, **changes}
        # of a share on an accelerator the quotient itself may never be asked for
        if len(self.rows) > 1 or (changes["share"] and "torch" in self.xp.__name__):
            return self.changed(functions=(*self.functions, (function, statistics)), known={}, **changes)
        # the only block is computed at once, and nothing remembered
        known = map(_worked_out, statistics)
        return self.changed(source=function(self.block(slice(None)), *known), functions=(), known={}, **changes)

    def changed(self, **changes: Any) -> LazyMap:
        """These values with other fields: `dataclasses.replace`, but several times as fast.

        Of another source nothing is known that is not said.
        """
        if "source" in changes:
            changes = {"known": {}, "share": None, "quotient": None, **changes}
        copy = object.__new__(LazyMap)
        for name in LazyMap.__slots__:
            object.__setattr__(copy, name, changes[name] if name in changes else getattr(self, name))
        return copy

    def min_max(self, axes: tuple[int, ...] = MAP) -> tuple[Array, Array]:
        """The minimum and the maximum over pixels of positive weight."""
        key = str(axes)
        if key not in self.known and self.quotient:
            low, high = self.quotient[0].min_max(axes)
            self.known[key] = low / self.quotient[1], high / self.quotient[1]
        if key not in self.known:
            ends = self._ends(axes)
            low = combine_blocks(self.xp, [low for low, _ in ends], axes, self.xp.minimum)
            high = combine_blocks(self.xp, [high for _, high in ends], axes, self.xp.maximum)
            self.known[key] = self.xp.astype(low, self.dtype), self.xp.astype(high, self.dtype)
        low, high = self.known[key]
        return low, high

    def _ends(self, axes: tuple[int, ...]) -> list[tuple[Array, Array]]:
        """The minimum and the maximum of each block, or of the whole map at once."""
        xp = self.xp
        # numpy compares half floats one by one, six times slower than it converts and compares them in blocks
        in_blocks = self.functions or self.weights is not None or self.source.dtype == "float16"
        if xp.__name__ == "numpy" and len(self.rows) > BLOCKS:
            stored = self.source if in_blocks else self._stored

            # the sum is taken while the values are there, which of a large map come from its file
            has_sum = axes == MAP and not in_blocks and self.dtype == xp.float64

            def ends_of(segment: Sequence[slice]) -> tuple[tuple[Array, Array], Array | None]:
                ends, total = [], BlockSum(self.source)
                for rows in segment:
                    values = self.block(rows) if in_blocks else stored[..., rows, :]
                    if has_sum:
                        total.add(values)
                    ends.append(_extent(xp, values, slice_rows(self.weights, rows), axes))
                low, high = zip(*ends, strict=True)
                whole = combine_blocks(xp, low, axes, xp.minimum), combine_blocks(xp, high, axes, xp.maximum)
                return whole, total.get() if has_sum else None

            parts = in_segments(self.rows, ends_of)
            if has_sum:
                self.known[SUM] = (reduce(add, [mass for _, mass in parts]),)
            return [ends for ends, _ in parts]
        blocks = self.blocks() if in_blocks else [(self._stored, None)]
        return [_extent(xp, values, weights, axes) for values, weights in blocks]

    @property
    def _stored(self) -> Array:
        """The maps in a dtype that has a minimum: a conversion to floats keeps the order, and need not come first.

        numpy knows the minimum of every type of number; torch lacks that of wide unsigned integers.
        """
        xp = self.xp
        if xp.__name__ == "numpy":
            as_it_is = not xp.isdtype(self.source.dtype, "bool")
        else:
            as_it_is = xp.__name__.endswith("torch") and self.source.dtype in (xp.float32, xp.uint8, xp.int32, xp.int64)
        return self.source if as_it_is else xp.astype(self.source, self.dtype, copy=False)

    def sum(self, axes: tuple[int, ...] = MAP) -> Array:
        """The weighted sum."""
        xp = self.xp
        if xp.__name__ == "numpy" and axes == MAP and self.weights is None:
            if self.quotient:
                return self.quotient[0].sum() / self.quotient[1]
            if not self.functions:
                return self._sum_of_stored()
        if xp.__name__.endswith("torch") and self.weights is None and not self.functions:
            # each number is converted as it is read
            return xp.sum(self.source, axis=axes, dtype=self.dtype, keepdims=True)
        return combine_blocks(xp, [weighted_sum(xp, values, weights, axes) for values, weights in self.blocks()], axes)

    def _sum_of_stored(self) -> Array:
        """The sum of whole maps of numpy as they are stored."""
        xp = self.xp
        if SUM in self.known:
            return self.known[SUM][0]
        if self.dtype != xp.float64:
            return reduce(add, (xp.sum(self.block(rows), axis=MAP, keepdims=True) for rows in self.rows))

        def summed(segment: Sequence[slice]) -> Array:
            total = BlockSum(self.source)
            for rows in segment:
                total.add(self.source[..., rows, :])
            return total.get()

        return reduce(add, in_segments(self.rows, summed))

    def sum_of_exponentials(self, peak: Array, axes: tuple[int, ...] = MAP) -> Array:
        """The sum of exp(x - peak)."""
        xp = self.xp
        if xp.__name__ != "numpy" or axes != MAP or self.weights is not None or self.dtype != xp.float64:
            return self.map(lambda x, peak: exp_of_temporary(x - peak), peak).sum(axes)

        def summed(segment: Sequence[slice]) -> Array:
            parts = []
            with arithmetic_for(self.source) as by:
                for rows in segment:
                    by.start()
                    terms = by.exp(by.minus(self.block(rows, by.floats), peak))
                    parts.append(xp.sum(terms, axis=MAP, keepdims=True))
            return reduce(add, parts)

        return reduce(add, in_segments(self.rows, summed))

    def lies_above(self, bound: float, low: Array) -> bool:
        """Whether a minimum says so of every pixel; an accelerator is not waited for, and a mask hides pixels."""
        may_look = self.xp.__name__ == "numpy" or self.may_wait
        return may_look and self.weights is None and bool(self.xp.all(low > bound))

    def flag(self, kind: str, found: Array, detail: Array) -> LazyMap:
        """These values with a problem noted; whoever asked for them decides what it means.

        Where it can be seen without waiting for an accelerator that no map has the problem, nothing is noted.
        """
        if self.xp.__name__ == "numpy" and not any_of(found):
            return self
        return self.changed(problems=(*self.problems, Problem(kind, found, detail)))


class Deferred:
    """A statistic that is worked out when it is first asked for, unless a walk over the map that came past tells it."""

    __slots__ = ("_make", "_value")

    def __init__(self, make: Callable[[], Array]) -> None:
        self._make = make
        self._value: Array | None = None

    @property
    def is_known(self) -> bool:
        """Whether the statistic was asked for or told."""
        return self._value is not None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the statistic."""
        return self.get().shape

    def tell(self, value: Array) -> None:
        """Say what the statistic is."""
        self._value = value

    def get(self) -> Array:
        """The statistic."""
        if self._value is None:
            self._value = self._make()
        return self._value


def _worked_out(statistic: Array | Deferred) -> Array:
    return statistic.get() if isinstance(statistic, Deferred) else statistic


@dataclass(frozen=True, slots=True)
class Share:
    """A distribution over the whole map as what was divided: values / divisor, or exp(values - peak) / divisor.

    The statistics are (..., 1, 1); `mass` is the sum of what is divided, which an offset makes less than the divisor.
    That of a softmax may be known late, as both its mass and its divisor.
    """

    values: LazyMap
    by: Array | Deferred
    summed: Array | Deferred
    peak: Array | None = None
    is_positive: bool = False

    @property
    def is_log(self) -> bool:
        """Whether the values are logarithms."""
        return self.peak is not None

    @property
    def late(self) -> Deferred | None:
        """The divisor of a softmax that nobody has asked for yet."""
        return self.by if isinstance(self.by, Deferred) and not self.by.is_known else None

    @property
    def divisor(self) -> Array:
        """What is divided by."""
        return _worked_out(self.by)

    @property
    def total(self) -> Array:
        """What all quotients add up to."""
        return _worked_out(self.summed) / self.divisor


def slice_rows(statistic: Array | None, rows: slice) -> Array | None:
    """The rows of a statistic or of weights that belong to a block."""
    return statistic if statistic is None or statistic.shape[-2] == 1 else statistic[..., rows, :]


def over_map(reduce: Callable[..., Array], statistic: Array) -> Array:
    """A statistic (..., H, W) reduced to one number per map (...), by indexing alone where it is one of whole maps."""
    return statistic[..., 0, 0] if statistic.shape[-2:] == (1, 1) else reduce(statistic, axis=MAP)


def weighted(xp: Any, values: Array, weights: Array | None) -> Array:
    """Weight times value; a pixel of weight 0 does not exist, whatever its value."""
    return values if weights is None else xp.where(weights > 0, weights * values, xp.zeros_like(values))


def weighted_sum(xp: Any, values: Array, weights: Array | None, axes: tuple[int, ...]) -> Array:
    """The sum over `axes` of weight times value."""
    return xp.sum(weighted(xp, values, weights), axis=axes, keepdims=True)


def combine_blocks(
    xp: Any, parts: Sequence[Array], axes: tuple[int, ...], combine: Callable[[Array, Array], Array] = add
) -> Array:
    """The statistic of the map from those of its blocks: combined down the rows, or row beside row."""
    return reduce(combine, parts) if MAP[0] in axes else xp.concat(list(parts), axis=-2)


def _extent(xp: Any, values: Array, weights: Array | None, axes: tuple[int, ...]) -> tuple[Array, Array]:
    if weights is None and xp.__name__ == "numpy":
        return xp.minimum.reduce(values, axis=axes, keepdims=True), xp.maximum.reduce(values, axis=axes, keepdims=True)
    low = high = values
    if weights is not None:
        low = xp.where(weights > 0, values, xp.full_like(values, xp.inf))
        high = xp.where(weights > 0, values, xp.full_like(values, -xp.inf))
    return xp.min(low, axis=axes, keepdims=True), xp.max(high, axis=axes, keepdims=True)
