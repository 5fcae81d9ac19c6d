"""The pointwise terms of a pair, written as `DIR/METRIC/NAME.npy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.arrays import quiet
from kldeval.engine.measure import Side, pixelwise, scaled
from kldeval.maps.chain import normalise
from kldeval.records import Score

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.engine.scoring import Outcome
    from kldeval.records import MapPair
    from kldeval.settings import Settings


def save_scored(folder: Path | None, pair: MapPair, outcome: Outcome, settings: Settings) -> None:
    """Write the terms of a pair that has a score, where a folder is given."""
    if folder is not None and isinstance(outcome, Score):
        save_pixelwise(folder, pair, settings)


def save_pixelwise(folder: Path, pair: MapPair, settings: Settings) -> None:
    """Write one array per metric; its sum is the metric of a whole-map distribution."""
    import numpy as np

    with quiet():
        pred, gt = (
            normalise(scaled(side, settings, weights=pair.weights, empty=empty), chain)
            for side, chain, empty in (
                (Side(pair.pred, pair.pred_scale), settings.pred, settings.empty_pred),
                (Side(pair.gt, pair.gt_scale), settings.gt, settings.empty_gt),
            )
        )
        terms = pixelwise(pred, gt, settings)
    for key, array in terms.items():
        path = folder / key / f"{pair.name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)
