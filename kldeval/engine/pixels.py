"""Metrics of pixels, each a distribution of its own: measured on the stored maps, beside the densities."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.metrics.binary import PixelMap
from kldeval.metrics.registry import METRICS
from kldeval.normalization.chain import normalise
from kldeval.normalization.lazy_map import MAP, combine_blocks, slice_rows, weighted, weighted_sum
from kldeval.settings.metric_options import AS_STORED, SIGMOIDS, gt_chain, is_of_pixels, pred_chain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.arrays import Array
    from kldeval.engine.measure import Measured
    from kldeval.grammar import Call
    from kldeval.normalization.lazy_map import LazyMap
    from kldeval.settings.settings import Settings


def with_pixel_metrics(
    measured: Measured, stored: Sequence[LazyMap], settings: Settings, shape: tuple[int, int]
) -> Measured:
    """What was measured of densities with the metrics of pixels beside it; `stored` are both sides before any step."""
    calls = pixel_metrics(settings)
    if not calls:
        return measured
    pred, gt = _sides(stored, settings)
    xp = pred.xp
    values, n_pixels = {}, xp.zeros_like(measured.n_uncovered) + _n_pixels(gt, shape)
    for key, call in calls.items():
        parts = [weighted_sum(xp, terms, weights, MAP) for terms, weights in _terms(call, pred, gt, settings)]
        total = xp.sum(combine_blocks(xp, parts, MAP), axis=MAP)
        divisor = {"mean": n_pixels, "slices": n_pixels, "batchmean": shape[0]}.get(settings.reduction, 1)
        values[key] = total / divisor
    return replace(
        measured,
        values={**measured.values, **values},
        n_pixels=n_pixels,
        pred_problems=(*measured.pred_problems, *pred.problems),
        gt_problems=(*measured.gt_problems, *gt.problems),
    )


def pixel_terms(stored: Sequence[LazyMap], settings: Settings) -> dict[str, Array]:
    """The terms of every metric of pixels, times the weights, as maps (..., H, W)."""
    if not pixel_metrics(settings):
        return {}
    pred, gt = _sides(stored, settings)
    xp = pred.xp
    return {
        key: xp.concat([weighted(xp, terms, weights) for terms, weights in _terms(call, pred, gt, settings)], axis=-2)
        for key, call in pixel_metrics(settings).items()
    }


def pixel_metrics(settings: Settings) -> Mapping[str, Call]:
    """The metrics of pixels among those of a run, by their keys."""
    pairs = zip(settings.keys, settings.metrics, strict=True)
    return {key: call for key, call in pairs if not settings.is_labels and is_of_pixels(call)}


def _sides(stored: Sequence[LazyMap], settings: Settings) -> tuple[LazyMap, LazyMap]:
    """Both sides in 0..1, but the prediction as logits where its chain ends in a sigmoid."""
    chain = pred_chain(settings.pred)
    gt = flag_outside(normalise(stored[1], gt_chain(settings.gt)))
    if _is_logit(settings):
        return normalise(stored[0], chain[:-1] or AS_STORED), gt
    return flag_outside(normalise(stored[0], chain)), gt


def _is_logit(settings: Settings) -> bool:
    return pred_chain(settings.pred)[-1].name in SIGMOIDS


def flag_outside(values: LazyMap, *, tolerance: float = 0.0) -> LazyMap:
    """The values with a problem noted where one is no probability."""
    low, high = values.extent()
    return values.flag("outside", (low < 0) | (high > 1 + tolerance), values.xp.where(low < 0, low, high))


def _terms(call: Call, pred: LazyMap, gt: LazyMap, settings: Settings) -> Iterator[tuple[Array, Array | None]]:
    """The terms of a metric and the weights, block by block."""
    entry, is_logit = METRICS[call.name], _is_logit(settings)
    unit = math.log(int(settings.base)) if settings.base != "e" and entry.info.unit == "nats" else 1
    for rows in max(pred, gt, key=lambda side: side.source.ndim).rows:
        terms = entry.function(PixelMap(pred.block(rows), is_logit), gt.block(rows), **call.keywords)
        yield terms / unit, slice_rows(gt.weights, rows)


def _n_pixels(gt: LazyMap, shape: tuple[int, int]) -> Array | int:
    return math.prod(shape) if gt.weights is None else gt.xp.sum(gt.weights, axis=MAP)
