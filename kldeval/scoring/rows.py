"""Rows as units: the number of every row of two arrays (T, V), a block of rows at a time.

Nothing as large as an array is made on the way, so that logits of any number of rows are scored from their files.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.arrays import quiet
from kldeval.data.causes import SIDES
from kldeval.dataclass import dataclass
from kldeval.errors import RefusedMap
from kldeval.normalization.chain import class_axis
from kldeval.records import Failure
from kldeval.scoring.class_maps import as_rows
from kldeval.scoring.diagnostics import refusal
from kldeval.scoring.pixels import PixelView
from kldeval.scoring.plan import Plan
from kldeval.scoring.views import is_plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from kldeval.normalization.density import Density
    from kldeval.records import MapPair, Role
    from kldeval.scoring.plan import Quantity
    from kldeval.settings.settings import Settings

    Floats = NDArray[np.float64]

WITHIN = -1
"""The axis of a row's distribution in a plain pair."""

SAME_TOP, NLL, NLL_GT, SHIFT = "same-top", "nll", "nll-gt", "delta-p"
"""Beside the metrics: whether the most probable entries agree; with labels, the negative log-likelihoods of both sides
in nats, and how much more probable the label is under the prediction."""


@dataclass(frozen=True, slots=True)
class RowScores:
    """The numbers of every row of a pair by the key of what they are, in the order of the rows.

    With labels, `nll`, `nll-gt` and `delta-p` are nan for rows whose label does not count.
    """

    name: str
    values: Mapping[str, Floats]

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.values[SAME_TOP])


def score_rows(
    pair: MapPair,
    settings: Settings,
    labels: NDArray[Any] | None = None,
    ignore_index: int | None = None,
    first: int = 0,
) -> RowScores | Failure:
    """The numbers of every row of a pair, or why there are none; messages count the rows from `first`."""
    try:
        with quiet():
            return RowScores(pair.name, _values(pair, settings, labels, ignore_index, first))
    except RefusedMap as problem:
        return Failure(pair.name, problem.stage, str(problem), problem.code)


def _values(
    pair: MapPair, settings: Settings, labels: NDArray[Any] | None, ignore_index: int | None, first_row: int
) -> dict[str, Floats]:
    pred, gt, in_rows = _rows(pair, settings)
    plan = Plan.of(in_rows, shown=settings)
    view = PixelView((pair,), pred, gt, None)
    _refuse_problems(pair, view, plan.quantities)
    n, width = pred.shape
    found = {one.name: np.empty(n) for one in plan.quantities} | {SAME_TOP: np.empty(n)}
    if labels is not None:
        labels = _checked_labels(labels, n, width, ignore_index, first_row)
        found |= {key: np.full(n, np.nan) for key in (NLL, NLL_GT, SHIFT)}
    for rows, _ in view.blocks(0):
        sides = {side.key: view.normalised(side).at(rows) for one in plan.quantities for side in (one.pred, one.gt)}
        for role in ("gt", "pred"):
            _refuse_nothing(role, [sides[getattr(one, role).key] for one in plan.quantities], first_row + rows.start)
        for one in plan.quantities:
            found[one.name][rows] = _of_block(one, sides[one.pred.key], sides[one.gt.key])
        first = plan.quantities[0]
        p, q = sides[first.pred.key], sides[first.gt.key]
        found[SAME_TOP][rows] = _ordered(p).argmax(axis=1) == _ordered(q).argmax(axis=1)
        if labels is not None:
            _add_likelihoods(found, rows, (p, q), labels[rows])
    return found


def _rows(pair: MapPair, settings: Settings) -> tuple[Any, Any, Settings]:
    """Both sides as (rows, entries), and the settings whose chains act within rows."""
    if is_plain(pair) and class_axis(settings.pred) == WITHIN:
        if pair.pred.shape != pair.gt.shape:
            msg = f"the prediction has {pair.pred.shape} rows and entries, the ground truth {pair.gt.shape}"
            raise RefusedMap(msg, code="size-mismatch")
        return pair.pred, pair.gt, settings
    return as_rows(pair, settings)


def _refuse_problems(pair: MapPair, view: PixelView, quantities: Sequence[Quantity]) -> None:
    for pipeline in {side.key: side for one in quantities for side in (one.gt, one.pred)}.values():
        problems = view.normalised(pipeline).problems
        problem = problems[0] if problems else None
        if problem:
            if problem.kind == "nonfinite":  # rows take no --nodata, which maps of height and width are advised
                pair = replace(pair, pred=None, gt=None)
            message = refusal(pair, problem.role, problem.kind, problem.detail, pipeline.shown)
            raise RefusedMap(message, code=problem.kind)


def _refuse_nothing(role: Role, sides: Sequence[Density], first_row: int) -> None:
    """Refuse rows whose scores are all -inf: a softmax makes no distribution of them.

    Raises:
        RefusedMap: naming the first such row, counted from `first_row`.
    """
    for side in sides:
        lost = np.flatnonzero(np.isnan(side.log[:, 0])) if side.is_log else np.empty(0, np.intp)
        if lost.size:
            row = f"row {first_row + int(lost[0])} of the {SIDES[role]}"
            msg = f"{row} is -inf in every entry, and has no distribution; leave such rows out of both files"
            raise RefusedMap(msg, code="empty")


def _of_block(quantity: Quantity, pred: Density, gt: Density) -> Floats:
    sums = np.sum(quantity.terms(pred, gt), axis=1)
    value = quantity.final(sums) if quantity.final else sums
    return np.asarray(value / quantity.unit)


def _ordered(side: Density) -> Floats:
    """The values of a density in the order of the probabilities, as they are given."""
    return np.asarray(side.log if side.is_log else side.prob)


def check_label_count(labels: NDArray[Any], n: int) -> None:
    """Refuse labels that are no integers, or more or fewer than rows.

    Raises:
        RefusedMap: they are.
    """
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        msg = f"labels are one whole number a row: {n} of them, not {labels.dtype} of shape {labels.shape}"
        raise RefusedMap(msg)


def _checked_labels(
    labels: NDArray[Any], n: int, width: int, ignore_index: int | None, first_row: int
) -> NDArray[np.int64]:
    """The labels of all rows; -1 where they do not count.

    Raises:
        RefusedMap: they are no integers, there are more or fewer than rows, or one is no entry of a row.
    """
    check_label_count(labels, n)
    valid = np.ones(n, dtype=bool) if ignore_index is None else labels != ignore_index
    strange = np.flatnonzero(valid & ((labels < 0) | (labels >= width)))
    if len(strange):
        label = int(labels[strange[0]])
        msg = (
            f"label {label} of row {first_row + int(strange[0])} is none of the entries 0..{width - 1}; if it marks "
            f"rows that do not count: --ignore-index {label}"
        )
        raise RefusedMap(msg)
    return np.where(valid, labels.astype(np.int64), -1)


def _add_likelihoods(
    found: dict[str, Floats], rows: slice, sides: tuple[Density, Density], labels: NDArray[np.int64]
) -> None:
    counts = np.flatnonzero(labels >= 0)
    own = counts, labels[counts]
    places = np.arange(rows.start, rows.stop)[counts]
    logs = [side.log[own] for side in sides]
    found[NLL][places], found[NLL_GT][places] = -logs[0], -logs[1]
    found[SHIFT][places] = np.exp(logs[0]) - np.exp(logs[1])
