"""MATLAB files of version 7.3, which are HDF5: read by a process of its own, which damaged ones may crash.

Format: MATLAB's matrices are stored with their axes reversed; cells and arrays of structs hold references.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.readers.apart import Library
from kldeval.data.readers.files import as_file, reason, refusals
from kldeval.data.readers.stored import SLACK, Limits, unreadable
from kldeval.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.memory import BytesInMemory

MAGIC = b"\x89HDF\r\n\x1a\n"
OFFSETS = (0, 512)
"""Where the signature stands: MATLAB puts a text header of 512 bytes before it."""

LIBRARY = Library("h5py", "MATLAB files of version 7.3", "pip install 'kldeval[matlab73]'")

DEEPEST, MOST_ITEMS = 32, 5_000_000


@dataclass(slots=True)
class _Reader:
    """An open file, and what may still be read of it."""

    file: Any
    left: int
    n_items: int = 0
    depth: int = field(default=0)

    def enter(self, n_bytes: int = 0) -> None:
        """Count an item of so many bytes, one level deeper.

        Raises:
            ValueError: more bytes, items or levels than allowed.
        """
        self.left -= n_bytes
        self.n_items += 1
        self.depth += 1
        if self.left < 0 or self.n_items > MOST_ITEMS or self.depth > DEEPEST:
            msg = f"it claims more values than --max-pixels allows, over {MOST_ITEMS} parts, or references in a circle"
            raise ValueError(msg)


def load(path: Path | BytesInMemory, limits: Limits) -> Mapping[str, Any]:
    """The variables of a MATLAB file of version 7.3, read in this process.

    Raises:
        UnreadableMap: it is damaged, too large, or keeps its data in other files.
    """
    import h5py

    with refusals(path):
        try:
            with h5py.File(as_file(path), "r") as file:
                reader = _Reader(file, 8 * limits.max_pixels + SLACK)
                return {name: _plain(item, reader) for name, item in _members(file) if not name.startswith("#")}
        except Exception as error:
            raise unreadable(path, f"damaged, or no MATLAB file ({reason(error)})") from error


def _members(group: Any) -> Iterator[tuple[str, Any]]:
    """The members of a group; a link could lead to any file of the machine, and MATLAB makes none."""
    import h5py

    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _elsewhere(name)
        yield name, group[name]


def _elsewhere(name: str) -> ValueError:
    return ValueError(f"{name} is a link or lies in another file")


def _plain(item: Any, reader: _Reader) -> Any:
    kind = item.attrs.get("MATLAB_class", b"")
    if hasattr(item, "keys"):
        reader.enter()
        value = _sparse(item, reader) if "MATLAB_sparse" in item.attrs else _struct(item, reader)
    else:
        if item.external or item.is_virtual:
            raise _elsewhere(item.name)
        reader.enter(item.size * max(8, item.dtype.itemsize))
        value = _values(item, kind, reader)
    reader.depth -= 1
    return value


def _values(item: Any, kind: bytes, reader: _Reader) -> Any:
    if "MATLAB_empty" in item.attrs:
        shape = [int(n) for n in item[()].ravel()[:DEEPEST]]
        return {b"char": "", b"cell": [], b"struct": []}.get(kind, np.zeros(shape if 0 in shape else (0, 0)))
    if item.dtype == object:
        return [_plain(reader.file[reference], reader) for reference in item[()].ravel()]
    values = np.asarray(item[()]).T
    return "".join(map(chr, values.ravel(order="F"))) if kind == b"char" else values


def _struct(group: Any, reader: _Reader) -> Any:
    """A struct as a dict; an array of structs, whose fields are references outside any cell, as a list of them."""
    fields = {name: _plain(item, reader) for name, item in _members(group)}
    is_array = fields and all(
        not hasattr(item, "keys") and item.dtype == object and "MATLAB_class" not in item.attrs
        for _, item in _members(group)
    )
    if not is_array:
        return fields
    return [dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True)]


def _sparse(group: Any, reader: _Reader) -> Array:
    """A sparse matrix, stored by columns, as a dense one."""
    reader.enter(8 * (group["jc"].size + (2 * group["ir"].size if "data" in group else 0)))
    starts = np.asarray(group["jc"], np.int64)
    height, width = int(group.attrs["MATLAB_sparse"]), len(starts) - 1
    reader.enter(8 * height * width)
    dense = np.zeros((height, width))
    if "data" in group:
        dense[np.asarray(group["ir"], np.int64), np.repeat(np.arange(width), np.diff(starts))] = group["data"]
    reader.depth -= 2
    return dense
