"""Class maps: each position of a map is a distribution over the classes, so positions become rows.

Whatever is computed within the rows of a map is then computed within the classes of a position, by the same body.
Against labels the rows are normalised and scored block by block: nothing as large as the prediction, and little as
large as the labels, is made on the way.
"""

from __future__ import annotations

import math
from dataclasses import field, replace
from typing import TYPE_CHECKING

import numpy as np

from kldeval.arrays import namespace, quiet
from kldeval.dataclass import dataclass
from kldeval.errors import RefusedMap, UsageProblem
from kldeval.metrics.checks import check_probabilities
from kldeval.metrics.class_losses import (
    LabelRule,
    Target,
    accuracy_terms,
    check_labels,
    cross_entropy_at_labels,
    read_target,
    refuse_soft_labels,
    uncovered_mass,
)
from kldeval.metrics.registry import LABEL_METRICS
from kldeval.normalization.chain import along_rows, class_axis, format_chain, normalise
from kldeval.normalization.steps import STEPS
from kldeval.records import ClassSum, Failure, Score, Skipped
from kldeval.scoring.diagnostics import ROUNDING, label_flags, refusal
from kldeval.scoring.pixels import density_of_block
from kldeval.scoring.views import flag_outside, scaled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kldeval.arrays import AnyArray as Array
    from kldeval.grammar import Call
    from kldeval.metrics.class_losses import LabelTerms
    from kldeval.normalization.chain import Chain
    from kldeval.normalization.lazy_map import LazyMap, Problem
    from kldeval.records import MapPair, Outcome
    from kldeval.settings.settings import Settings


def holds_labels(pair: MapPair, axis: int) -> bool:
    """Whether the ground truth is a label map: integers, with the prediction's shape but for its class axis."""
    is_integer = namespace(pair.gt).isdtype(pair.gt.dtype, ("integral", "bool"))
    return bool(is_integer) and tuple(pair.gt.shape) == positions_of(pair.pred, axis)


def positions_of(array: Array, axis: int) -> tuple[int, ...]:
    """The shape of an array without its class axis.

    Raises:
        UsageProblem: it has no such axis.
    """
    shape = tuple(array.shape)
    if not -len(shape) <= axis < len(shape):
        msg = f"class axis {axis} does not exist in a prediction of shape {shape}"
        raise UsageProblem(msg)
    return shape[: axis % len(shape)] + shape[axis % len(shape) + 1 :]


def rows_of(array: Array, axis: int) -> Array:
    """A class map as (positions, classes): a view of it, unless its class axis stands in the middle."""
    xp = namespace(array)
    if axis % array.ndim == 0:
        return xp.reshape(array, (array.shape[0], -1)).T
    return xp.reshape(xp.moveaxis(array, axis, -1), (-1, array.shape[axis]))


def rows_as_map(rows: Array, shape: tuple[int, ...], axis: int) -> Array:
    """The class map of this shape that `rows_of` made rows of."""
    xp, axis = namespace(rows), axis % len(shape)
    return xp.moveaxis(xp.reshape(rows, (*shape[:axis], *shape[axis + 1 :], shape[axis])), -1, axis)


def as_rows(pair: MapPair, settings: Settings) -> tuple[Array, Array, Settings]:
    """Prediction and ground truth with positions as rows, and the settings whose chains act within rows.

    Raises:
        RefusedMap: the shapes differ, or a chain has no meaning for class maps.
        UsageProblem: the prediction has no such class axis.
    """
    axis = chosen_axis(settings)
    positions = positions_of(pair.pred, axis)
    if holds_labels(pair, axis):
        msg = (
            f"the ground truth holds labels ({pair.gt.dtype}, shape {positions}), and this run takes ground truths for "
            "densities; score labels by themselves, with --gt-norm labels"
        )
        raise RefusedMap(msg)
    if pair.pred.shape != pair.gt.shape:
        msg = (
            f"the prediction has the shape {tuple(pair.pred.shape)} and the ground truth {tuple(pair.gt.shape)} "
            f"({pair.gt.dtype}); with the classes on axis {axis} it takes the same shape, or integer labels of shape "
            f"{positions}"
        )
        raise RefusedMap(msg)
    gt_axis = class_axis(settings.gt)
    if gt_axis is not None and gt_axis % pair.gt.ndim != axis % pair.pred.ndim:
        msg = f"the class axes differ: {axis} in the prediction, {gt_axis} in the ground truth"
        raise RefusedMap(msg)
    for chain in (settings.pred, settings.gt):
        check_keeps_positions(chain)
    in_rows = replace(settings, pred=along_rows(settings.pred), gt=along_rows(settings.gt))
    return rows_of(pair.pred, axis), rows_of(pair.gt, axis), in_rows


def chosen_axis(settings: Settings) -> int:
    """The class axis that the settings name.

    Raises:
        RefusedMap: they name none.
    """
    axis = class_axis(settings.pred)
    if axis is None:
        msg = f"a class map needs its class axis, which {format_chain(settings.pred)!r} does not name; add --axis"
        raise RefusedMap(msg)
    return axis


def check_keeps_positions(chain: Chain) -> None:
    """Refuse steps that ask where a pixel stands.

    Raises:
        RefusedMap: naming the step.
    """
    for call in chain:
        if STEPS[call.name].info.spatial and "axis" not in STEPS[call.name].types:
            msg = f"{str(call)!r} is for maps of height and width; a class map is a distribution at each position"
            raise RefusedMap(msg)


def score_labels(pair: MapPair, settings: Settings, *, per_class: bool = False) -> Outcome:
    """The outcome of one pair; `per_class`: also the sums by the classes of its labels."""
    try:
        with quiet():
            rows = labelled_rows(pair, settings)
            sums = _Sums()
            for block in label_blocks(rows, settings):
                sums.add(block, per_class=per_class)
        if not sums.n_valid and settings.empty_gt == "skip":
            return Skipped(pair.name, "all-ignored ground truth")
    except RefusedMap as problem:
        return Failure(pair.name, problem.stage, str(problem), problem.code)
    found = sums.score(pair.name, settings)
    remarks = label_flags(found, n_valid=sums.n_valid, looks_like_logits=rows.exceeds_logs)
    return replace(found, remarks=(*pair.remarks, *remarks))


@dataclass(slots=True)
class _Sums:
    """What has been summed over the blocks of one map."""

    totals: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    statistics: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)
    classes: dict[str, list[list[ClassSum]]] = field(default_factory=dict)
    n_valid: int = 0
    n_uncovered: int = 0
    uncovered: list[float] = field(default_factory=list)

    def add(self, block: LabelBlock, *, per_class: bool) -> None:
        """Count a block in."""
        xp = namespace(block.uncovered)
        for key, terms in block.terms.items():
            loss, weight = terms.totals()
            self.totals.setdefault(key, []).append((float(loss), float(weight)))
            if per_class:
                self.classes.setdefault(key, []).append(_class_sums(terms))
        for key, sums in block.statistics.items():
            self.statistics.setdefault(key, []).append(sums)
        self.n_valid += int(xp.sum(xp.astype(block.valid, xp.int64)))
        self.n_uncovered += int(xp.sum(xp.astype(block.uncovered > 0, xp.int64)))
        self.uncovered.append(float(xp.sum(block.uncovered)))

    def score(self, name: str, settings: Settings) -> Score:
        """The numbers of the map."""
        loss = {key: _total(part[0] for part in parts) for key, parts in self.totals.items()}
        weight = {key: _total(part[1] for part in parts) for key, parts in self.totals.items()}
        means = {key: _quotient(loss[key], weight[key]) for key in loss}
        pooled = {key: tuple(map(_total, zip(*parts, strict=True))) for key, parts in self.statistics.items()}
        calls = dict(zip(settings.keys, settings.metrics, strict=True))
        made = {key: finalized(calls[key], sums) for key, sums in pooled.items()}
        found = {"none": {}, "sum": loss | made, "mean": means | made}[settings.reduction]
        return Score(
            name,
            {key: found[key] for key in settings.keys if key in found},
            self.n_uncovered,
            _total(self.uncovered) / self.n_valid if self.n_valid else 0.0,
            weights=weight if settings.maps == "pixels" else {},
            statistics=pooled,
            classes={key: _summed_classes(parts) for key, parts in self.classes.items()},
        )


def _class_sums(terms: LabelTerms) -> list[ClassSum]:
    loss, weight, count = (column.tolist() for column in terms.class_totals())
    return [ClassSum(*row) for row in zip(loss, weight, count, strict=True)]


def _summed_classes(parts: list[list[ClassSum]]) -> tuple[ClassSum, ...]:
    return tuple(
        ClassSum(
            _total(one.total for one in blocks), _total(one.weight for one in blocks), sum(one.n for one in blocks)
        )
        for blocks in zip(*parts, strict=True)
    )


def _quotient(loss: float, weight: float) -> float:
    """The mean; nan where nothing has a weight, as torch gives it, also of smoothed labels, which have a loss there."""
    return loss / weight if weight else math.nan


def _total(values: Iterable[float]) -> float:
    """The sum, exact where it is finite; nan where +inf meets -inf."""
    numbers = list(values)
    return math.fsum(numbers) if all(map(math.isfinite, numbers)) else sum(numbers)


@dataclass(frozen=True, slots=True)
class LabelBlock:
    """What some positions add to every metric: its terms, or the sums that it is made of, by its key.

    `uncovered` is the labels' mass on classes of probability 0, `valid` says which positions count.
    """

    terms: Mapping[str, LabelTerms]
    statistics: Mapping[str, tuple[float, ...]]
    uncovered: Array
    valid: Array


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """A prediction as rows of one position each, normalised, and the labels of its rows.

    `exceeds_logs`: it is given by log-probabilities, and some are above 0. `weights` are those of the rows (None: 1),
    and `edges` those between the bins of adaptive metrics, by their keys.
    """

    pred: LazyMap
    target: Array
    exceeds_logs: bool
    weights: Array | None = None
    edges: Mapping[str, Array] = field(default_factory=dict)


def labelled_rows(pair: MapPair, settings: Settings) -> LabelledRows:
    """The rows of one pair, after all that can be checked.

    Raises:
        RefusedMap: prediction, labels and settings do not fit one another.
        UsageProblem: the prediction has no such class axis.
    """
    axis = chosen_axis(settings)
    if settings.gt[0].keywords.get("reduce_zero"):
        pair = _zero_reduced(pair, ignore_index(settings) or 0)
    _check(pair, axis, settings)
    rows = rows_of(pair.pred, axis)
    start = scaled(rows, pair.pred_scale, settings.scale, settings.dtype, empty=settings.empty_pred)
    pred = normalise(start, along_rows(settings.pred))
    _refuse(pair, pred, settings)
    is_soft = pair.gt.shape == pair.pred.shape
    target = rows_of(pair.gt, axis) if is_soft else namespace(pair.gt).reshape(pair.gt, (-1,))
    exceeds_logs = settings.pred[0].name == "log-prob" and bool(start.min_max()[1] > ROUNDING)
    weights = None if pair.weights is None else np.broadcast_to(pair.weights, positions_of(pair.pred, axis)).ravel()
    return LabelledRows(pred, target, exceeds_logs, weights, pair.edges)


def _zero_reduced(pair: MapPair, ignored: int) -> MapPair:
    """The pair with the classes 1..C of its labels as 0..C-1; 0 and what is ignored already do not count.

    Raises:
        RefusedMap: the labels are soft, or one of them would become the one that does not count.
    """
    xp = namespace(pair.gt)
    if pair.gt.shape == pair.pred.shape or not xp.isdtype(pair.gt.dtype, "integral"):
        found = f"{pair.gt.dtype}, {tuple(pair.gt.shape)}"
        msg = f"--reduce-zero-label is for integer labels, and the ground truth is {found}"
        raise RefusedMap(msg)
    label = xp.astype(pair.gt, xp.int64)
    if bool(xp.any(label == ignored + 1)) and ignored > 0:
        msg = (
            f"label {ignored + 1} would become {ignored}, which does not count; name a label that none has, such as "
            "--ignore-index -1"
        )
        raise RefusedMap(msg)
    reduced = xp.where((label == 0) | (label == ignored), xp.full_like(label, ignored), label - 1)
    return replace(pair, gt=reduced)


def label_blocks(rows: LabelledRows, settings: Settings) -> Iterator[LabelBlock]:
    """Every block of positions with its terms."""
    if _needs_labels_alone(rows, settings):
        yield from _blocks_at_labels(rows, settings)
        return
    rule = LabelRule(axis=-1, ignore_index=ignore_index(settings))
    calls = dict(zip(settings.keys, settings.metrics, strict=True))
    for part in rows.pred.rows:
        log_pred, target = density_of_block(rows.pred, part).log, rows.target[part, ...]
        weights = None if rows.weights is None else rows.weights[part]
        terms = {
            key: _weighted(_terms(call, settings.base, log_pred, target, rule), weights)
            for key, call in calls.items()
            if LABEL_METRICS[call.name].info.statistics is None
        }
        of_any = next(iter(terms.values()), None) or _weighted(accuracy_terms(log_pred, target, rule), weights)
        made: dict[object, tuple[float, ...]] = {}
        sums = {}
        for key, call in calls.items():
            make = LABEL_METRICS[call.name].info.statistics
            if make is None:
                continue
            # metrics that are made of the same sums share them
            at = make, call.arguments
            if at not in made:
                made[at] = make(log_pred, target, rule, weights, **_edges_of(rows, key), **call.keywords)
            sums[key] = made[at]
        yield LabelBlock(terms, sums, uncovered_mass(log_pred, target, of_any), of_any.valid)


def _needs_labels_alone(rows: LabelledRows, settings: Settings) -> bool:
    """Whether all metrics look at the probability of the label alone, and that of the other classes is not known yet.

    A step remembers a function of each value and of statistics that are the position's own.
    """
    if not rows.pred.functions or rows.target.ndim != 1:
        return False
    own = all(one.shape[-1] == 1 for _, statistics in rows.pred.functions for one in statistics)
    return own and all(
        call.name in ("ce", "nll") and not call.keywords.get("label_smoothing") for call in settings.metrics
    )


def _blocks_at_labels(rows: LabelledRows, settings: Settings) -> Iterator[LabelBlock]:
    """Every block with its terms, of which the steps are computed at the label of each position and nowhere else."""
    rule = LabelRule(axis=-1, ignore_index=ignore_index(settings))
    every, n_classes = rows.pred.source, rows.pred.source.shape[-1]
    truth = read_target(every, rows.target, rule)
    xp = namespace(every)
    chosen = rows.pred.changed(source=_at_labels(every, truth.label), known={})
    for part in chosen.rows:
        log_prob, here = density_of_block(chosen, part).log, Target(truth.label[part, :], truth.valid[part, :])
        weights = None if rows.weights is None else rows.weights[part]
        terms = {}
        for key, call in zip(settings.keys, settings.metrics, strict=True):
            weighing = replace(rule, class_weights=call.keywords.get("class_weights"))
            found = cross_entropy_at_labels(log_prob, here, weighing, n_classes)
            terms[key] = _weighted(_in_base(call, settings.base, found), weights)
        of_any = next(iter(terms.values()))
        uncovered = xp.astype((log_prob[:, 0] == -xp.inf) & of_any.valid, log_prob.dtype)
        yield LabelBlock(terms, {}, uncovered, of_any.valid)


def _at_labels(rows: Array, label: Array) -> Array:
    """The value of each row at its label, (n, 1); of classes that stand first in memory by one number a place."""
    xp = namespace(rows)
    if xp.__name__ == "numpy" and rows.T.flags.c_contiguous:
        places = label[:, 0] * len(rows)
        places += np.arange(len(rows))
        return rows.T.ravel().take(places)[:, None]
    return xp.take_along_axis(rows, label, axis=-1)


def _edges_of(rows: LabelledRows, key: str) -> dict[str, Array]:
    """The edges of an adaptive metric, where they are known from all maps."""
    return {"edges": rows.edges[key]} if key in rows.edges else {}


def _weighted(terms: LabelTerms, weights: Array | None) -> LabelTerms:
    """The terms with the weight of each position: one of weight 0 does not count."""
    if weights is None:
        return terms
    xp = namespace(terms.loss)
    own = xp.asarray(weights, dtype=terms.loss.dtype)
    nothing = xp.zeros_like(terms.loss)
    loss = xp.where(own > 0, own * xp.where(own > 0, terms.loss, nothing), nothing)
    return replace(terms, loss=loss, weight=own * terms.weight, valid=terms.valid & (own > 0))


def finalized(call: Call, sums: Sequence[float]) -> float:
    """The number of a metric that is made of sums."""
    finalize = LABEL_METRICS[call.name].info.finalize
    return _quotient(*sums) if finalize is None else finalize(sums)


def losses_as_maps(pair: MapPair, settings: Settings) -> dict[str, Array]:
    """The loss of every position by metric, in the shape of the labels; 0 where ignored."""
    with quiet():
        blocks = list(label_blocks(labelled_rows(pair, settings), settings))
    xp, shape = namespace(blocks[0].uncovered), positions_of(pair.pred, chosen_axis(settings))
    return {key: xp.reshape(xp.concat([block.terms[key].loss for block in blocks]), shape) for key in blocks[0].terms}


IGNORED = 255
"""What unlabelled positions are in segmentation tools."""


def ignore_index(settings: Settings) -> int | None:
    """The label of positions that do not count: where 0 is unlabelled and nothing else is said that of `IGNORED`."""
    labels = settings.gt[0].keywords
    number: int | None = labels.get("ignore_index", IGNORED if labels.get("reduce_zero") else None)
    return number


def _terms(call: Call, base: str, log_pred: Array, target: Array, rule: LabelRule) -> LabelTerms:
    entry = LABEL_METRICS[call.name]
    return _in_base(call, base, entry.function(log_pred, target, rule, **call.keywords))


def _in_base(call: Call, base: str, terms: LabelTerms) -> LabelTerms:
    if base == "e" or LABEL_METRICS[call.name].info.unit != "nats":
        return terms
    return replace(terms, loss=terms.loss / math.log(int(base)))


def _check(pair: MapPair, axis: int, settings: Settings) -> None:
    """Refuse a ground truth that does not fit the prediction, by their shapes as they are stored."""
    check_keeps_positions(settings.pred)
    rule = LabelRule(axis=axis, ignore_index=ignore_index(settings))
    check_labels(pair.pred, pair.gt, rule)
    if pair.gt.shape == pair.pred.shape:
        _check_soft_labels(pair, settings)
    for call in settings.metrics:
        replace(rule, class_weights=call.keywords.get("class_weights")).check_weights(pair.pred)


def _check_soft_labels(pair: MapPair, settings: Settings) -> None:
    if not settings.takes_soft_labels:
        msg = (
            f"the ground truth has the prediction's shape {tuple(pair.gt.shape)}; to take it for soft labels, as they "
            "are, say --gt-norm labels"
        )
        if pair.gt.ndim == len(("height", "width")) and str(pair.gt.dtype).rpartition(".")[2][:1] in "iub":
            msg += "; of one class, as of one probability a pixel, there are bce and binary-ece, without an axis"
        raise RefusedMap(msg)
    if any(call.name == "nll" for call in settings.metrics):
        refuse_soft_labels(pair.pred, pair.gt)
    check_probabilities(pair.gt, "ground truth", "soft labels are taken as they are")


def _refuse(pair: MapPair, pred: LazyMap, settings: Settings) -> None:
    xp = pred.xp
    for problem in _problems(pred, settings):
        if bool(xp.any(problem.found)):
            worst = xp.where(problem.found, problem.detail, xp.full_like(problem.detail, xp.inf))
            message = refusal(pair, "pred", problem.kind, float(xp.min(worst)), settings.pred)
            raise RefusedMap(message, code=problem.kind)


def _problems(pred: LazyMap, settings: Settings) -> tuple[Problem, ...]:
    """What stands against the normalised prediction; where no step made probabilities, also that there are none."""
    if pred.is_log or any(STEPS[call.name].info.final for call in settings.pred):
        return pred.problems
    return flag_outside(pred, tolerance=ROUNDING).problems
