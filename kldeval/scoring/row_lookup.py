"""8-bit maps normalised within rows or columns: a number per level times a number per line, looked up at the pixels.

A softmax within rows is exp(x - peak) of the level divided by the sum of its row; `sum-to-one(axis=...)` and
`latitude+sum-to-one` are products of that kind, too. So 256 exponentials or logarithms do for a whole map. What is
irregular (negative or undefined values, a line that sums to 0 and is to be filled) is left to the plain body.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from kldeval.arrays import opencv
from kldeval.dataclass import dataclass
from kldeval.metrics.separable import divergence_of_lines
from kldeval.normalization.chain import normalise
from kldeval.normalization.density import Density
from kldeval.normalization.lazy_map import combine_blocks
from kldeval.normalization.steps import one_axis
from kldeval.scoring.plan import MapSize, dependence
from kldeval.scoring.views import SideProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kldeval.arrays import AnyArray as Array
    from kldeval.grammar import Call
    from kldeval.normalization.chain import Chain
    from kldeval.normalization.lazy_map import LazyMap
    from kldeval.records import MapPair, Role
    from kldeval.scoring.histogram import CountedPair, HistogramView
    from kldeval.scoring.pixels import PixelSide, PixelView
    from kldeval.scoring.plan import Pipeline, Quantity
    from kldeval.scoring.views import NormalizedSide, Problems, SumRequest


LEVELS = 256

EXACT = "kld"
"""The metric that 8-bit maps normalised within lines answer without a logarithm of a pixel."""

BLOCK_PIXELS = 40_000
"""Pixels a block, about: the numbers that several chains look up stay in the processor's cache."""


class LookupTables:
    """Numbers of levels at the pixels of an 8-bit map: chains that ask for the same ones share the work.

    Only one block of rows is kept at a time.
    """

    __slots__ = ("_array", "_block", "_rows", "_sums")

    def __init__(self, array: Array) -> None:
        self._array = array
        self._rows: slice | None = None
        self._block: dict[bytes, Array] = {}
        self._sums: dict[tuple[bytes, int], Array] = {}

    @property
    def height(self) -> int:
        """The number of rows."""
        return int(self._array.shape[0])

    @property
    def blocks(self) -> Iterator[slice]:
        """Slices of rows, one after the other."""
        step = max(1, BLOCK_PIXELS // max(1, self._array.shape[1]))
        return (slice(top, top + step) for top in range(0, self.height, step))

    def at(self, rows: slice, table: Array) -> Array:
        """The table's number of every level of some rows, which nobody may write to."""
        if rows != self._rows:
            self._rows, self._block = rows, {}
        key = table.tobytes()
        if key not in self._block:
            self._block[key] = opencv().LUT(self._array[rows], table)
        return self._block[key]

    def sums(self, table: Array, axis: int) -> Array:
        """The sums of the table's numbers along an axis, which keeps its place."""
        key = (table.tobytes(), axis)
        if key not in self._sums:
            lut = opencv().LUT
            sums = [lut(self._array[rows], table).sum(axis=axis, keepdims=True) for rows in self.blocks]
            self._sums[key] = combine_blocks(np, sums, (axis,))
        return self._sums[key]

    def gaps(self, factors: tuple[Array, Array], other: LookupTables, logs: Array, axis: int) -> Array:
        """The sums along an axis of a factor times (its logarithm - the other map's logarithm), all of them finite."""
        factor, log = factors
        key = (factor.tobytes() + logs.tobytes(), axis)
        if key not in self._sums:
            parts = []
            for rows in self.blocks:
                terms = self.at(rows, log) - other.at(rows, logs)
                terms *= self.at(rows, factor)
                parts.append(terms.sum(axis=axis, keepdims=True))
            self._sums[key] = combine_blocks(np, parts, (axis,))
        return self._sums[key]


@dataclass(frozen=True, slots=True, eq=False)
class SeparableDensity:
    """A density that is a factor of the level times a factor of the line, given by both factors and their logarithms.

    `by_level` and `by_line` are pairs of a factor and its logarithm: of shape (256,), and (H, 1) or (1, W). `is_log`:
    the chain ends in log-probabilities.
    """

    lookups: LookupTables
    by_level: tuple[Array, Array]
    by_line: tuple[Array, Array]
    is_log: bool
    problems: Problems = ()
    flags: tuple[()] = ()
    share = None

    def at(self, rows: slice) -> Density:
        """The density of some rows."""
        factor, log_factor = (part if len(part) == 1 else part[rows] for part in self.by_line)
        return _Lookup(partial(self.lookups.at, rows), self.by_level, (factor, log_factor), is_log=self.is_log)


def exact_divergence(pred: SeparableDensity, gt: SeparableDensity, counts: Array) -> float | None:
    """The sum of q ln(q / p) over the pixels, by `divergence_of_lines`; None where it takes the plain body.

    `counts` (256, 256) say whether a p of 0 meets a q that is not, so that no pixel needs to be looked at for it. A map
    against itself gives exactly 0.
    """
    lines, others = gt.by_line[0], pred.by_line[0]
    if lines.shape != others.shape or not (lines.all() and others.all()):
        return None
    never, some = pred.by_level[1] == -np.inf, gt.by_level[0] != 0
    if counts[never][:, some].any():
        return math.inf
    axis = -1 if lines.shape[1] == 1 else -2
    finite = gt.by_level[0], np.where(some, gt.by_level[1], 0.0)
    gaps = gt.lookups.gaps(finite, pred.lookups, np.where(never, 0.0, pred.by_level[1]), axis)
    masses = gt.lookups.sums(gt.by_level[0], axis)
    return float(divergence_of_lines(gt.by_line, pred.by_line[1], gaps, masses).sum())


class _Lookup(Density):
    """A block of a `SeparableDensity`: probabilities and logarithms are looked up when asked for."""

    __slots__ = ("_by_level", "_by_line", "_look_up")

    def __init__(
        self,
        look_up: Callable[[Array], Array],
        by_level: tuple[Array, Array],
        by_line: tuple[Array, Array],
        *,
        is_log: bool,
    ) -> None:
        super().__init__()
        self.is_log = is_log
        self._look_up = look_up
        self._by_level = by_level
        self._by_line = by_line

    @property
    def prob(self) -> Array:
        """The probabilities."""
        if self._prob is None:
            self._prob = self._look_up(self._by_level[0]) * self._by_line[0]
        return self._prob

    @property
    def log(self) -> Array:
        """The logarithms of the probabilities."""
        if self._log is None:
            self._log = self._look_up(self._by_level[1]) + self._by_line[1]
        return self._log

    @property
    def is_zero(self) -> Array:
        """Where the probability is exactly 0."""
        return self.log == -np.inf if self.is_log else self.prob == 0

    @property
    def has_zeros(self) -> bool:
        """Whether a probability may be exactly 0, which the two factors tell without looking at a pixel."""
        return any(bool((factor[0] == 0).any()) for factor in (self._by_level, self._by_line))

    @property
    def xp(self) -> object:
        """The array namespace of the density."""
        return np


class RowLookupView:
    """8-bit maps under chains that work within lines, looked up by level and line: a view of one pair.

    `pixels` do what is irregular, and `levels` are the same pair by its joint histogram.
    """

    is_numpy = True
    n_parts = 1

    def __init__(self, pixels: PixelView, counted: CountedPair, levels: HistogramView) -> None:
        self.pairs: Sequence[MapPair] = pixels.pairs
        self._pixels = pixels
        self._levels = levels
        self._counts = counted.counts
        pair = pixels.pairs[0]
        self._lookups: dict[Role, LookupTables] = {"pred": LookupTables(pair.pred), "gt": LookupTables(pair.gt)}
        self._sides: dict[str, NormalizedSide] = {}
        self._shape = pair.pred.shape

    def start(self, pipeline: Pipeline) -> LazyMap:
        """The 256 levels before the chain, whose extremes are those of the map."""
        return self._levels.start(pipeline)

    def normalised(self, pipeline: Pipeline) -> NormalizedSide:
        """The map after its chain."""
        if pipeline.key not in self._sides:
            found: SeparableDensity | PixelSide | None = None
            if pipeline.form == "density" and pipeline.dependence in ("rows", "columns"):
                lookups = self._lookups[pipeline.role]
                found = line_density(lookups, self._levels.start(pipeline), pipeline.chain, pipeline.role)
            self._sides[pipeline.key] = found or self._pixels.normalised(pipeline)
        return self._sides[pipeline.key]

    def size(self, place: int, axes: tuple[int, ...]) -> MapSize:  # noqa: ARG002 - there is one part
        """How large the map is."""
        height, width = self._shape
        lines = 1 if len(axes) > 1 else height if axes == (-1,) else width
        return MapSize(height * width, height, float(lines))

    def known_sums(self, place: int, requests: Sequence[SumRequest]) -> list[float | None]:  # noqa: ARG002
        """The exact divergence of lines, which takes no logarithm of a pixel."""
        return [
            exact_divergence(request.pred, request.gt, self._counts)
            if request.quantity.what == EXACT
            and isinstance(request.pred, SeparableDensity)
            and isinstance(request.gt, SeparableDensity)
            else None
            for request in requests
        ]

    def blocks(self, place: int) -> Iterator[tuple[slice, None]]:  # noqa: ARG002
        """Rows that fit a cache."""
        yield from ((rows, None) for rows in self._lookups["gt"].blocks)

    def total(self, quantity: Quantity, terms: Array, weights: Array | None) -> Array:
        """The sum of a block."""
        return self._pixels.total(quantity, terms, weights)


def line_density(lookups: LookupTables, start: LazyMap, chain: Chain, role: Role) -> SeparableDensity | None:
    """The density of an 8-bit map (H, W) under a chain that works within lines.

    `start` are the 256 levels on the scale of the settings, before the chain, with how many pixels have each. None
    where the plain body must do it.
    """
    prefix, final = _split(chain)
    is_known = final[-1].name == "sum-to-one" or (final[-1].name == "softmax" and len(final) == 1)
    if not is_known or dependence(prefix) != "value":
        return None
    values = normalise(start, prefix) if prefix else start
    levels = values.whole().reshape(LEVELS)
    present = start.weights.reshape(LEVELS) > 0 if start.weights is not None else np.ones(LEVELS, np.bool)
    if any(problem.found.any() for problem in values.problems) or not _is_regular(levels[present]):
        return None
    # what does not occur is never looked up, and must not count as a zero
    levels = np.where(present, levels, 1.0)
    if final[-1].name == "softmax":
        return _softmax(lookups, levels, present, final[-1])
    found, is_empty = _sum_to_one(lookups, levels, final)
    if is_empty and start.empty != "error":
        return None
    return replace(found, problems=(SideProblem(role, "empty", 0.0),)) if is_empty else found


def _split(chain: Chain) -> tuple[Chain, Chain]:
    """What acts on the whole map, and the last step, with the weight of the latitude before it."""
    last = 2 if len(chain) > 1 and chain[-2].name == "latitude" else 1
    return chain[:-last], chain[-last:]


def _is_regular(levels: Array) -> bool:
    """Whether all numbers are finite and none is negative."""
    return bool(np.isfinite(levels).all() and levels.min() >= 0)


def _softmax(lookups: LookupTables, levels: Array, present: Array, call: Call) -> SeparableDensity:
    axis = one_axis(call.keywords.get("axis", -1))[0]
    log_mass = levels - levels[present].max()
    mass = np.exp(log_mass)
    totals = lookups.sums(mass, axis)
    return SeparableDensity(lookups, (mass, log_mass), (1 / totals, -np.log(totals)), is_log=True)


def _sum_to_one(lookups: LookupTables, levels: Array, final: Chain) -> tuple[SeparableDensity, bool]:
    """The density, and whether a distribution has nothing to divide."""
    axis, offset = final[-1].keywords.get("axis"), final[-1].keywords.get("offset", 0.0)
    rows = np.sin(np.pi * (np.arange(lookups.height) / max(1, lookups.height - 1)))[:, None]
    weights = rows if len(final) > 1 else np.ones((1, 1))
    sums = lookups.sums(levels, -1 if axis is None else one_axis(axis)[0])
    totals = (weights * sums).sum() if axis is None else weights * sums
    by_line = weights / (totals + offset)
    found = SeparableDensity(lookups, (levels, np.log(levels)), (by_line, np.log(by_line)), is_log=False)
    return found, bool((totals == 0).any())
