"""Predictions with a class axis and what they are scored against: labels, soft labels, or other class maps.

A class map is an array of numpy, (C, H, W), (H, W, C) or (N, C); its labels are an array or an image, in grey or as the
indices of a palette. Which pairs are read so: those whose prediction has three axes, rows (N, C) beside a vector of
labels, and all where the request says that the ground truths hold labels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.errors import RefusedMap
from kldeval.inputs.color import channels_agree, to_grey
from kldeval.data.readers import CLASS_READERS, LABEL_READERS, read_map
from kldeval.data.readers.numpy_files import map_shape, stored_shape
from kldeval.inputs.resize import AS_IS
from kldeval.inputs.scale import full_scale
from kldeval.inputs.shown import shown
from kldeval.records import MapPair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kldeval.arrays import Array
    from kldeval.data.readers import Stored
    from kldeval.inputs.load import Reading
    from kldeval.records import Pair

ARRAYS = (".npy", ".npz")
"""The files that may hold more than two axes."""


def has_classes(pair: Pair, reading: Reading) -> bool:
    """Whether a pair is to be read with a class axis; the headers of its files tell."""
    if reading.labels:
        return True
    pred, gt = (_shape(path, reading.key) for path in (pair.pred, pair.gt))
    return len(pred) > 2 or (len(pred) == 2 and len(gt) == 1)  # noqa: PLR2004 - height and width


def load_class_maps(pair: Pair, reading: Reading) -> MapPair:
    """The prediction and the ground truth of a pair as they are stored; `shape` is (axis 0, all others).

    Raises:
        UnreadableMap: a file that cannot be decoded.
        RefusedMap: a resizing, or colours instead of labels.
        MissingDependency: OpenCV is needed and cannot be imported.
    """
    if reading.resize != AS_IS:
        msg = f"--resize {reading.resize} is for maps of height and width; store class maps and labels in one size"
        raise RefusedMap(msg)
    sides = ((pair.pred, CLASS_READERS), (pair.gt, LABEL_READERS))
    stored = [
        read_map(
            path, key=reading.key, max_pixels=reading.max_pixels, trusts_files=reading.trusts_files, readers=readers
        )
        for path, readers in sides
    ]
    pred, gt = _grey(stored[0], pair.pred), _labels(stored[1], pair.gt)
    return MapPair(
        pair.name,
        pred,
        gt,
        shape=(pred.shape[0], math.prod(pred.shape[1:])),
        remarks=tuple(_remarks(stored)),
        pred_scale=stored[0].scale,
        gt_scale=full_scale(gt),
    )


def _shape(path: Path, key: str | None) -> tuple[int, ...]:
    """The shape that an array's file means; () of any other."""
    shape = stored_shape(path, key) if path.suffix.lower() in ARRAYS else None
    return () if shape is None else map_shape(shape) or shape


def _grey(stored: Stored, path: Path) -> Array:
    return stored.array if path.suffix.lower() in ARRAYS else to_grey(stored.array, "error", path)


def _labels(stored: Stored, path: Path) -> Array:
    array = stored.array
    if path.suffix.lower() not in ARRAYS and array.ndim > 2 and not channels_agree(array):  # noqa: PLR2004
        what = f"its colour channels differ ({array.dtype}, shape {array.shape})"
        raise RefusedMap(f"{shown(path)}: {what}; labels are numbers of classes, in grey or as indices of a palette")
    return _grey(stored, path)


def _remarks(stored: list[Stored]) -> Iterator[str]:
    for role, item in zip(("pred", "gt"), stored, strict=True):
        if item.lossy:
            yield f"lossy-{role}"
