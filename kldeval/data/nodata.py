"""Pixels without data: masked where the ground truth has none, and counted as was asked where the prediction has none.

A prediction that could leave pixels out would choose where it is scored, so what its missing pixels hide of the ground
truth is said, and only a request lets it pass.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data import recognise
from kldeval.data.readers.stored import Limits
from kldeval.data.scratch import blocks_of, scratch
from kldeval.data.volumes import space_of
from kldeval.dataclass import dataclass
from kldeval.errors import RefusedMap, printable
from kldeval.grids import Grid, check_grids
from kldeval.settings.nodata import TAG, nodata_texts

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.readers.stored import Stored
    from kldeval.records import MapPair, Pair


def check_sizes(pred: Array, gt: Array) -> None:
    """Refuse maps of two sizes: a kernel would mix data with what marks their absence.

    Raises:
        RefusedMap: naming both sizes.
    """
    if pred.shape != gt.shape:
        msg = (
            f"sizes differ: the prediction is {pred.shape}, the ground truth {gt.shape} (height, width); --nodata "
            "takes maps of one size, because resizing would mix data with the value that marks their absence"
        )
        raise RefusedMap(msg)


def check_tags(pair: Pair, pred: Stored, gt: Stored, *, nodata: str) -> None:
    """Refuse what the tags of two files deny: other places on earth, or a mark of missing data that is not said.

    Raises:
        RefusedMap: naming the file, and the option that takes the value for what it is.
    """
    _check_places(pair, pred, gt)
    for path, stored in ((pair.pred, pred), (pair.gt, gt)):
        if nodata or stored.nodata is None:
            continue
        count = _count_marked(stored.array, stored.nodata)
        if count:
            value = recognise.describe_number(stored.nodata)
            msg = (
                f"{printable(path)}: its nodata tag says {value}, and {count} pixels hold it: --nodata {value} takes "
                "them for such, --nodata tag those of every file's own tag"
            )
            raise RefusedMap(msg)


def _check_places(pair: Pair, pred: Stored, gt: Stored) -> None:
    """Refuse maps whose files place their pixels elsewhere.

    Raises:
        RefusedMap: naming both grids.
        MissingDependency: only rasterio can compare their coordinate systems, and it is not installed.
    """
    if pred.grid is None or gt.grid is None:
        return
    if isinstance(pred.grid, Grid) and isinstance(gt.grid, Grid) and pred.grid.space != gt.grid.space:
        from kldeval.data.readers.coordinates import on_one_earth

        pred, gt = on_one_earth((pair.pred, pair.gt), (pred, gt), Limits())
    check_grids(((pair.pred, pred.grid), (pair.gt, gt.grid)), space_of(gt))


def check_label_tags(pair: Pair, pred: Stored, gt: Stored, ignored: int | None) -> None:
    """Refuse labels that their file's tag takes for missing, where they would count; and files of other grids.

    Raises:
        RefusedMap: naming the file, and the option that leaves them out.
    """
    _check_places(pair, pred, gt)
    for path, stored in ((pair.pred, pred), (pair.gt, gt)):
        if stored.nodata is None or (stored is gt and stored.nodata == ignored):
            continue
        count = _count_marked(stored.array, stored.nodata)
        if count and stored is pred and stored.has_bands and ignored is not None:
            count = _count_where_labels_count(stored.array, stored.nodata, gt.array, ignored)
        if count:
            value = recognise.describe_number(stored.nodata)
            way_out = f": --ignore-index {value} leaves them out" if stored is gt else OF_CLASSES
            msg = f"{printable(path)}: its nodata tag says {value}, and {count} pixels hold it{way_out}"
            raise RefusedMap(msg)


OF_CLASSES = "; a class map takes no --nodata: mark such pixels in the labels, and leave these out with --ignore-index"


def _count_where_labels_count(classes: Array, value: float, labels: Array, ignored: int) -> int:
    """The pixels of a class map (C, H, W) that lack data in some band, but have a label."""
    if labels.shape != classes.shape[1:]:
        return _count_marked(classes, value)
    return int(np.count_nonzero(_lacking_some(classes, value) & (labels != ignored)))


def _lacking_some(classes: Array, value: float) -> Array:
    """The pixels of a class map (C, H, W) that lack data in some band."""
    found = np.zeros(classes.shape[1:], bool)
    for band in classes:
        found |= _marked(band, value)
    return found


def without_gaps(classes: Array, value: float, labels: Array, ignored: int) -> Array:
    """A class map (C, H, W) with the values of a pixel that counts at those that lack data and do not count.

    A mark such as -9999 or nan is no value of a class, and no chain would take it.
    """
    if labels.shape != classes.shape[1:]:
        return classes
    lacking, counting = _lacking_some(classes, value), labels != ignored
    if not lacking.any() or not counting.any():
        return classes
    row, column = np.unravel_index(int(np.argmax(counting)), counting.shape)
    return np.where(lacking, classes[:, row, column][:, None, None], classes)


def _count_marked(array: Array, value: float) -> int:
    return sum(int(np.count_nonzero(_marked(array[rows], value))) for rows in blocks_of(array))


Tags = tuple[float | None, float | None]
"""What the tags of prediction and ground truth say."""


def with_nodata(pair: MapPair, setting: str, *, is_log: bool = False, tags: Tags = (None, None)) -> MapPair:
    """The pair with weight 0 at pixels without data, as a setting of `kldeval.settings.nodata` says.

    `tags` are the values that the files say themselves, where the setting asks for these. `is_log`: the ground truth
    holds logarithms, of which the exponentials are the mass.

    Raises:
        RefusedMap: the prediction lacks data where the ground truth has some, or nothing is left.
    """
    texts = nodata_texts(setting)
    rule = texts["nodata_pred"]
    values = tags if texts["nodata"] == TAG else (float(texts["nodata"]),) * 2
    if values == (None, None):
        msg = "--nodata tag: neither file says in a tag which value marks pixels without data; name it, --nodata VALUE"
        raise RefusedMap(msg)
    marks = _Marks(pair.pred, pair.gt, *values, hides_pred=rule == "mask")
    seen = marks.looked_through()
    if seen.n_beyond and rule == "error":
        pred, gt, _ = marks.at(slice(None))
        raise RefusedMap(_lacking(pair, pred & ~gt, gt, _marker_text(values[0]), is_log=is_log))
    if seen.n_hidden == pair.gt.size:
        where = "maps" if rule == "mask" else "ground truth"
        msg = f"no pixel has data: all are {_marker_text(values[1])} in the {where}"
        raise RefusedMap(msg)
    if not (seen.n_hidden or seen.n_beyond):
        return pair
    pred, gt, weights = marks.filled(seen, zero=rule == "zero")
    remarks = (*pair.remarks, *(("nodata-pred",) if seen.n_beyond else ()))
    return replace(pair, pred=pred, gt=gt, weights=weights if seen.n_hidden else None, remarks=remarks)


@dataclass(frozen=True, slots=True)
class _Seen:
    """How many pixels only the prediction lacks, how many are hidden, and the smallest values of those with data."""

    n_beyond: int
    n_hidden: int
    low_pred: Any
    low_gt: Any


@dataclass(frozen=True, slots=True)
class _Marks:
    """Which pixels of two maps have no data, asked block by block: maps may be larger than the memory.

    `hides_pred`: what the prediction lacks is left out, too.
    """

    pred: Array
    gt: Array
    pred_value: float | None
    gt_value: float | None
    hides_pred: bool

    def at(self, rows: slice) -> tuple[Array, Array, Array]:
        """Which pixels of some rows the prediction and the ground truth lack, and which are hidden."""
        pred, gt = _marked(self.pred[rows], self.pred_value), _marked(self.gt[rows], self.gt_value)
        return pred, gt, gt | pred if self.hides_pred else gt

    def looked_through(self) -> _Seen:
        """What a walk through all blocks finds."""
        n_beyond = n_hidden = 0
        lows: tuple[list[Any], list[Any]] = [], []
        for rows in blocks_of(self.gt):
            pred, gt, hidden = self.at(rows)
            n_beyond += int(np.count_nonzero(pred & ~gt))
            n_hidden += int(np.count_nonzero(hidden))
            for low, values in zip(lows, (self.pred[rows][~pred], self.gt[rows][~hidden]), strict=True):
                low.extend([values.min()] if values.size else [])
        least = [np.min(low) if low else 0 for low in lows]
        return _Seen(n_beyond, n_hidden, *least)

    def filled(self, seen: _Seen, *, zero: bool) -> tuple[Array, Array, Array]:
        """The maps with their smallest values where there is no data, and weights of 0 where pixels are hidden.

        Such a pixel has no weight, and must not stand out either; one that only the prediction lacks is 0 if `zero`.
        """
        pred, gt = (scratch(array.shape, array.dtype) for array in (self.pred, self.gt))
        weights = scratch(self.gt.shape, np.float64)
        for rows in blocks_of(self.gt):
            no_pred, no_gt, hidden = self.at(rows)
            pred[rows] = np.where(no_pred, self.pred.dtype.type(seen.low_pred), self.pred[rows])
            if zero:
                pred[rows][no_pred & ~no_gt] = 0
            gt[rows] = np.where(no_gt | hidden, self.gt.dtype.type(seen.low_gt), self.gt[rows])
            weights[rows] = ~hidden
        return pred, gt, weights


def _marker_text(value: float | None) -> str:
    return "missing" if value is None else recognise.describe_number(value)


def _marked(array: Array, value: float | None) -> Array:
    if value is None:
        return np.zeros(array.shape, bool)
    if np.isnan(value):
        return np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
    if array.dtype.kind == "f":
        return array == array.dtype.type(value)
    return array == value


def _lacking(pair: MapPair, beyond: Array, gt_marked: Array, value: str, *, is_log: bool) -> str:
    values = np.where(gt_marked, 0.0, pair.gt.astype(np.float64))
    values = np.where(gt_marked, 0.0, np.exp(values)) if is_log else values
    total = values.sum()
    count = f"{int(beyond.sum())} of {int((~gt_marked).sum())} pixels"
    is_mass = values.min() >= 0 and total > 0
    share = f", which hold {values[beyond].sum() / total:.4g} of the ground truth's mass" if is_mass else ""
    return (
        f"the prediction has no data ({value}) where the ground truth has some: at "
        f"{count}{share}; repair it, or say what they count as: --nodata-pred zero (predicted 0) or "
        "--nodata-pred mask (left out)"
    )
