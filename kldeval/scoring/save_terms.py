"""The pointwise terms of a pair, written as `DIR/METRIC/NAME.npy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kldeval.arrays import namespace, quiet
from kldeval.atomic import whole_file
from kldeval.records import Score
from kldeval.scoring.class_maps import as_rows, chosen_axis, losses_as_maps, rows_as_map
from kldeval.scoring.pixels import PixelView, pixelwise_terms
from kldeval.scoring.plan import Plan
from kldeval.scoring.views import is_plain

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.arrays import Array
    from kldeval.records import MapPair, Outcome


def save_scored(folder: Path | None, pair: MapPair, outcome: Outcome, plan: Plan) -> None:
    """Write the terms of a pair that has a score, where a folder is given."""
    if folder is not None and isinstance(outcome, Score):
        failed = {failure.metric for failure in outcome.failures}
        _save(folder, pair, plan, failed)


def _save(folder: Path, pair: MapPair, plan: Plan, failed: set[str]) -> None:
    """Write one array per metric; its sum is the metric of a whole-map distribution, its mean that of labels."""
    terms = losses_as_maps(pair, plan.settings) if plan.is_labels else pointwise_terms(pair, plan, failed)
    for key, array in terms.items():
        with whole_file(folder / key / f"{pair.name}.npy") as file:
            np.save(file, array)


def pointwise_terms(pair: MapPair, plan: Plan, failed: set[str] | None = None) -> dict[str, Array]:
    """The pointwise terms of densities and pixels by metric, in the prediction's shape; none of those that failed."""
    if is_plain(pair):
        view, asked = PixelView.of(pair), plan.quantities
    else:
        pred, gt, settings = as_rows(pair, plan.settings)
        view, asked = PixelView((pair,), pred, gt, None), Plan.of(settings, shown=plan.settings).quantities
    with quiet():
        terms = pixelwise_terms(view, [one for one in asked if one.name not in (failed or ())])
    if is_plain(pair):
        if pair.volume:
            return {key: namespace(array).reshape(array, pair.volume) for key, array in terms.items()}
        return terms
    axis = chosen_axis(plan.settings)
    return {key: rows_as_map(array, pair.pred.shape, axis) for key, array in terms.items()}
