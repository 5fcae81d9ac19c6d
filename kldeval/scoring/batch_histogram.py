"""Batches of 8-bit pairs on an accelerator by their joint histograms: what `scoring.histogram` is to pairs on the CPU.

Goal: read the maps once, as bytes; whatever is computed after that is computed on 65 536 cells, not on all pixels.
Conventions: arrays are (N, 256, 256), the prediction's levels before the ground truth's; sides that are normalised are
(N, 256, 1) and (N, 1, 256). Counts are integers, whose sum does not depend on the order in which a device adds them,
and no value is looked at, so that the device is waited for once.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from kldeval.arrays import device_of, namespace
from kldeval.metrics.binary import PixelMap
from kldeval.normalization.chain import run_chain
from kldeval.normalization.density import Density
from kldeval.normalization.lazy_map import MAP
from kldeval.scoring.plan import ROLES, MapSize
from kldeval.scoring.views import PairSides, flag_outside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.arrays import AnyArray as Array
    from kldeval.normalization.lazy_map import LazyMap, Problem
    from kldeval.records import MapPair, Role
    from kldeval.scoring.plan import Form, Pipeline, Quantity
    from kldeval.scoring.views import SumRequest


LEVELS = 256

LEAST_PIXELS = LEVELS**2
"""Pixels of the smallest maps that are counted: of fewer the cells would take more memory than the pixels."""

MOST_INDEX = 2**31
"""Cells that an index of 32 bits tells apart."""


def are_countable(pred: Array, gt: Array, mask: Array | None) -> bool:
    """Whether a batch (N, H, W) is one of tensors of bytes under no other weights than a mask (of booleans)."""
    xp = namespace(pred)
    if not xp.__name__.endswith("torch") or not pred.dtype == gt.dtype == xp.uint8:
        return False
    return (mask is None or mask.dtype == xp.bool) and prod(pred.shape[-2:]) >= LEAST_PIXELS


def counts_of_batch(pred: Array, gt: Array, mask: Array | None = None) -> Array:
    """How often each (pred, gt) of every map occurs where its mask is true: (N, 256, 256), by one scatter of ones."""
    xp, n_cells = namespace(pred), len(pred) * LEVELS**2
    kind = xp.int32 if n_cells < MOST_INDEX else xp.int64
    first = xp.arange(0, n_cells, LEVELS**2, dtype=kind, device=device_of(pred))[:, None, None]
    cells = xp.add(first, pred, alpha=LEVELS) + gt
    # booleans count as 1; a single one stands for all where there is no mask
    ones = xp.ones((), dtype=xp.int32, device=device_of(pred)) if mask is None else xp.astype(mask, xp.int32)
    counts = xp.zeros(n_cells, dtype=xp.int32, device=device_of(pred))
    counts.index_add_(0, cells.reshape(-1), xp.broadcast_to(ones, cells.shape).reshape(-1))
    return counts.reshape(-1, LEVELS, LEVELS)


class BatchHistogramView:
    """The joint histograms of a batch of pairs of one scale: a view of one part, whose numbers are arrays."""

    is_numpy = False
    n_parts = 1

    def __init__(self, pairs: Sequence[MapPair], pred: Array, gt: Array, mask: Array | None) -> None:
        self.pairs = pairs
        self._counts = counts_of_batch(pred, gt, mask)
        xp = namespace(pred)
        self._n_pixels = float(prod(pred.shape[-2:])) if mask is None else xp.sum(mask, axis=MAP)
        self._n_rows = pred.shape[-2] if mask is None else xp.sum(xp.any(mask, axis=-1), axis=-1)
        # how many pixels have each level of either side, as maps of one row
        self._margins = {
            role: xp.sum(self._counts, axis=axis)[:, None, :] for role, axis in zip(ROLES, (-1, -2), strict=True)
        }
        levels = xp.arange(LEVELS, dtype=xp.uint8, device=device_of(pred))[None]
        self.sides = PairSides.of(pairs[0], *((levels, self._margins[role]) for role in ROLES))
        self._normalised: dict[str, LevelsOfBatch] = {}
        self._occupied: Array | None = None
        self._weights: Array | None = None

    def start(self, pipeline: Pipeline) -> LazyMap:
        """The 256 levels before the chain."""
        return self.sides.start(pipeline)

    def normalised(self, pipeline: Pipeline) -> LevelsOfBatch:
        """The 256 levels of every pair after the chain."""
        if pipeline.key not in self._normalised:
            values = run_chain(self.start(pipeline), pipeline.run)
            if pipeline.form in ("probability", "target"):
                values = flag_outside(values)
            occurs = self._margins[pipeline.role] > 0
            self._normalised[pipeline.key] = LevelsOfBatch(values, pipeline.role, pipeline.form, occurs)
        return self._normalised[pipeline.key]

    def size(self, place: int, axes: tuple[int, ...]) -> MapSize:  # noqa: ARG002 - a map is one distribution
        """How large the maps are."""
        return MapSize(self._n_pixels, self._n_rows)

    def known_sums(self, place: int, requests: Sequence[SumRequest]) -> list[None]:  # noqa: ARG002
        """None: whether products of the levels lose digits is known to who looks at them."""
        return [None] * len(requests)

    def blocks(self, place: int) -> Iterator[tuple[None, Array]]:  # noqa: ARG002
        """All cells at once, and how many pixels each has."""
        yield None, self._counts

    def total(self, quantity: Quantity, terms: Array, weights: Array | None) -> Array:  # noqa: ARG002
        """The sum of the terms, each as often as its cell has pixels; a cell that has none does not exist."""
        xp = namespace(terms)
        if prod(terms.shape[-2:]) == LEVELS**2:
            counts = self._all_weights(terms.dtype)
            self._occupied = counts > 0 if self._occupied is None else self._occupied
            occupied = self._occupied
        else:
            # terms of one side's levels, or one that stands for all of them
            short = tuple(axis for axis in MAP if terms.shape[axis] == 1)
            counts = xp.astype(self._margins["gt"] if short == (-2,) else self._of_prediction(short), terms.dtype)
            occupied = counts > 0
        nothing = xp.zeros((), dtype=terms.dtype, device=device_of(terms))
        return xp.sum(counts * xp.where(occupied, terms, nothing), axis=MAP, keepdims=True)

    def _all_weights(self, dtype: Any) -> Array:
        if self._weights is None or self._weights.dtype != dtype:
            self._weights = namespace(self._counts).astype(self._counts, dtype)
        return self._weights

    def _of_prediction(self, short: tuple[int, ...]) -> Array:
        """How many pixels have each level of the prediction (N, 256, 1), or how many there are (N, 1, 1)."""
        xp, margins = namespace(self._counts), self._margins["pred"]
        return xp.matrix_transpose(margins) if short == (-1,) else xp.sum(margins, axis=-1, keepdims=True)


class LevelsOfBatch:
    """A normalised side of a batch: a number for each level of every pair, and what only an accelerator knows of it."""

    problems: tuple[()] = ()
    share = None

    def __init__(self, values: LazyMap, role: Role, form: Form, occurs: Array) -> None:
        self.flags: tuple[Problem, ...] = values.problems
        xp, block = values.xp, values.block(slice(0, 1))
        # what does not occur is the number of nothing, and must not be infinite or undefined beside what does
        table = xp.where(occurs, block, xp.zeros_like(block) if values.is_log else xp.ones_like(block))
        table = xp.matrix_transpose(table) if role == "pred" else table
        self._levels: Any = table
        if form == "density":
            self._levels = Density(log=table) if values.is_log else Density(prob=table)
        elif form != "target":
            self._levels = PixelMap(table, is_logit=form == "logit")

    def at(self, where: None) -> Any:  # noqa: ARG002 - all cells
        """The levels along their axis of the cells."""
        return self._levels
