"""Files of named arrays, each read by a module of `kldeval.data.readers`, in its own process if by a library.

Such a module has `entries(path, limits)`, the arrays of a file, and `load(key, place, path, limits)`, one of them or a
slice of it, and where it needs a library `LIBRARY`.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kldeval.data.formats import MAP_FORMATS, MapFormat
from kldeval.data.formats.arrays import CLASSES, LABELS
from kldeval.data.readers.numpy_files import map_shape, read_npy
from kldeval.memory import MapInMemory

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.readers.entries import StoredArray
    from kldeval.data.readers.numpy_files import Shapes
    from kldeval.data.readers.stored import Limits, Stored
    from kldeval.memory import MapContents


def _called(name: str, function: str, path: MapContents, limits: Limits, *given: Any) -> Any:
    """What a function of the module returns; further arguments stand before the path."""
    module = import_module(f"kldeval.data.readers.{name}")
    if not hasattr(module, "LIBRARY"):
        return getattr(module, function)(*given, path, limits)
    from kldeval.data.readers.apart import load_apart

    module.LIBRARY.check()
    return load_apart(module.__name__, path, limits, function, *given)


def _entries(name: str, path: MapContents, limits: Limits) -> list[StoredArray]:
    found: list[StoredArray] = _called(name, "entries", path, limits)
    return found


def _load(name: str, path: MapContents, limits: Limits, key: str, place: int | None = None) -> Array:
    found: Array = _called(name, "load", path, limits, key, place)
    return found


def _read(name: str, path: MapContents, key: str | None, limits: Limits, shapes: Shapes | None = None) -> Stored:
    """The array that is meant, a map unless other shapes are given."""
    from kldeval.data.readers.entries import chosen

    entry = chosen(_entries(name, path, limits), key, path)
    return read_npy(MapInMemory(_load(name, path, limits, entry.key), str(path)), None, limits, shapes)


def _stored_shape(name: str, path: MapContents, key: str | None) -> tuple[int, ...] | None:
    from kldeval.data.readers.entries import chosen
    from kldeval.data.readers.stored import Limits

    try:
        return chosen(_entries(name, path, Limits()), key, path).shape
    except Exception:  # noqa: BLE001 - reading it will say what is wrong
        return None


def _size(name: str, path: MapContents, _limits: Limits) -> tuple[int, int] | None:
    return map_shape(_stored_shape(name, path, None) or ())


for _name, _suffixes in {
    "hdf5": (".h5", ".hdf5"),
    "torch_files": (".pt", ".pth"),
    "safetensors": (".safetensors",),
    "matlab": (".mat",),
}.items():
    MAP_FORMATS.add(
        _name,
        MapFormat(
            suffixes=_suffixes,
            read_classes=partial(_read, _name, shapes=CLASSES),
            read_labels=partial(_read, _name, shapes=LABELS),
            read_size=partial(_size, _name),
            read_shaped=partial(_read, _name),
            stored_shape=partial(_stored_shape, _name),
            entries=partial(_entries, _name),
            load=partial(_load, _name),
            is_shy=True,
        ),
    )(partial(_read, _name))
