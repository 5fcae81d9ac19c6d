"""MATLAB files of version 7.3, which are HDF5, as the same plain values as older versions.

Format: MATLAB's matrices are stored with their axes reversed; cells and arrays of structs hold references.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.errors import MissingDependency
from kldeval.data.readers.stored import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kldeval.arrays import Array

MAGIC = b"\x89HDF\r\n\x1a\n"
OFFSETS = (0, 512)
"""Where the signature stands: MATLAB puts a text header of 512 bytes before it."""


def is_hdf5(path: Path) -> bool:
    """Whether the file is of version 7.3.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(OFFSETS[-1] + len(MAGIC))
    return any(start[offset : offset + len(MAGIC)] == MAGIC for offset in OFFSETS)


def load_hdf5(path: Path) -> Mapping[str, Any]:
    """The variables of a MATLAB file of version 7.3.

    Raises:
        UnreadableMap: it is damaged, or keeps its data in other files.
        MissingDependency: h5py cannot be imported.
    """
    try:
        import h5py
    except ImportError as error:
        msg = f"MATLAB files of version 7.3 need h5py ({error}); install it with: pip install h5py"
        raise MissingDependency(msg) from error
    try:
        with h5py.File(path, "r") as file:
            return {name: _plain(item, file) for name, item in _members(file) if not name.startswith("#")}
    except (OSError, ValueError, TypeError, LookupError, RuntimeError, MemoryError) as error:
        raise unreadable(path, f"damaged, or no MATLAB file ({error})") from error


def _members(group: Any) -> Iterator[tuple[str, Any]]:
    """The members of a group; a link could lead to any file of the machine, and MATLAB makes none."""
    import h5py

    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _elsewhere(name)
        yield name, group[name]


def _elsewhere(name: str) -> ValueError:
    return ValueError(f"{name} is a link or lies in another file")


def _plain(item: Any, file: Any) -> Any:
    kind = item.attrs.get("MATLAB_class", b"")
    if hasattr(item, "keys"):
        return _sparse(item) if "MATLAB_sparse" in item.attrs else _struct(item, file)
    import numpy as np

    if item.external or item.is_virtual:
        raise _elsewhere(item.name)
    if "MATLAB_empty" in item.attrs:
        return {b"char": "", b"cell": [], b"struct": []}.get(kind, np.zeros([int(n) for n in item[()]]))
    if item.dtype == object:
        return [_plain(file[reference], file) for reference in item[()].ravel()]
    values = np.asarray(item[()]).T
    return "".join(map(chr, values.ravel(order="F"))) if kind == b"char" else values


def _struct(group: Any, file: Any) -> Any:
    """A struct as a dict; an array of structs, whose fields are references outside any cell, as a list of them."""
    fields = {name: _plain(item, file) for name, item in _members(group)}
    is_array = fields and all(
        not hasattr(item, "keys") and item.dtype == object and "MATLAB_class" not in item.attrs
        for _, item in _members(group)
    )
    if not is_array:
        return fields
    return [dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True)]


def _sparse(group: Any) -> Array:
    """A sparse matrix, stored by columns, as a dense one."""
    import numpy as np

    starts = np.asarray(group["jc"], np.int64)
    dense = np.zeros((int(group.attrs["MATLAB_sparse"]), len(starts) - 1))
    if "data" in group:
        dense[np.asarray(group["ir"], np.int64), np.repeat(np.arange(dense.shape[1]), np.diff(starts))] = group["data"]
    return dense
