"""The pointwise terms of a pair, written as `DIR/METRIC/NAME.npy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.arrays import quiet
from kldeval.engine.class_maps import as_rows, chosen_axis, is_plain, rows_as_map
from kldeval.engine.labels import losses_as_maps
from kldeval.engine.measure import Side, pixelwise, scaled
from kldeval.engine.pixels import pixel_terms
from kldeval.normalization.chain import normalise
from kldeval.records import Score

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.arrays import Array
    from kldeval.engine.scoring import Outcome
    from kldeval.records import MapPair
    from kldeval.settings.settings import Settings


def save_scored(folder: Path | None, pair: MapPair, outcome: Outcome, settings: Settings) -> None:
    """Write the terms of a pair that has a score, where a folder is given."""
    if folder is not None and isinstance(outcome, Score):
        save_pixelwise(folder, pair, settings)


def save_pixelwise(folder: Path, pair: MapPair, settings: Settings) -> None:
    """Write one array per metric; its sum is the metric of a whole-map distribution, its mean that of labels."""
    import numpy as np

    terms = losses_as_maps(pair, settings) if settings.is_labels else _terms(pair, settings)
    for key, array in terms.items():
        path = folder / key / f"{pair.name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)


def _terms(pair: MapPair, settings: Settings) -> dict[str, Array]:
    """The pointwise terms of densities and pixels, in the shape of the prediction."""
    pred, gt, turned = (pair.pred, pair.gt, settings) if is_plain(pair) else as_rows(pair, settings)
    with quiet():
        stored = (
            scaled(Side(pred, pair.pred_scale), turned, weights=pair.weights, empty=turned.empty_pred),
            scaled(Side(gt, pair.gt_scale), turned, weights=pair.weights, empty=turned.empty_gt),
        )
        terms = pixelwise(normalise(stored[0], turned.pred), normalise(stored[1], turned.gt), turned)
        terms |= pixel_terms(stored, turned)
    if is_plain(pair):
        return terms
    axis = chosen_axis(settings)
    return {key: rows_as_map(array, pair.pred.shape, axis) for key, array in terms.items()}
