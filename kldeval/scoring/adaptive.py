"""The forecasts of a pair, for metrics whose bins hold equal numbers of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.arrays import quiet
from kldeval.metrics.class_losses import LabelRule
from kldeval.metrics.registry import LABEL_METRICS
from kldeval.scoring.auxiliary_metrics import map_at_end
from kldeval.scoring.class_maps import ignore_index, labelled_rows
from kldeval.scoring.pixels import density_of_block
from kldeval.scoring.plan import ROLES, AuxiliaryMetric
from kldeval.settings.metric_options import adaptive_calls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kldeval.arrays import Array
    from kldeval.grammar import Call
    from kldeval.records import MapPair
    from kldeval.settings.settings import Settings


def forecasts_of_pair(pair: MapPair, settings: Settings) -> Iterator[tuple[str, Array]]:
    """By key, the probabilities (positions, events) of a part of the map after another.

    Raises:
        RefusedMap: prediction, labels and settings do not fit one another.
    """
    calls = adaptive_calls(settings)
    if not settings.is_labels:
        yield from _of_pixels(pair, settings, calls)
        return
    with quiet():
        rows = labelled_rows(pair, settings)
        rule = LabelRule(axis=-1, ignore_index=ignore_index(settings))
        for part in rows.pred.rows:
            log_pred, target = density_of_block(rows.pred, part).log, rows.target[part, ...]
            weights = None if rows.weights is None else rows.weights[part]
            for key, call in calls.items():
                make = LABEL_METRICS[call.name].info.forecasts
                if make is not None:
                    yield key, make(log_pred, target, rule, weights)


def _of_pixels(pair: MapPair, settings: Settings, calls: Mapping[str, Call]) -> Iterator[tuple[str, Array]]:
    """The probabilities of the pixels that count."""
    for key, call in calls.items():
        metric = AuxiliaryMetric.of(key, call, settings)
        make = metric.info.forecasts
        if make is not None:
            with quiet():
                yield key, make(*(map_at_end(pair, metric, role) for role in ROLES), pair.weights)
