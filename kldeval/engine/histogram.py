"""The joint histogram of an 8-bit pair: at most 65 536 cells stand for all pixels, with multiplicities as weights.

Whatever depends on the values of a pixel alone gives the same sum over the cells as over the pixels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.inputs.opencv import opencv
from kldeval.maps.chain import is_spatial

if TYPE_CHECKING:
    from kldeval.arrays import Array
    from kldeval.records import MapPair
    from kldeval.settings import Settings

LEVELS = 256

EXACT_PIXELS = 2**24
"""OpenCV counts in float32, which holds every whole number up to this one."""


def collapsible(settings: Settings) -> bool:
    """Whether the numbers depend only on which values meet how often."""
    return settings.reduction != "none" and not (is_spatial(settings.pred) or is_spatial(settings.gt))


def collapse(pair: MapPair) -> MapPair:
    """The pair as the occupied cells of its joint histogram, shape (1, cells); another pair as it is.

    A mask leaves pixels out of the counts; any other weights are not counts, and their pair stays as it is.
    """
    import numpy as np

    if not all(_is_bytes(array) for array in (pair.pred, pair.gt)):
        return pair
    mask = None if pair.weights is None else pair.weights > 0
    if mask is not None and not bool((mask == pair.weights).all()):
        return pair
    counts = _joint_counts(pair.pred, pair.gt, mask)
    cells = np.flatnonzero(counts)
    if cells.size >= pair.pred.size:
        return pair
    pred, gt = (cells // LEVELS).astype(np.uint8), (cells % LEVELS).astype(np.uint8)
    return replace(pair, pred=pred[None], gt=gt[None], weights=counts[cells].astype(np.float64)[None])


def _is_bytes(array: Array) -> bool:
    import numpy as np

    return isinstance(array, np.ndarray) and array.dtype == np.uint8 and array.ndim == 2  # noqa: PLR2004


def _joint_counts(pred: Array, gt: Array, mask: Array | None) -> Array:
    """How often each (pred, gt) occurs where the mask is true, as a flat array of float64."""
    import numpy as np

    cv2 = opencv()
    rows = max(1, EXACT_PIXELS // pred.shape[1])
    counts = np.zeros(LEVELS * LEVELS)
    for top in range(0, pred.shape[0], rows):
        maps = [np.ascontiguousarray(array[top : top + rows]) for array in (pred, gt)]
        chosen = None if mask is None else np.ascontiguousarray(mask[top : top + rows]).view(np.uint8)
        joint = cv2.calcHist(maps, [0, 1], chosen, [LEVELS, LEVELS], [0, LEVELS, 0, LEVELS])
        counts += joint.ravel()
    return counts
