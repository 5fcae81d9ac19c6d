"""8-bit pairs by their joint histograms: at most 65 536 cells stand for all pixels of a pair, with multiplicities.

What acts on whole maps depends on 256 levels and on how many pixels have each, so the levels of many pairs are
normalised at once. A divergence is a few products of the levels with the counts (`metrics.separated`), or else is
measured on the occupied cells. Whatever depends on the values of a pixel alone gives the same sum over the cells as
over the pixels.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.arrays import dot, opencv
from kldeval.dataclass import dataclass
from kldeval.metrics.binary import PixelMap
from kldeval.metrics.joint_levels import NEARLY_SHARED, JointLevels
from kldeval.metrics.separable import LARGEST_QUOTIENT, Shared, powers
from kldeval.normalization.chain import run_chain
from kldeval.normalization.density import Density
from kldeval.scoring.diagnostics import ValueRange
from kldeval.scoring.plan import ROLES, MapSize
from kldeval.scoring.views import PairSides, flag_outside, worst_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.arrays import AnyArray as Array
    from kldeval.metrics.separable import Part
    from kldeval.normalization.lazy_map import LazyMap
    from kldeval.records import MapPair, Role
    from kldeval.scoring.plan import Form, Pipeline, Quantity
    from kldeval.scoring.views import Problems, SumRequest


LEVELS = 256

_LEVELS = np.arange(LEVELS, dtype=np.uint8)[None]
_LEVELS.flags.writeable = False

EXACT_PIXELS = 2**24
"""OpenCV counts in float32, which holds every whole number up to this one."""

FEW_PIXELS = 3 * EXACT_PIXELS
"""Pixels that numpy counts: OpenCV counts twice as fast, and its import takes as long as the difference then."""

ROWS_ALIKE = 8
"""Rows that are multiplied together, in multiples: BLAS sums those of an incomplete tile in another order, and the last
bits of a number would tell what else was asked for. (Measured with OpenBLAS on x86-64.)"""

CANCELLED = 1e-5
"""A sum that is smaller than this share of its summands has lost five of their sixteen digits."""


@dataclass(frozen=True, slots=True)
class OccupiedCells:
    """The occupied cells of a joint histogram: the levels that meet in each, and how many pixels it has, all (1, n)."""

    pred: Array
    gt: Array
    counts: Array


@dataclass(frozen=True, slots=True, eq=False)
class CountedPair:
    """An 8-bit pair without its maps: how often each two levels meet (256, 256), the prediction's first.

    `margins` say how many pixels have each level of either side, (1, 256), and `size` how many there are, and how many
    rows have one: a mask leaves pixels out.
    """

    pair: MapPair
    counts: Array
    margins: tuple[Array, Array]
    size: MapSize

    @classmethod
    def of(cls, pair: MapPair) -> CountedPair | None:
        """The joint histogram of a plain pair of 8-bit maps; None for any other, or under weights that are no mask."""
        if not (_is_bytes(pair.pred) and _is_bytes(pair.gt)):
            return None
        mask, n_rows = None, pair.pred.shape[0]
        if pair.weights is not None:
            mask = pair.weights > 0
            if not (mask == pair.weights).all():
                return None
            n_rows = int(mask.any(axis=1).sum())
        counts = joint_counts(pair.pred, pair.gt, mask)
        both = margins(counts)
        return cls(pair, counts, both, MapSize(float(both[0].sum()), n_rows))

    def without_maps(self, pair: MapPair) -> CountedPair:
        """The view of a pair whose maps nobody needs any more: their levels stand in their place."""
        pred, gt = _LEVELS[:, self.margins[0][0] > 0], _LEVELS[:, self.margins[1][0] > 0]
        # whether pixels are masked is still told
        weights = None if pair.weights is None else self.margins[0]
        forgotten = replace(pair, pred=pred, gt=gt, weights=weights, company=None)
        return CountedPair(forgotten, self.counts, self.margins, self.size)

    def ranges(self) -> tuple[ValueRange, ValueRange]:
        """The extremes of both maps."""
        present = [margin[0].nonzero()[0] for margin in self.margins]
        pred, gt = (ValueRange(float(levels[0]), float(levels[-1])) for levels in present)
        return pred, gt

    def cells(self) -> OccupiedCells:
        """The occupied cells."""
        # numpy finds the true values of booleans five times as fast as the numbers that are not 0
        places = np.flatnonzero(self.counts != 0)
        pred, gt = (places >> 8).astype(np.uint8), places.astype(np.uint8)
        return OccupiedCells(pred[None], gt[None], self.counts.ravel()[places].astype(np.float64)[None])


class HistogramView:
    """Joint histograms of many pairs of one scale. The levels of all pairs are normalised together: (n, 1, 256)."""

    is_numpy = True

    def __init__(self, counted: Sequence[CountedPair]) -> None:
        self.counted = counted
        self.pairs = tuple(one.pair for one in counted)
        self.n_parts = len(counted)
        self.margins: dict[Role, Array] = {
            role: np.stack([one.margins[place] for one in counted]) for place, role in enumerate(ROLES)
        }
        both = ((levels(), self.margins[role]) for role in ROLES)
        self.sides = PairSides.of(self.pairs[0], *both)
        self._occurs = {role: counts > 0 for role, counts in self.margins.items()}
        self._normalised: dict[str, LevelSide] = {}
        self._found: dict[tuple[Role, Form, bool, bytes], LevelSide] = {}
        self._products: dict[tuple[object, ...], list[_Product | _Difference]] = {}
        self._cells: dict[int, OccupiedCells] = {}
        self._joint: tuple[int, JointLevels] | None = None

    def cells(self, place: int) -> OccupiedCells:
        """The occupied cells of a pair, found once."""
        if place not in self._cells:
            self._cells[place] = self.counted[place].cells()
        return self._cells[place]

    def joint(self, place: int) -> JointLevels:
        """What sums over the pixels of a pair are made of; kept until another pair is asked for."""
        if self._joint is None or self._joint[0] != place:
            one = self.counted[place]
            # the memory of the last one goes to this one, which is in the cache then
            self._joint = None
            self._joint = place, JointLevels(one.counts, one.margins)
        return self._joint[1]

    def start(self, pipeline: Pipeline) -> LazyMap:
        """The 256 levels before the chain."""
        return self.sides.start(pipeline)

    def normalised(self, pipeline: Pipeline) -> LevelSide:
        """The 256 levels after the chain: the same side for all pipelines that make the same numbers of them."""
        known = self._normalised.get(pipeline.key)
        if known is None:
            known = self._normalised[pipeline.key] = self._normalise(pipeline)
        return known

    def _normalise(self, pipeline: Pipeline) -> LevelSide:
        role = pipeline.role
        values = run_chain(self.start(pipeline), pipeline.run)
        if pipeline.form in ("probability", "target"):
            values = flag_outside(values)
        block, xp = values.block(slice(0, 1)), values.xp
        problems = worst_problems(values, role, len(self.pairs))
        key = role, pipeline.form, values.is_log, block.tobytes()
        if key not in self._found or len(problems):
            # what does not occur is the number of nothing, and must not be infinite or undefined beside what does
            table = xp.where(self._occurs[role], block, xp.asarray(0.0 if values.is_log else 1.0, dtype=values.dtype))
            density = Density(log=table) if values.is_log else Density(prob=table)
            side = LevelSide(role, pipeline.form, density, self.margins[role], problems)
            if len(problems):
                return side
            self._found[key] = side
        return self._found[key]

    def size(self, place: int, axes: tuple[int, ...]) -> MapSize:  # noqa: ARG002 - a map is one distribution
        """How large a map is, as it was before it was counted."""
        return self.counted[place].size

    def known_sums(self, place: int, requests: Sequence[SumRequest]) -> list[Any]:
        """The sums that levels and counts tell, where no precision is lost on the way."""
        known = [self._products_of(request) for request in requests]
        possible = [products if all(one.is_exact[place] for one in products) else () for products in known]
        levels = self.joint(place)
        met = self._powers_by_level(
            place, [one for products in possible for one in products if isinstance(one, _Product)], levels
        )
        sums = [_sum_of(products, place, met, levels) for products in possible]
        # a number is that of the only distribution, where something is made of that of each
        return [
            np.full((1, 1), total) if total is not None and request.quantity.final else total
            for request, total in zip(requests, sums, strict=True)
        ]

    def _products_of(self, request: SumRequest) -> list[_Product | _Difference]:
        """The products that a quantity of all pairs is the sum of; none where it is no such sum."""
        if request.kind not in self._products:
            parts = request.quantity.separable and request.quantity.separable(
                request.pred.density,  # type: ignore[attr-defined]
                request.gt.density,  # type: ignore[attr-defined]
            )
            products = [
                (_Difference if isinstance(part, Shared) else _Product)(part, request.pred, request.gt)  # type: ignore[arg-type]
                for part in parts or ()
            ]
            self._products[request.kind] = products
        return self._products[request.kind]

    def _powers_by_level(self, place: int, products: Sequence[_Product], levels: JointLevels) -> dict[int, Array]:
        """The powers of each target of a pair summed where they meet each level of the other side, by the target's id.

        All targets of a side are multiplied with the counts at once.
        """
        orders: dict[LevelSide, int] = {}
        for one in products:
            orders[one.target] = max(one.n_orders, orders.get(one.target, 0))
        met: dict[int, Array] = {}
        if not orders:
            return met
        table = levels.table
        for role in ROLES:
            sides = [(side, count) for side, count in orders.items() if side.role == role]
            if not sides:
                continue
            n_rows = sum(count for _, count in sides)
            filling = np.zeros((-n_rows % ROWS_ALIKE, LEVELS))
            columns = np.concatenate([*(side.columns(place, count) for side, count in sides), filling])
            found, start = columns @ (table.T if role == "gt" else table), 0
            for side, count in sides:
                met[id(side)] = found[start : start + count]
                start += count
        return met

    def blocks(self, place: int) -> Iterator[tuple[tuple[int, OccupiedCells], Array]]:
        """All cells of a pair at once."""
        cells = self.cells(place)
        yield (place, cells), cells.counts

    def total(self, quantity: Quantity, terms: Array, weights: Array | None) -> Array:  # noqa: ARG002 - of a whole map
        """The sum of the terms, each as often as its cell has pixels."""
        if weights is None or terms.size == 1 != weights.size:
            # one number stands for the terms of all cells
            return terms.reshape(1, 1) * (1.0 if weights is None else weights.sum())
        return np.reshape(dot(terms.ravel(), weights.ravel().astype(terms.dtype, copy=False)), (1, 1))


class LevelSide:
    """A normalised side of many pairs: a number for each level (n, 1, 256), and how many pixels have it."""

    flags: tuple[()] = ()
    share = None

    def __init__(self, role: Role, form: Form, density: Density, counts: Array, problems: Problems) -> None:
        self.role = role
        self.form = form
        self.density = density
        self.counts = counts
        self.problems = problems
        self._powers: Array | None = None
        self._zeros: Array | None = None

    @cached_property
    def mass(self) -> Array:
        """The probability of all pixels of each level together."""
        return self.counts * self.density.prob

    @cached_property
    def least(self) -> Array:
        """The smallest probability of each pair that occurs and is not 0."""
        t = self.density.prob
        return np.where((self.counts > 0) & (t != 0), t, np.inf).min(axis=-1)

    @cached_property
    def is_finite(self) -> Array:
        """Whether all probabilities are finite, for each pair."""
        return np.isfinite(self.density.prob).all(axis=-1)

    @property
    def powers(self) -> Array:
        """The powers of the density that products are made of, (n, orders, 1, 256)."""
        if self._powers is None:
            self._powers = powers(self.density)
        return self._powers

    def columns(self, place: int, count: int) -> Array:
        """The first powers of one pair, (count, 256)."""
        return self.density.prob[place] if count == 1 else self.powers[place, :count, 0]

    def has_zeros(self, place: int) -> bool:
        """Whether a probability of a pair is exactly 0."""
        if self._zeros is None:
            self._zeros = (self.density.is_zero & (self.counts > 0)).any(axis=(-2, -1))
        return bool(self._zeros[place])

    def at(self, where: tuple[int, OccupiedCells]) -> Any:
        """Some cells of a pair."""
        place, cells = where
        own = cells.pred if self.role == "pred" else cells.gt
        if self.form == "density":
            return LevelLookup(self, place, own)
        block = looked_up((self.density.log if self.density.is_log else self.density.prob)[place], own)
        return block if self.form == "target" else PixelMap(block, is_logit=self.form == "logit")


class LevelLookup(Density):
    """The density of levels of one pair out of several, seen at the cells that have them.

    Logarithms are taken once per level, and of all pairs together.
    """

    __slots__ = ("_cells", "_place", "_side")

    def __init__(self, side: LevelSide, place: int, cells: Array) -> None:
        super().__init__()
        self.is_log = side.density.is_log
        self._side = side
        self._place = place
        self._cells = cells

    @property
    def prob(self) -> Array:
        """The probabilities."""
        if self._prob is None:
            self._prob = looked_up(self._side.density.prob[self._place], self._cells)
        return self._prob

    @property
    def log(self) -> Array:
        """The logarithms of the probabilities."""
        if self._log is None:
            self._log = looked_up(self._side.density.log[self._place], self._cells)
        return self._log

    @property
    def is_zero(self) -> Array:
        """Where the probability is exactly 0."""
        return looked_up(self._side.density.is_zero[self._place], self._cells)

    @property
    def has_zeros(self) -> bool:
        """Whether a probability is exactly 0, which the levels tell."""
        return self._side.has_zeros(self._place)

    @property
    def xp(self) -> Any:
        """The array namespace of the density."""
        return self._side.density.xp


class _Product:
    """A part of a divergence of many pairs: what can be said of the levels of each side before the two meet."""

    least = CANCELLED

    def __init__(self, part: Part, pred: LevelSide, gt: LevelSide) -> None:
        self.target, other = (gt, pred) if part.target == "gt" else (pred, gt)
        mass, shape = self.target.mass, part.own.shape
        self._scale = part.scale
        own = np.where(mass == 0, 0.0, mass * part.own).sum(axis=-1)
        self.own = (part.scale * own)[:, 0].tolist()
        factors = [one if one.shape == shape else np.broadcast_to(one, shape) for one in part.factors]
        self._factors = factors[0] if len(factors) == 1 else np.concatenate(factors, axis=-2)
        self.n_orders = len(factors)
        are_finite: Any = np.isfinite(self._factors).all(axis=(-2, -1))
        self._is_finite: list[bool] = are_finite.tolist()
        largest = np.where(other.counts > 0, part.reach, 0.0).max(axis=-1)
        finite = self.target.is_finite & other.is_finite
        if len(factors) > 1:
            finite &= np.isfinite(self.target.powers).all(axis=(1, 3))
        finite &= largest <= LARGEST_QUOTIENT * self.target.least
        self.is_exact = finite[:, 0].tolist()

    def both(self, place: int, met: Mapping[int, Array], _joint: JointLevels) -> float:
        """What both sides together add to the sum over the pixels of a pair."""
        factors = self._factors[place]
        reached = met[id(self.target)][: self.n_orders]
        if self._is_finite[place]:
            return self._scale * float(reached.ravel().dot(factors.ravel()))
        # 0 where the weight is 0, also where the number is infinite
        return self._scale * float(np.where(reached == 0, 0.0, reached * factors).sum())


class _Difference:
    """What the densities of many pairs do not have in common: a part of a distance."""

    least = NEARLY_SHARED

    def __init__(self, part: Shared, pred: LevelSide, gt: LevelSide) -> None:
        sides = zip((pred, gt), part.own, strict=True)
        self.own = sum((side.counts * own).sum(axis=(-2, -1)) for side, own in sides).tolist()
        self._both = part.both
        self._is_product = part.common == "product"
        self.is_exact = (pred.is_finite & gt.is_finite)[:, 0].tolist()

    def both(self, place: int, _powers_by_level: Mapping[int, Array], joint: JointLevels) -> float | None:
        """What both sides together take from the sum over the pixels of a pair."""
        pred, gt = (one[place, 0] for one in self._both)
        common = joint.product(pred, gt) if self._is_product else joint.lesser(pred, gt)
        return None if common is None else -common


def _sum_of(
    products: Sequence[_Product | _Difference], place: int, met: Mapping[int, Array], joint: JointLevels
) -> float | None:
    """The sum of products of a pair; None where there are none, or where they cancel."""
    total = largest = least = 0.0
    for product in products:
        own, both = product.own[place], product.both(place, met, joint)
        if both is None:
            return None
        total += own + both
        largest, least = max(largest, abs(own), abs(both)), max(least, product.least)
    # what is left of summands that cancel has their rounding: the cells subtract before they sum
    return total if products and abs(total) >= least * largest else None


def levels() -> Array:
    """The values of 8 bits, as a map of one row, which nobody may write to."""
    return _LEVELS


def margins(table: Array) -> tuple[Array, Array]:
    """How many pixels have each level of the prediction and of the ground truth, by their joint histogram: (1, 256)."""
    # products with ones are a tenth of the cost of sums along an axis, and as exact: these are whole numbers
    ones = np.ones(LEVELS, table.dtype)
    return (table @ ones).astype(np.float64)[None], (ones @ table).astype(np.float64)[None]


def looked_up(table: Array, cells: Array) -> Array:
    """The numbers (1, 256) of levels at cells (1, n) of bytes: by OpenCV twice as fast as indexing."""
    if _COUNTED.is_few(cells.size):
        return table.ravel()[cells]
    if table.dtype == np.bool:
        return looked_up(table.view(np.uint8), cells).view(np.bool)
    return opencv().LUT(cells, np.ascontiguousarray(table))


@dataclass(slots=True)
class _Counted:
    """The pixels that this process has counted and looked up without OpenCV, and the maps that are to come."""

    n_pixels: int = 0
    n_maps: int = 1

    def is_few(self, further: int, *, repeats: int = 1) -> bool:
        """Whether these pixels, which come so many times, are still the part of numpy."""
        self.n_pixels += further
        return self.n_pixels + (repeats - 1) * further <= FEW_PIXELS and "cv2" not in sys.modules


_COUNTED = _Counted()


def expect(n_maps: int) -> None:
    """Say how many maps this process and those that it forks are going to count, for what should be imported first."""
    _COUNTED.n_maps = max(1, n_maps)


def joint_counts(pred: Array, gt: Array, mask: Array | None = None) -> Array:
    """How often each (pred, gt) occurs where the mask is true: (256, 256), whole numbers as floats."""
    if mask is None and pred.size <= EXACT_PIXELS and _COUNTED.is_few(pred.size, repeats=_COUNTED.n_maps):
        cells = (pred.astype(np.uint16) << 8) | gt
        return np.bincount(cells.ravel(), minlength=LEVELS**2).reshape(LEVELS, LEVELS).astype(np.float32)
    cv2 = opencv()
    rows = max(1, EXACT_PIXELS // pred.shape[1])
    counts: Array = 0.0
    for top in range(0, pred.shape[0], rows):
        maps = [np.ascontiguousarray(array[top : top + rows]) for array in (pred, gt)]
        chosen = None if mask is None else np.ascontiguousarray(mask[top : top + rows]).view(np.uint8)
        joint = cv2.calcHist(maps, [0, 1], chosen, [LEVELS, LEVELS], [0, LEVELS, 0, LEVELS])
        # float32 counts one part exactly, float64 all of them
        counts = joint if rows >= pred.shape[0] else counts + joint.astype(np.float64)
    return counts


def _is_bytes(array: Array) -> bool:
    return isinstance(array, np.ndarray) and array.dtype == np.uint8 and array.ndim == 2  # noqa: PLR2004
