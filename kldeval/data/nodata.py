"""Pixels without data: masked where the ground truth has none, and counted as was asked where the prediction has none.

A prediction that could leave pixels out would choose where it is scored, so what its missing pixels hide of the ground
truth is said, and only a request lets it pass.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kldeval.data import recognise
from kldeval.data.grids import check_grids
from kldeval.data.volumes import space_of
from kldeval.errors import RefusedMap, printable
from kldeval.settings.nodata import nodata_texts

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
    check_grids(((pair.pred, pred.grid), (pair.gt, gt.grid)), space_of(gt))
    for path, stored in ((pair.pred, pred), (pair.gt, gt)):
        if nodata or stored.nodata is None:
            continue
        count = int(np.count_nonzero(_marked(stored.array, stored.nodata)))
        if count:
            value = recognise.describe_number(stored.nodata)
            msg = (
                f"{printable(path)}: its nodata tag says {value}, and {count} pixels hold it: --nodata {value} takes "
                "them for such"
            )
            raise RefusedMap(msg)


def with_nodata(pair: MapPair, setting: str, *, is_log: bool = False) -> MapPair:
    """The pair with weight 0 at pixels without data, as a setting of `kldeval.settings.nodata` says.

    `is_log`: the ground truth holds logarithms, of which the exponentials are the mass.

    Raises:
        RefusedMap: the prediction lacks data where the ground truth has some, or nothing is left.
    """
    texts = nodata_texts(setting)
    value, rule = float(texts["nodata"]), texts["nodata_pred"]
    pred, gt = (_marked(array, value) for array in (pair.pred, pair.gt))
    beyond = pred & ~gt
    if beyond.any() and rule == "error":
        raise RefusedMap(_lacking(pair, beyond, gt, texts["nodata"], is_log=is_log))
    hidden = gt | pred if rule == "mask" else gt
    if hidden.all():
        msg = f"no pixel has data: all are {texts['nodata']} in the {'maps' if rule == 'mask' else 'ground truth'}"
        raise RefusedMap(msg)
    if not (hidden.any() or beyond.any()):
        return pair
    return replace(
        pair,
        pred=_filled(pair.pred, pred, beyond if rule == "zero" else None),
        gt=_filled(pair.gt, gt | hidden, None),
        weights=(~hidden).astype(np.float64) if hidden.any() else None,
        remarks=(*pair.remarks, *(("nodata-pred",) if beyond.any() else ())),
    )


def _marked(array: Array, value: float) -> Array:
    if np.isnan(value):
        return np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
    if array.dtype.kind == "f":
        return array == array.dtype.type(value)
    return array == value


def _filled(array: Array, marked: Array, zeros: Array | None) -> Array:
    """The map with its smallest value where there is no data: it has no weight, and must not stand out either."""
    if not marked.any():
        return array
    found = array.copy()
    found[marked] = array[~marked].min() if not marked.all() else 0
    if zeros is not None:
        found[zeros] = 0
    return found


def _lacking(pair: MapPair, beyond: Array, gt_marked: Array, value: str, *, is_log: bool) -> str:
    values = np.where(gt_marked, 0.0, pair.gt.astype(np.float64))
    values = np.where(gt_marked, 0.0, np.exp(values)) if is_log else values
    total = values.sum()
    count = f"{int(beyond.sum())} of {int((~gt_marked).sum())} pixels"
    is_mass = values.min() >= 0 and total > 0
    share = f", which hold {values[beyond].sum() / total:.4g} of the ground truth's mass" if is_mass else ""
    return (
        f"the prediction has no data ({recognise.describe_number(float(value))}) where the ground truth has some: at "
        f"{count}{share}; repair it, or say what they count as: --nodata-pred zero (predicted 0) or "
        "--nodata-pred mask (left out)"
    )
