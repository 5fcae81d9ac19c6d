"""numpy's own files, and arrays in memory, which stand where such a file does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kldeval.data.formats import MAP_FORMATS, MapFormat
from kldeval.data.readers.numpy_files import Shapes, map_shape, read_npy, read_npz, stored_shape

if TYPE_CHECKING:
    from kldeval.data.readers.stored import Limits
    from kldeval.memory import MapContents


def _size(path: MapContents, _limits: Limits) -> tuple[int, int] | None:
    return map_shape(stored_shape(path, None) or ())


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape if len(shape) == 1 else map_shape(shape) or shape


CLASSES = Shapes(
    lambda shape: _squeezed(shape) if len(shape) in (2, 3) else None,
    "a class map's is (C, H, W), (H, W, C) or (N, C), one map a file",
)
LABELS = Shapes(
    lambda shape: _squeezed(shape) if len(shape) in (1, 2, 3) else None,
    "that of labels is (H, W) or (N,), of soft labels that of the prediction",
)

for _name, _read in (("npy", read_npy), ("npz", read_npz)):
    MAP_FORMATS.add(
        _name,
        MapFormat(
            suffixes=(f".{_name}",),
            read_classes=partial(_read, shapes=CLASSES),
            read_labels=partial(_read, shapes=LABELS),
            read_size=_size,
            read_shaped=_read,
            stored_shape=stored_shape,
        ),
    )(_read)
