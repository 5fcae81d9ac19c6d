"""Class maps scored against labels: rows of a position each, normalised and scored block by block.

Nothing as large as the prediction, and little as large as the labels, is made on the way: a block of positions becomes
log-probabilities, these the loss and the weight of every position, and these sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kldeval.arrays import namespace, quiet
from kldeval.diagnosis import ROUNDING, refusal
from kldeval.engine.class_maps import check_keeps_positions, chosen_axis, positions_of, rows_of
from kldeval.engine.measure import Side, density, scaled
from kldeval.engine.pixels import flag_outside
from kldeval.errors import RefusedMap
from kldeval.metrics.checks import check_probabilities
from kldeval.metrics.class_losses import LabelRule, check_target, refuse_soft_labels, uncovered_mass
from kldeval.metrics.classification import LABEL_METRICS
from kldeval.normalization.chain import along_rows, normalise
from kldeval.normalization.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kldeval.arrays import Array
    from kldeval.grammar import Call
    from kldeval.metrics.class_losses import LabelTerms
    from kldeval.normalization.lazy_map import LazyMap, Problem
    from kldeval.records import MapPair
    from kldeval.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class LabelBlock:
    """The terms of every metric by its key at some positions, and the labels' mass on classes of probability 0."""

    terms: Mapping[str, LabelTerms]
    uncovered: Array


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """A prediction as rows of one position each, normalised, and the labels of its rows.

    `exceeds_logs`: it is given by log-probabilities, and some are above 0.
    """

    pred: LazyMap
    target: Array
    exceeds_logs: bool


def labelled_rows(pair: MapPair, settings: Settings) -> LabelledRows:
    """The rows of one pair, after all that can be checked.

    Raises:
        RefusedMap: prediction, labels and settings do not fit one another.
        UsageProblem: the prediction has no such class axis.
    """
    axis = chosen_axis(settings)
    _check(pair, axis, settings)
    start = scaled(Side(rows_of(pair.pred, axis), pair.pred_scale), settings, empty=settings.empty_pred)
    pred = normalise(start, along_rows(settings.pred))
    _refuse(pair, pred, settings)
    is_soft = pair.gt.shape == pair.pred.shape
    target = rows_of(pair.gt, axis) if is_soft else namespace(pair.gt).reshape(pair.gt, (-1,))
    exceeds_logs = settings.pred[0].name == "log-prob" and bool(start.extent()[1] > ROUNDING)
    return LabelledRows(pred, target, exceeds_logs)


def blocks_of(rows: LabelledRows, settings: Settings) -> Iterator[LabelBlock]:
    """Every block of positions with its terms."""
    rule = LabelRule(axis=-1, ignore_index=ignore_index(settings))
    calls = dict(zip(settings.keys, settings.metrics, strict=True))
    for part in rows.pred.rows:
        log_pred, target = density(rows.pred, part).log, rows.target[part, ...]
        terms = {key: _terms(call, settings.base, log_pred, target, rule) for key, call in calls.items()}
        yield LabelBlock(terms, uncovered_mass(log_pred, target, terms[settings.keys[0]]))


def losses_as_maps(pair: MapPair, settings: Settings) -> dict[str, Array]:
    """The loss of every position by metric, in the shape of the labels; 0 where ignored."""
    with quiet():
        blocks = list(blocks_of(labelled_rows(pair, settings), settings))
    xp, shape = namespace(blocks[0].uncovered), positions_of(pair.pred, chosen_axis(settings))
    return {key: xp.reshape(xp.concat([block.terms[key].loss for block in blocks]), shape) for key in settings.keys}


def ignore_index(settings: Settings) -> int | None:
    """The label of positions that do not count."""
    number: int | None = settings.gt[0].keywords.get("ignore_index")
    return number


def _terms(call: Call, base: str, log_pred: Array, target: Array, rule: LabelRule) -> LabelTerms:
    entry = LABEL_METRICS[call.name]
    terms = entry.function(log_pred, target, rule, **call.keywords)
    if base == "e" or entry.info.unit != "nats":
        return terms
    return replace(terms, loss=terms.loss / math.log(int(base)))


def _check(pair: MapPair, axis: int, settings: Settings) -> None:
    """Refuse a ground truth that does not fit the prediction, by their shapes as they are stored."""
    check_keeps_positions(settings.pred)
    rule = LabelRule(axis=axis, ignore_index=ignore_index(settings))
    check_target(pair.pred, pair.gt, rule)
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
        raise RefusedMap(msg)
    if any(call.name == "nll" for call in settings.metrics):
        refuse_soft_labels(pair.pred, pair.gt)
    check_probabilities(pair.gt, "ground truth", "soft labels are taken as they are")


def _refuse(pair: MapPair, pred: LazyMap, settings: Settings) -> None:
    xp = pred.xp
    for problem in _problems(pred, settings):
        if bool(xp.any(problem.found)):
            worst = xp.where(problem.found, problem.detail, xp.full_like(problem.detail, xp.inf))
            raise RefusedMap(refusal(pair, "pred", problem.kind, float(xp.min(worst)), settings))


def _problems(pred: LazyMap, settings: Settings) -> tuple[Problem, ...]:
    """What stands against the normalised prediction; where no step made probabilities, also that there are none."""
    if pred.is_log or any(STEPS[call.name].info.final for call in settings.pred):
        return pred.problems
    return flag_outside(pred, tolerance=ROUNDING).problems
