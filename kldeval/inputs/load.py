"""From a pair of paths to a pair of maps: read, made grey, brought to one size; what was noticed goes along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.inputs.color import to_grey
from kldeval.inputs.company import NOTHING, Sources, accompanied
from kldeval.inputs.formats import MAX_PIXELS, read_map
from kldeval.inputs.resize import AS_IS, resize_pair
from kldeval.inputs.scale import full_scale
from kldeval.inputs.sidecar import how_made
from kldeval.records import MapPair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kldeval.arrays import Array
    from kldeval.inputs.formats import Stored
    from kldeval.names import Call
    from kldeval.records import Pair


@dataclass(frozen=True, slots=True)
class Reading:
    """How files become maps: the rule for colour, the resizing, the array of an .npz, the most pixels of a map.

    `sources` are where what stands beside the maps is read.
    """

    color: str = "error"
    resize: Call = AS_IS
    key: str | None = None
    max_pixels: int = MAX_PIXELS
    sources: Sources = NOTHING


def load_pair(pair: Pair, reading: Reading) -> MapPair:
    """The maps of a pair, in one size, with the scale of the types they were stored in.

    Remarks: `lossy-pred`, `lossy-gt` (JPEG, lossy WebP), `overshoot-pred`, `overshoot-gt` (resizing made negative
    values of a map that had none), `integer` (a type that `--scale unit` does not divide), `identical` (the maps agree
    in every value).

    Raises:
        UnreadableMap: a file that cannot be decoded into one real-valued map.
        RefusedMap: colour, transparency or sizes that differ where `reading` does not say what to do.
        MissingDependency: OpenCV is needed and cannot be imported.
    """
    stored = [read_map(path, key=reading.key, max_pixels=reading.max_pixels) for path in (pair.pred, pair.gt)]
    grey = [_grey(item, reading, path) for item, path in zip(stored, (pair.pred, pair.gt), strict=True)]
    pred, gt = resize_pair(reading.resize, *grey)
    maps = MapPair(
        pair.name,
        pred,
        gt,
        shape=pred.shape,
        remarks=tuple(_remarks(stored, grey, (pred, gt))),
        pred_scale=full_scale(stored[0].array),
        gt_scale=full_scale(stored[1].array),
        made=how_made(pair.gt),
    )
    return accompanied(maps, grey[1].shape, reading.sources, reading.resize)


def _grey(stored: Stored, reading: Reading, path: Path) -> Array:
    return to_grey(stored.array, reading.color, path)


def _remarks(stored: list[Stored], grey: list[Array], sized: tuple[Array, Array]) -> Iterator[str]:
    for role, item, before, after in zip(("pred", "gt"), stored, grey, sized, strict=True):
        if item.lossy:
            yield f"lossy-{role}"
        if after is not before and after.min() < 0 <= before.min():
            yield f"overshoot-{role}"
    if any(item.array.dtype.kind in "iu" and full_scale(item.array) is None for item in stored):
        yield "integer"
    if _agree(*sized):
        yield "identical"


def _agree(pred: Array, gt: Array) -> bool:
    """Whether the maps are equal, which a row in the middle denies for nearly all that are not."""
    import numpy as np

    middle = pred.shape[0] // 2
    return np.array_equal(pred[middle], gt[middle]) and np.array_equal(pred, gt)
