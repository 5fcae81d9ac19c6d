"""From a pair of paths to a pair of maps: read, made grey, brought to one size; what was noticed goes along."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kldeval.errors import RefusedMap, UnreadableMap
from kldeval.inputs.class_maps import has_classes, load_class_maps
from kldeval.inputs.color import to_grey
from kldeval.inputs.formats import MAX_PIXELS, read_map
from kldeval.inputs.resize import AS_IS, resize_pair
from kldeval.inputs.scale import full_scale
from kldeval.inputs.shown import shown
from kldeval.inputs.sidecar import how_made
from kldeval.records import MapPair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kldeval.arrays import Array
    from kldeval.inputs.company import Sources
    from kldeval.inputs.formats import Stored
    from kldeval.names import Call
    from kldeval.records import Pair


@dataclass(frozen=True, slots=True)
class Reading:
    """How files become maps: the rule for colour, the resizing, the array of an .npz, the most pixels of a map.

    `sources` are where what stands beside the maps is read, if anything does.
    `class_maps`: whether predictions may have a class axis; `labels`: whether all ground truths hold labels.
    """

    color: str = "error"
    resize: Call = AS_IS
    key: str | None = None
    max_pixels: int = MAX_PIXELS
    sources: Sources | None = None
    class_maps: bool = False
    labels: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """One map as its file stores it, and made grey."""

    stored: Stored
    grey: Array


def load_map(path: Path, reading: Reading) -> Loaded:
    """One map, before it meets its partner.

    Raises:
        UnreadableMap, RefusedMap, MissingDependency: as `load_pair`.
    """
    try:
        stored = read_map(path, key=reading.key, max_pixels=reading.max_pixels)
    except UnreadableMap as problem:
        if path.is_symlink() and not path.exists():
            msg = f"{shown(path)} is a link to {shown(path.readlink())}, which does not exist"
            raise UnreadableMap(msg, code="dangling-link") from problem
        raise
    return Loaded(stored, to_grey(stored.array, reading.color, path))


def load_pair(pair: Pair, reading: Reading, gt: Loaded | None = None) -> MapPair:
    """The maps of a pair, in one size; see `sized_pair`. `gt` is the ground truth where it has been loaded already.

    Raises:
        UnreadableMap: a file that cannot be decoded into one real-valued map.
        RefusedMap: colour, transparency or sizes that differ where `reading` does not say what to do.
        MissingDependency: OpenCV is needed and cannot be imported.
    """
    if reading.class_maps and has_classes(pair, reading):
        _refuse_company(pair, reading)
        return load_class_maps(pair, reading)
    pred, gt = load_map(pair.pred, reading), gt or load_map(pair.gt, reading)
    maps = replace(sized_pair(pair.name, pred, gt, reading.resize), made=how_made(pair.gt))
    if reading.sources is None:
        return maps
    from kldeval.inputs.company import accompanied

    return accompanied(maps, gt.grey.shape, reading.sources, reading.resize)


def _refuse_company(pair: Pair, reading: Reading) -> None:
    if reading.sources is not None:
        msg = f"{shown(pair.pred)} is a class map; fixations, masks and weights stand beside maps of height and width"
        raise RefusedMap(msg)


def sized_pair(name: str, pred: Loaded, gt: Loaded, resize: Call) -> MapPair:
    """Two maps in one size, with the scale of the types they were stored in.

    Remarks: `lossy-pred`, `lossy-gt` (JPEG, lossy WebP), `overshoot-pred`, `overshoot-gt` (resizing made negative
    values of a map that had none), `integer` (a type that `--scale unit` does not divide), `identical` (the maps agree
    in every value).

    Raises:
        RefusedMap: the sizes differ, and `resize` is `none`.
        MissingDependency: a kernel of OpenCV, and it cannot be imported.
    """
    sized = resize_pair(resize, pred.grey, gt.grey)
    return MapPair(
        name,
        *sized,
        shape=sized[0].shape,
        remarks=tuple(_remarks((pred, gt), sized)),
        pred_scale=full_scale(pred.stored.array),
        gt_scale=full_scale(gt.stored.array),
    )


def _remarks(sides: tuple[Loaded, Loaded], sized: tuple[Array, Array]) -> Iterator[str]:
    for role, side, after in zip(("pred", "gt"), sides, sized, strict=True):
        if side.stored.lossy:
            yield f"lossy-{role}"
        if after is not side.grey and after.min() < 0 <= side.grey.min():
            yield f"overshoot-{role}"
    arrays = [side.stored.array for side in sides]
    if any(array.dtype.kind in "iu" and full_scale(array) is None for array in arrays):
        yield "integer"
    if _agree(*sized):
        yield "identical"


def _agree(pred: Array, gt: Array) -> bool:
    """Whether the maps are equal, which a row in the middle denies for nearly all that are not."""
    import numpy as np

    middle = pred.shape[0] // 2
    return np.array_equal(pred[middle], gt[middle]) and np.array_equal(pred, gt)
