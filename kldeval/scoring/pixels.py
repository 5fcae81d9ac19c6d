"""Maps pixel by pixel: one pair, or a batch of one shape, of any array library, in blocks of rows that fit a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.arrays import namespace
from kldeval.metrics.binary import PixelMap
from kldeval.normalization.chain import run_chain
from kldeval.normalization.density import Density
from kldeval.normalization.lazy_map import MAP, LazyMap, slice_rows, weighted, weighted_sum
from kldeval.scoring.folding import folded_sums, folds_of
from kldeval.scoring.plan import MapSize
from kldeval.scoring.views import PairSides, SumRequest, flag_outside, sums_over, worst_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.arrays import Array
    from kldeval.normalization.lazy_map import Problem, Share
    from kldeval.records import MapPair
    from kldeval.scoring.plan import Form, Pipeline, Quantity
    from kldeval.scoring.views import SideProblem


NOTHING: tuple[()] = ()


def density_of_block(values: LazyMap, rows: slice) -> Density:
    """A block of normalised values as a density."""
    block = values.block(rows)
    known = False if values.is_positive else None
    return Density(log=block, has_zeros=known) if values.is_log else Density(prob=block, has_zeros=known)


class PixelSide:
    """A normalised side, not yet computed; `flags` are the problems that only an accelerator knows."""

    __slots__ = ("flags", "form", "problems", "share", "values")

    def __init__(self, values: LazyMap, form: Form, problems: Sequence[SideProblem | None] = NOTHING) -> None:
        self.values = values
        self.form = form
        self.problems = problems
        self.flags: tuple[Problem, ...] = values.problems
        self.share: Share | None = values.share

    def at(self, where: slice) -> Any:
        """Some rows of the map."""
        if self.form == "density":
            return density_of_block(self.values, where)
        block = self.values.block(where)
        return block if self.form == "target" else PixelMap(block, is_logit=self.form == "logit")


class PixelView:
    """Pairs of one shape, pixel by pixel: a view of one pair, or of a batch whose numbers are arrays."""

    def __init__(
        self, pairs: Sequence[MapPair], pred: Array, gt: Array, weights: Array | None, *, fills_masked: bool = False
    ) -> None:
        self.pairs = pairs
        self._weights = weights
        self.sides = PairSides.of(pairs[0], (pred, weights), (gt, weights))
        self.n_parts = 1
        self._fills_masked = fills_masked and weights is not None
        self._sides: dict[str, PixelSide] = {}
        # the side that is a batch says what the blocks are, where the other is a single map
        self._whole = LazyMap(max(pred, gt, key=lambda array: array.ndim), None)

    @classmethod
    def of(cls, pair: MapPair) -> PixelView:
        """The view of one decoded pair."""
        return cls((pair,), pair.pred, pair.gt, pair.weights)

    @property
    def is_numpy(self) -> bool:
        """Whether what is computed is known at once."""
        return bool(self._whole.xp.__name__ == "numpy")

    def start(self, pipeline: Pipeline) -> LazyMap:
        """One side before its chain; where gradients flow, a masked pixel is what the smallest of the others is."""
        values = self.sides.start(pipeline)
        return _without_masked(values) if self._fills_masked else values

    def normalised(self, pipeline: Pipeline) -> PixelSide:
        """The side after its chain, not yet computed."""
        if pipeline.key not in self._sides:
            values = run_chain(self.start(pipeline), pipeline.run)
            if pipeline.form in ("probability", "target"):
                values = flag_outside(values)
            known = worst_problems(values, pipeline.role, len(self.pairs)) if self.is_numpy else NOTHING
            self._sides[pipeline.key] = PixelSide(values, pipeline.form, known)
        return self._sides[pipeline.key]

    def size(self, place: int, axes: tuple[int, ...]) -> MapSize:  # noqa: ARG002 - there is one part
        """How large the maps are: the sum of the weights is the number of pixels."""
        return size_of(self._weights, axes, self._whole.source.shape[-2:], self.pairs[0].shape)

    def known_sums(self, place: int, requests: Sequence[SumRequest]) -> list[Any]:  # noqa: ARG002
        """The sums over values that were not divided yet, where the metrics and both sides have such a form."""
        if self._weights is not None:
            return [None] * len(requests)
        return folded_sums(self._whole, folds_of(requests))

    def blocks(self, place: int) -> Iterator[tuple[slice, Array | None]]:  # noqa: ARG002
        """Rows that fit a cache, and their weights."""
        for rows in self._whole.rows:
            yield rows, slice_rows(self._weights, rows)

    def total(self, quantity: Quantity, terms: Array, weights: Array | None) -> Array:
        """The weighted sum of a block; a pixel of weight 0 does not exist, whatever its value."""
        xp = namespace(terms)
        if weights is not None:
            weights = xp.astype(weights > 0 if quantity.counts_pixels else weights, terms.dtype, copy=False)
        return weighted_sum(xp, terms, weights, quantity.sum_axes)


def size_of(
    weights: Array | None, axes: tuple[int, ...], shape: tuple[int, ...], map_shape: tuple[int, ...]
) -> MapSize:
    """How large maps are, as arrays of `shape`, whose pixels have such weights: a row or distribution without is none.

    `map_shape` is that of the maps before their positions were laid out as rows.
    """
    across = tuple(1 if axis in axes else shape[axis] for axis in MAP)
    if weights is None:
        return MapSize(map_shape[0] * map_shape[1], map_shape[0], float(across[0] * across[1]))
    xp = namespace(weights)
    kind = weights.dtype if xp.isdtype(weights.dtype, "real floating") else xp.float64
    weights = xp.astype(weights, kind, copy=False)
    rows = xp.astype(xp.max(weights, axis=-1, keepdims=True) > 0, weights.dtype)
    present = xp.astype(xp.max(weights, axis=axes, keepdims=True) > 0, weights.dtype)
    whole = xp.broadcast_to(present, (*present.shape[:-2], *across))
    return MapSize(xp.sum(weights, axis=MAP), xp.sum(rows, axis=MAP), xp.sum(whole, axis=MAP))


def array_values(quantity: Quantity, pred: LazyMap, gt: LazyMap) -> Array:
    """A quantity of two normalised sides that are arrays: one number per map (...)."""
    view = _ArrayView(pred, gt)
    request = SumRequest(quantity, PixelSide(pred, "density"), PixelSide(gt, "density"))
    return quantity.finish(sums_over(view, 0, [request])[request.kind], view.size(0, quantity.axes))


def pixelwise_terms(view: PixelView, quantities: Sequence[Quantity]) -> dict[str, Array]:
    """The terms of each quantity at every pixel, times the weights, as maps (..., H, W); in its base."""
    sides = {one.name: (view.normalised(one.pred), view.normalised(one.gt)) for one in quantities}
    return {one.name: terms_of(one, *sides[one.name]) for one in quantities}


def terms_of(quantity: Quantity, pred: PixelSide, gt: PixelSide) -> Array:
    """The terms of one quantity at every pixel, times the weights, as maps (..., H, W); in its base."""
    values = max(pred.values, gt.values, key=lambda side: side.source.ndim)
    xp, blocks = values.xp, []
    for rows in values.rows:
        terms = quantity.terms(pred.at(rows), gt.at(rows))
        terms = terms if quantity.unit == 1 else terms / quantity.unit
        blocks.append(weighted(xp, terms, slice_rows(gt.values.weights, rows)))
    return xp.concat(blocks, axis=-2)


class _ArrayView(PixelView):
    """Two normalised sides that are summed over, of any shapes that broadcast."""

    def __init__(self, pred: LazyMap, gt: LazyMap) -> None:
        self._weights = gt.weights
        self._whole = LazyMap(max(pred.source, gt.source, key=lambda array: array.ndim), None)

    def size(self, place: int, axes: tuple[int, ...]) -> MapSize:  # noqa: ARG002
        shape = self._whole.source.shape[-2:]
        return size_of(self._weights, axes, shape, shape)


def _without_masked(values: LazyMap) -> LazyMap:
    """The values with the smallest of them where the weight is 0: a nan there would reach every gradient."""
    xp = values.xp
    return values.map(lambda x, low, weights: xp.where(weights > 0, x, low), values.min_max()[0], values.weights)
