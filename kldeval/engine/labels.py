"""Class maps scored against labels: rows of a position each, normalised block by block, summed in totals.

Nothing as large as the prediction is made on the way: a block of positions becomes log-probabilities, and these the
loss and the weight of every position.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kldeval.arrays import namespace, quiet
from kldeval.diagnosis import ROUNDING, label_remarks, refusal
from kldeval.engine.class_maps import check_keeps_positions, chosen_axis, positions_of, rows_of
from kldeval.engine.measure import Side, density, scaled
from kldeval.engine.pixels import flag_outside
from kldeval.errors import RefusedMap
from kldeval.maps.chain import along_rows, normalise
from kldeval.maps.steps import STEPS
from kldeval.metrics.label_losses import refuse_soft_labels
from kldeval.metrics.label_rule import LabelRule
from kldeval.metrics.label_terms import LabelTerms, joined_terms, uncovered_mass
from kldeval.metrics.on_labels import LABEL_METRICS
from kldeval.metrics.pointwise import check_probabilities
from kldeval.metrics.targets import check_target
from kldeval.records import ClassSum, Failure, Score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.arrays import Array
    from kldeval.maps.values import Problem, Values
    from kldeval.names import Call
    from kldeval.records import MapPair
    from kldeval.settings import Settings


@dataclass(frozen=True, slots=True)
class LabelMeasured:
    """The terms of every metric by its key over the positions of one map, and its mass on classes of probability 0.

    `looks_like_logits`: log-probabilities that are above 0 somewhere.
    """

    terms: Mapping[str, LabelTerms]
    uncovered: Array
    looks_like_logits: bool


def score_labels(pair: MapPair, settings: Settings, *, per_class: bool = False) -> Score | Failure:
    """The outcome of one pair; `per_class`: also the sums by the classes of its labels."""
    try:
        with quiet():
            measured = measure_labels(pair, settings)
            return _score(pair, measured, settings, per_class=per_class)
    except RefusedMap as problem:
        return Failure(pair.name, problem.stage, str(problem))


def measure_labels(pair: MapPair, settings: Settings) -> LabelMeasured:
    """The terms of every metric of one pair.

    Raises:
        RefusedMap: prediction, labels and settings do not fit one another.
        UsageProblem: the prediction has no such class axis.
    """
    axis = chosen_axis(settings)
    _check(pair, axis, settings)
    start = scaled(Side(rows_of(pair.pred, axis), pair.pred_scale), settings, empty=settings.empty_pred)
    pred = normalise(start, along_rows(settings.pred))
    _refuse(pair, pred, settings)
    target = _target_rows(pair, axis)
    rule = LabelRule(axis=-1, ignore_index=ignore_index(settings))
    terms: dict[str, list[LabelTerms]] = {key: [] for key in settings.keys}
    uncovered = []
    for rows in pred.rows:
        log_pred, block = density(pred, rows).log, target[rows, ...]
        for key, call in zip(settings.keys, settings.metrics, strict=True):
            terms[key].append(_terms(call, settings.base, log_pred, block, rule))
        uncovered.append(uncovered_mass(log_pred, block, terms[settings.keys[0]][-1]))
    joined = {key: joined_terms(parts) for key, parts in terms.items()}
    above = start.extent()[1] > ROUNDING
    return LabelMeasured(joined, pred.xp.concat(uncovered), settings.pred[0].name == "log-prob" and bool(above))


def ignore_index(settings: Settings) -> int | None:
    """The label of positions that do not count."""
    number: int | None = settings.gt[0].keywords.get("ignore_index")
    return number


def _check(pair: MapPair, axis: int, settings: Settings) -> None:
    """Refuse a ground truth that does not fit the prediction, by their shapes as they are stored."""
    check_keeps_positions(settings.pred)
    rule = LabelRule(axis=axis, ignore_index=ignore_index(settings))
    check_target(pair.pred, pair.gt, rule)
    if pair.gt.shape == pair.pred.shape:
        if not settings.takes_soft_labels:
            msg = (
                f"the ground truth has the prediction's shape {tuple(pair.gt.shape)}; to take it for soft labels, as "
                "they are, say --gt-norm labels"
            )
            raise RefusedMap(msg)
        if any(call.name == "nll" for call in settings.metrics):
            refuse_soft_labels(pair.pred, pair.gt)
        check_probabilities(pair.gt, "ground truth", "soft labels are taken as they are")
    for call in settings.metrics:
        replace(rule, class_weights=call.keywords.get("class_weights")).check_weights(pair.pred)


def _target_rows(pair: MapPair, axis: int) -> Array:
    """The labels as a vector, or the soft labels as rows."""
    if pair.gt.shape == pair.pred.shape:
        return rows_of(pair.gt, axis)
    return namespace(pair.gt).reshape(pair.gt, (-1,))


def _refuse(pair: MapPair, pred: Values, settings: Settings) -> None:
    xp = pred.xp
    for problem in _problems(pred, settings):
        if bool(xp.any(problem.found)):
            worst = xp.where(problem.found, problem.detail, xp.full_like(problem.detail, xp.inf))
            raise RefusedMap(refusal(pair, "pred", problem.kind, float(xp.min(worst)), settings))


def _problems(pred: Values, settings: Settings) -> tuple[Problem, ...]:
    """What stands against the normalised prediction; where no step made probabilities, also that there are none."""
    if pred.is_log or any(STEPS[call.name].traits.get("final") for call in settings.pred):
        return pred.problems
    return flag_outside(pred, tolerance=ROUNDING).problems


def _terms(call: Call, base: str, log_pred: Array, target: Array, rule: LabelRule) -> LabelTerms:
    entry = LABEL_METRICS[call.name]
    terms = entry.function(log_pred, target, rule, **call.keywords)
    if base == "e" or entry.traits["unit"] != "nats":
        return terms
    return replace(terms, loss=terms.loss / math.log(int(base)))


def _score(pair: MapPair, measured: LabelMeasured, settings: Settings, *, per_class: bool) -> Score:
    terms, xp = measured.terms, namespace(measured.uncovered)
    n_valid = int(xp.sum(xp.astype(next(iter(terms.values())).valid, xp.int64)))
    is_pooled, is_none = settings.maps == "pixels", settings.reduction == "none"
    found = Score(
        pair.name,
        {} if is_none else {key: float(item.reduced(settings.reduction)) for key, item in terms.items()},
        int(xp.sum(xp.astype(measured.uncovered > 0, xp.int64))),
        float(xp.sum(measured.uncovered)) / n_valid if n_valid else 0.0,
        weights={key: float(item.totals()[1]) for key, item in terms.items()} if is_pooled else {},
        classes={key: _class_sums(item) for key, item in terms.items()} if per_class else {},
    )
    remarks = label_remarks(found, n_valid=n_valid, looks_like_logits=measured.looks_like_logits)
    return replace(found, remarks=(*pair.remarks, *remarks))


def _class_sums(terms: LabelTerms) -> tuple[ClassSum, ...]:
    loss, weight, count = (column.tolist() for column in terms.class_totals())
    return tuple(ClassSum(*row) for row in zip(loss, weight, count, strict=True))


def label_terms_as_maps(pair: MapPair, settings: Settings) -> dict[str, Array]:
    """The loss of every position by metric, in the shape of the labels."""
    shape = positions_of(pair.pred, chosen_axis(settings))
    with quiet():
        terms = measure_labels(pair, settings).terms
    return {key: namespace(item.loss).reshape(item.loss, shape) for key, item in terms.items()}
