"""The pointwise terms of a pair, written as `DIR/METRIC/NAME.npy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.arrays import quiet
from kldeval.engine.measure import Side, pixelwise, scaled
from kldeval.maps.chain import normalise

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.records import MapPair
    from kldeval.settings import Settings


def save_pixelwise(folder: Path, pair: MapPair, settings: Settings) -> None:
    """Write one array per metric; its sum is the metric of a whole-map distribution."""
    import numpy as np

    with quiet():
        pred = normalise(scaled(Side(pair.pred, pair.pred_scale), settings, empty=settings.empty_pred), settings.pred)
        gt = normalise(scaled(Side(pair.gt, pair.gt_scale), settings, empty=settings.empty_gt), settings.gt)
        terms = pixelwise(pred, gt, settings)
    for key, array in terms.items():
        path = folder / key / f"{pair.name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)
