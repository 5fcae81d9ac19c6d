"""What single places add to the numbers of a pair: pixels, fixated pixels, or the positions of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kldeval.arrays import as_numpy, quiet
from kldeval.metrics.registry import LABEL_METRICS, METRICS
from kldeval.normalization.chain import normalise
from kldeval.reports.documents import Contribution, Terms
from kldeval.scoring.pixels import PixelView, density_of_block
from kldeval.scoring.save_terms import pointwise_terms
from kldeval.settings.auxiliary import STORED, chains_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.arrays import NumpyArray as Array
    from kldeval.grammar import Call
    from kldeval.metrics.registry import MetricInfo
    from kldeval.normalization.lazy_map import LazyMap
    from kldeval.records import MapPair, Score
    from kldeval.scoring.context import DatasetContext
    from kldeval.scoring.plan import Plan, Quantity
    from kldeval.settings.settings import Settings


LARGEST = 5
"""Places shown by what they contribute."""

SAME = 1e-9
"""A metric whose number is the mean of those of its fixations alone, but for rounding, is made of them."""


def terms_of_densities(pair: MapPair, plan: Plan) -> Iterator[Terms]:
    """The pixels that add most to each metric of densities or of pixels."""
    settings = plan.settings
    asked = settings.on("density", "pixels")
    if not asked:
        return
    found = pointwise_terms(pair, plan)
    view, quantities = PixelView.of(pair), {one.name: one for one in plan.quantities}
    for key, call in asked.items():
        p, q = _ends(view, quantities[key], call, settings)
        info, terms = METRICS[call.name].info, found[key]
        exist = np.ones(terms.shape, bool) if pair.weights is None else np.broadcast_to(pair.weights > 0, terms.shape)
        terms = np.where(exist, terms, 0.0)
        yield Terms(
            metric=key,
            over="pixels",
            largest=_largest(terms, p, q),
            total=float(terms.sum()),
            n=int(exist.sum()),
            unit=_unit(info, settings),
            uncovered_adds=float(terms[exist & (p == 0) & (q > 0)].sum()) if info.on == "density" else None,
        )


def _ends(view: PixelView, quantity: Quantity, call: Call, settings: Settings) -> Iterator[Array]:
    """The values of both sides that a metric compares, pixel by pixel; of a side that it does not look at the run's."""
    chains = zip(chains_for(settings, call), (settings.pred, settings.gt), strict=True)
    for pipeline, (own, of_run) in zip((quantity.pred, quantity.gt), chains, strict=True):
        values = normalise(view.start(pipeline), of_run if own == STORED else own)
        yield density_of_block(values, slice(0, view.pairs[0].shape[0])).prob


def terms_of_fixations(pair: MapPair, plan: Plan, context: DatasetContext, score: Score) -> Iterator[Terms]:
    """The fixated pixels that add most to each metric whose number is a mean over fixations."""
    from kldeval.scoring.fixation_terms import fixation_terms

    if not (plan.of_fixations and pair.company and pair.company.fixations):
        return
    for metric in plan.of_fixations:
        with quiet():
            found = fixation_terms(pair, plan, context, metric)
        number = score.values.get(metric.key)
        if found is None or number is None or not len(found.counts):
            continue
        terms = found.numbers * found.counts / found.counts.sum()
        if not np.isclose(terms.sum(), number, rtol=SAME, atol=SAME):
            continue  # such as of auc-judd, whose points depend on how many fixations there are
        order = np.argsort(-np.abs(terms), kind="stable")[:LARGEST]
        stored = pair.pred[found.rows, found.cols]
        yield Terms(
            metric=metric.key,
            over="fixated pixels",
            largest=tuple(
                Contribution(
                    (int(found.rows[at]), int(found.cols[at])),
                    float(stored[at]),
                    float(found.counts[at]),
                    float(terms[at]),
                )
                for at in order
            ),
            total=number,
            n=len(terms),
            unit=_unit(metric.info, plan.settings),
        )


def terms_of_labels(pair: MapPair, settings: Settings) -> Iterator[Terms]:
    """The positions that add most to the sum behind each metric of labels."""
    from kldeval.scoring.class_maps import chosen_axis, label_blocks, labelled_rows, positions_of

    rows = labelled_rows(pair, settings)
    shape = positions_of(pair.pred, chosen_axis(settings))
    with quiet():
        blocks = list(label_blocks(rows, settings))
    valid = np.concatenate([as_numpy(block.valid) for block in blocks])
    is_soft = pair.gt.shape == pair.pred.shape
    labels = np.full(len(valid), np.nan) if is_soft else np.asarray(as_numpy(rows.target), np.float64)
    prob = _probability_of_labels(rows.pred, labels, valid)
    calls: dict[str, Call] = dict(zip(settings.keys, settings.metrics, strict=True))
    for key in blocks[0].terms:
        loss = np.concatenate([as_numpy(block.terms[key].loss) for block in blocks]).astype(np.float64)
        yield Terms(
            metric=key,
            over="positions",
            largest=_largest(*(array.reshape(shape) for array in (loss, prob, labels))),
            total=float(loss.sum()),
            n=int(valid.sum()),
            unit=_unit(LABEL_METRICS[calls[key].name].info, settings),
        )


def _probability_of_labels(pred: LazyMap, labels: Array, valid: Array) -> Array:
    """The predicted probability of the label of each position; nan where it has none."""
    found = np.full(len(valid), np.nan)
    if np.isnan(labels).all():
        return found
    for part in pred.rows:
        here = np.flatnonzero(valid[part])
        prob = as_numpy(density_of_block(pred, part).prob)
        found[part.start + here] = prob[here, labels[part][here].astype(np.int64)]
    return found


def _largest(terms: Array, pred: Array, gt: Array) -> tuple[Contribution, ...]:
    places = np.argsort(-np.abs(terms), axis=None, kind="stable")[:LARGEST]
    at = [tuple(int(index) for index in np.unravel_index(place, terms.shape)) for place in places]
    return tuple(Contribution(place, float(pred[place]), float(gt[place]), float(terms[place])) for place in at)


def _unit(info: MetricInfo, settings: Settings) -> str:
    return {"e": "nats", "2": "bits", "10": "bans"}[settings.base] if info.unit == "nats" else info.unit
