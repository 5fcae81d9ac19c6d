"""HDF5 files with a map in each dataset, as pysaliency's HDF5Model keeps predictions; read by a process of their own.

A dataset's path is its name. Links to other files are not followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.readers.apart import Library
from kldeval.data.readers.entries import StoredArray, check_count
from kldeval.data.readers.files import as_file
from kldeval.data.readers.stored import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.readers.stored import Limits
    from kldeval.memory import BytesInMemory

LIBRARY = Library("h5py", "HDF5 files", "pip install 'kldeval[hdf5]'")

DEEPEST, MOST_ITEMS = 32, 2_000_000


def entries(path: Path | BytesInMemory, _limits: Limits) -> list[StoredArray]:
    """The arrays of an HDF5 file.

    Raises:
        ValueError: groups are nested too deeply, there are too many, or data lie in other files.
    """
    with _opened(path) as file:
        return list(_walk(file, "", 0))


def load(key: str, place: int | None, path: Path | BytesInMemory, limits: Limits) -> Array:
    """One array of an HDF5 file, or the slice of it at a place along the first axis.

    Raises:
        UnreadableMap: it is too large.
        ValueError: it lies in another file.
    """
    import h5py

    with _opened(path) as file:
        item: Any = file
        for part in key.split("/"):
            item = _member(item, part)
        _check_here(item)
        check_count(item.shape if place is None else item.shape[1:], path, limits)
        if h5py.check_string_dtype(item.dtype):
            return np.asarray(item.asstr()[()], dtype=str)
        return np.asarray(item[()] if place is None else item[place])


def _opened(path: Path | BytesInMemory) -> Any:
    import h5py

    try:
        return h5py.File(as_file(path), "r")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unreadable(path, f"no HDF5 file, or damaged ({error})") from error


def check_held(file: Any) -> None:
    """Refuse a file some of whose data lie in others.

    Raises:
        ValueError: naming what does.
    """
    for entry in _walk(file, "", 0):
        _check_here(file[entry.key])


def _walk(group: Any, prefix: str, depth: int) -> Iterator[StoredArray]:
    if depth > DEEPEST or len(group) > MOST_ITEMS:
        msg = f"its groups are nested more than {DEEPEST} deep, or hold more than {MOST_ITEMS} members"
        raise ValueError(msg)
    for name in group:
        item = _member(group, name)
        if hasattr(item, "keys"):
            yield from _walk(item, f"{prefix}{name}/", depth + 1)
        elif item.shape is not None:
            yield StoredArray(f"{prefix}{name}", tuple(item.shape), _kind(item))


def _member(group: Any, name: str) -> Any:
    """A member of a group; a link could lead to any file of the machine."""
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise _elsewhere(name)
    return group[name]


def _check_here(item: Any) -> None:
    if item.external or item.is_virtual:
        raise _elsewhere(item.name)


def _elsewhere(name: str) -> ValueError:
    return ValueError(f"{name} is a link or lies in another file")


def _kind(item: Any) -> str:
    import h5py

    return "U" if h5py.check_string_dtype(item.dtype) else str(item.dtype.kind)
