"""The slopes of a pair's cross-entropy by temperature: class maps against labels, or maps of logits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kldeval.arrays import quiet
from kldeval.errors import RefusedMap
from kldeval.metrics.class_losses import LabelRule, accuracy_terms
from kldeval.metrics.temperature import Slopes, class_slopes, logit_slopes
from kldeval.scoring.auxiliary_metrics import at_end
from kldeval.scoring.class_maps import ignore_index, labelled_rows
from kldeval.scoring.pixels import density_of_block
from kldeval.scoring.plan import Pipeline
from kldeval.settings.metric_options import AS_STORED, gt_chain, pred_chain

if TYPE_CHECKING:
    from kldeval.records import MapPair
    from kldeval.settings.settings import Settings


def slopes_of_pair(pair: MapPair, settings: Settings, inverse: float) -> Slopes:
    """The sums over the positions of a pair at an inverse temperature.

    Raises:
        RefusedMap: prediction and ground truth do not fit, or a label has the probability 0.
    """
    with quiet():
        found = (_of_labels if settings.is_labels else _of_logits)(pair, settings, inverse)
    if not np.isfinite(found.loss):
        msg = "a label has the probability 0, which no temperature mends: its cross-entropy is infinite"
        raise RefusedMap(msg)
    return found


def _of_labels(pair: MapPair, settings: Settings, inverse: float) -> Slopes:
    rows = labelled_rows(pair, settings)
    if rows.target.ndim > 1:
        msg = "a temperature is fitted to integer labels, and these are soft"
        raise RefusedMap(msg)
    rule = LabelRule(axis=-1, ignore_index=ignore_index(settings))
    parts = []
    for part in rows.pred.rows:
        scores, target = density_of_block(rows.pred, part).log, rows.target[part]
        terms = accuracy_terms(scores, target, rule)
        valid = np.asarray(terms.valid, dtype=bool)
        weights = None if rows.weights is None else rows.weights[part][valid]
        parts.append(class_slopes(scores[valid], np.asarray(terms.label)[valid].astype(np.int64), weights, inverse))
    return Slopes(*(sum(column) for column in zip(*parts, strict=True)))


def _of_logits(pair: MapPair, settings: Settings, inverse: float) -> Slopes:
    exact = replace(settings, dtype="float64")
    chain = pred_chain(settings.pred)[:-1] or AS_STORED
    logits = at_end(pair, Pipeline.of("pred", chain, exact, "logit"))
    target = at_end(pair, Pipeline.of("gt", gt_chain(settings.gt), exact, "target"))
    weights = None if pair.weights is None else np.broadcast_to(pair.weights, logits.shape)
    return logit_slopes(logits, target, weights, inverse)
