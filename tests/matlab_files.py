"""MATLAB files for tests: of version 5 by scipy, of version 7.3 in the layout that MATLAB gives its HDF5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from late import late

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

h5py = late("h5py")
matlab = late("scipy.io")


def cell(*items: Any) -> np.ndarray:
    """A MATLAB cell of one column."""
    array = np.empty((len(items), 1), object)
    array[:, 0] = items
    return array


def struct_array(records: list[dict[str, Any]]) -> np.ndarray:
    """A MATLAB array of structs of one column."""
    array = np.empty((len(records), 1), [(name, object) for name in records[0]])
    for index, record in enumerate(records):
        array[index, 0] = tuple(record.values())
    return array


class Hdf5Writer:
    """Writes what `scipy.io.savemat` takes in the layout of MATLAB 7.3: reversed axes, references, classes."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.count = 0

    def write(self, parent: Any, name: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._dataset(parent, name, np.asarray([[ord(c)] for c in value], np.uint16), b"char")
        if isinstance(value, dict):
            return self._struct(parent, name, value)
        if value.dtype.names:
            return self._struct_array(parent, name, value, value.dtype.names)
        if value.dtype == object:
            return self._dataset(parent, name, self._references(value), b"cell")
        if not value.size:
            item = self._dataset(parent, name, np.asarray(value.shape, np.uint64), value.dtype.name.encode())
            item.attrs["MATLAB_empty"] = np.uint8(1)
            return item
        return self._dataset(parent, name, value.T, value.dtype.name.replace("float64", "double").encode())

    def _dataset(self, parent: Any, name: str, data: np.ndarray, kind: bytes | None) -> Any:
        dtype = h5py.ref_dtype if data.dtype == object else data.dtype
        item = parent.create_dataset(name, data=data, dtype=dtype)
        if kind:
            item.attrs["MATLAB_class"] = np.bytes_(kind)
        return item

    def _references(self, values: np.ndarray) -> np.ndarray:
        references = np.empty(values.shape[::-1], object)
        for index, value in np.ndenumerate(values):
            self.count += 1
            references[index[::-1]] = self.write(self.file.require_group("#refs#"), str(self.count), value).ref
        return references

    def _struct(self, parent: Any, name: str, fields: dict[str, Any]) -> Any:
        group = parent.create_group(name)
        group.attrs["MATLAB_class"] = np.bytes_(b"struct")
        for field, value in fields.items():
            self.write(group, field, value)
        return group

    def _struct_array(self, parent: Any, name: str, value: np.ndarray, fields: tuple[str, ...]) -> Any:
        if value.size == 1:
            return self._struct(parent, name, dict(zip(fields, value[0, 0], strict=True)))
        group = parent.create_group(name)
        group.attrs["MATLAB_class"] = np.bytes_(b"struct")
        for field in fields:
            self._dataset(group, field, self._references(value[field]), None)
        return group


def save_v73(path: Path, variables: dict[str, Any]) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        writer = Hdf5Writer(file)
        for name, value in variables.items():
            writer.write(file, name, value)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(512, b" "))


def save_v5(path: Path, variables: dict[str, Any]) -> None:
    """What scipy writes."""
    matlab.savemat(path, variables)


SAVERS: dict[str, Callable[[Path, dict[str, Any]], None]] = {"v5": save_v5, "v7.3": save_v73}
"""How to write variables to a MATLAB file of each version."""
