"""Files of named arrays: HDF5, torch.save and safetensors. One of them is the map: the only one, or that of `--key`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.data.readers import hdf5, numpy_files, safetensors, torch_files
from kldeval.data.readers.entries import Entry, chosen
from kldeval.data.readers.stored import Limits, Stored, unreadable
from kldeval.memory import BytesInMemory, MapInMemory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from kldeval.memory import MapContents

MODULES: Mapping[str, ModuleType] = {
    suffix: module for module in (hdf5, safetensors, torch_files) for suffix in module.SUFFIXES
}
"""The module of each suffix: `entries(path, limits)` are the arrays of a file, and `load` reads one."""


def read(path: MapContents, key: str | None, limits: Limits, shapes: numpy_files.Shapes | None = None) -> Stored:
    """The array that is meant, a map unless other shapes are given.

    Raises:
        UnreadableMap: damaged, several arrays and no key, or no real-valued map.
        MissingDependency: a library that the format needs is not installed.
        OSError: the file cannot be opened.
    """
    entry, module = _chosen(path, key, limits)
    array = module.load(path, limits, entry.key)
    return numpy_files.read_npy(MapInMemory(array, str(path)), None, limits, shapes)


def stored_shape(path: MapContents, key: str | None) -> tuple[int, ...] | None:
    """The shape of the array that is meant; None where there is none to be read."""
    try:
        return _chosen(path, key, Limits())[0].shape
    except Exception:  # noqa: BLE001 - reading it will say what is wrong
        return None


def _chosen(path: Any, key: str | None, limits: Limits) -> tuple[Entry, ModuleType]:
    if isinstance(path, BytesInMemory):
        raise unreadable(path, "a file of arrays within another file is not read; unpack it")
    module = MODULES[path.suffix.lower()]
    return chosen(module.entries(path, limits), key, path), module
