"""MATLAB files of version 4 to 7 as plain values, every size checked against the bytes that are there.

scipy's reader ends the process, or never ends, on some damaged files; this one reads with `struct` and numpy alone:
whatever the bytes say, it returns or raises. A matrix is an array of its MATLAB class, a text is `str`, a cell is a
list in MATLAB's order, a struct is a dict and an array of structs a list of dicts.

Format: MAT-File Format, https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.readers import matlab_hdf5
from kldeval.data.readers.entries import StoredArray
from kldeval.data.readers.files import check_regular, read_bytes
from kldeval.data.readers.stored import SLACK, Limits, unreadable
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.digests import kept_by
from kldeval.errors import printable
from kldeval.memory import BytesInMemory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.digests import Kept


HEADER, ORDER = 128, 126
"""The length of the text at the start, and where in it stands the byte order."""

NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""numpy's types of the data types of elements."""

TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
"""How the data types of a text are encoded."""

MATRIX, COMPRESSED = 14, 15

CELL, STRUCT, CHAR, SPARSE = 1, 2, 4, 5
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""numpy's types of the classes of matrices."""

OTHER_CLASSES = {3: "object", 16: "function", 17: "object"}

IS_COMPLEX, IS_LOGICAL = 0x0800, 0x0200

V4_TYPES = ("f8", "f4", "i4", "i2", "u2", "u1")
V4_HEADER = 20
V4_NUMERIC, V4_TEXT, V4_SPARSE = 0, 1, 2

DEEPEST, MOST_DIMENSIONS, PIECE = 32, 32, 2**20


class Damaged(Exception):
    """The bytes contradict themselves; the message says how."""


@dataclass(frozen=True, slots=True)
class Unsupported:
    """What stands for a variable that is no value: a function or an object of a class."""

    kind: str


class _Element(NamedTuple):
    """One data element: its type, and its bytes."""

    kind: int
    data: memoryview


@dataclass(slots=True)
class _Budget:
    """What may still be inflated or made dense, in bytes."""

    left: int

    def take(self, n_bytes: int) -> None:
        """Refuse more than what is left.

        Raises:
            Damaged: it would be.
        """
        if n_bytes > self.left:
            msg = f"it claims {n_bytes} bytes where {self.left} are allowed (--max-pixels, 8 bytes each)"
            raise Damaged(msg)
        self.left -= n_bytes


@dataclass(slots=True)
class _Reader:
    """The byte order of a file, and what it may still ask for."""

    order: str
    budget: _Budget
    depth: int = field(default=0)


def load_variables(path: Path | BytesInMemory, limits: Limits) -> Mapping[str, Any]:
    """The variables of a MATLAB file of any version, by name.

    Raises:
        UnreadableMap: as `load_matlab`, or it ends the process that reads HDF5.
        MissingDependency: version 7.3, and h5py cannot be imported.
        OSError: it cannot be opened.
    """
    data = read_bytes(path)
    if any(data.startswith(matlab_hdf5.MAGIC, offset) for offset in matlab_hdf5.OFFSETS):
        from kldeval.data.readers.apart import load_apart

        matlab_hdf5.LIBRARY.check()
        variables: Mapping[str, Any] = load_apart(matlab_hdf5.__name__, path, limits)
        return variables
    return load_matlab(data, path, limits)


def entries(path: Path | BytesInMemory, limits: Limits) -> list[StoredArray]:
    """The variables of a MATLAB file; numeric matrices may be maps, but single numbers, which are 1 x 1, have no axes.

    Raises:
        UnreadableMap, MissingDependency, OSError: as `load_variables`.
    """
    return [StoredArray(name, _shape(value), _kind(value)) for name, value in _loaded_once(path, limits).items()]


def _shape(value: Any) -> tuple[int, ...]:
    if isinstance(value, list):
        return (len(value),)
    return value.shape if isinstance(value, np.ndarray) and value.size > 1 else ()


def load(key: str, place: int | None, path: Path | BytesInMemory, limits: Limits) -> Array:
    """One variable as an array, or its slice at a place along the first axis.

    Raises:
        UnreadableMap, MissingDependency, OSError: as `load_variables`.
    """
    value = _loaded_once(path, limits)[key]
    if not (isinstance(value, np.ndarray) or _kind(value) == "U"):
        raise unreadable(path, f"its variable {printable(key)} is no matrix of numbers")
    return np.asarray(value if place is None else value[place])


def _kind(value: Any) -> str:
    """numpy's letter for the kind of a variable, U for a cell of texts."""
    texts = isinstance(value, list) and value and all(isinstance(one, str) for one in value)
    return "U" if texts else value.dtype.kind if isinstance(value, np.ndarray) else "V"


def _loaded_once(path: Path | BytesInMemory, limits: Limits) -> Mapping[str, Any]:
    if isinstance(path, BytesInMemory):
        return load_variables(path, limits)
    check_regular(path)
    return _kept_until(path, limits, kept_by(path))


@lru_cache(maxsize=2)
def _kept_until(path: Path, limits: Limits, _kept_by: Kept | None) -> Mapping[str, Any]:
    """The variables of a file, kept for the next map that is asked for."""
    return load_variables(path, limits)


def load_matlab(data: bytes, path: Path | BytesInMemory, limits: Limits) -> Mapping[str, Any]:
    """The variables of a MATLAB file of version 4 to 7, by name.

    Raises:
        UnreadableMap: damaged, no MATLAB file, or larger than `limits` allow.
    """
    most = 8 * limits.max_pixels + SLACK
    try:
        # the first bytes of later versions are text
        if 0 in data[:4] and len(data) >= V4_HEADER:
            return dict(_version_4(data, most))
        reader = _Reader(_order(data), _Budget(most))
        return dict(_variables(memoryview(data)[HEADER:], reader))
    except (Damaged, struct.error, zlib.error, ValueError, OverflowError) as error:
        raise unreadable(path, f"damaged, or no MATLAB file ({error})") from error


def _order(data: bytes) -> str:
    """The byte order that the header of version 5 declares, as `struct` writes it."""
    order = {b"IM": "<", b"MI": ">"}.get(data[ORDER:HEADER])
    if order is None:
        msg = f"it begins with the bytes {data[:12].hex(' ')}" if data else "it is empty"
        raise Damaged(msg)
    return order


def _variables(rest: memoryview, reader: _Reader) -> Iterator[tuple[str, Any]]:
    for element in _elements(rest, reader):
        matrix = element
        if element.kind == COMPRESSED:
            matrix = next(_elements(memoryview(_inflated(element.data, reader)), reader))
        if matrix.kind == MATRIX and len(matrix.data):
            name, value = _matrix(matrix.data, reader)
            if name:  # nameless: what MATLAB keeps of objects
                yield name, value


def _elements(rest: memoryview, reader: _Reader) -> Iterator[_Element]:
    """The elements that follow each other in `rest`."""
    tag = struct.Struct(reader.order + "II")
    while len(rest):
        kind, size = tag.unpack_from(rest)
        start, end = 8, 8 + size
        if kind >> 16:  # a small element holds its data in the tag
            kind, size, start = kind & 0xFFFF, kind >> 16, 4
            end = start + size
            if size > 4:  # noqa: PLR2004 - what is left of the tag
                msg = f"a small element of {size} bytes"
                raise Damaged(msg)
        if end > len(rest):
            msg = f"an element of {size} bytes where {len(rest) - start} are left"
            raise Damaged(msg)
        yield _Element(kind, rest[start:end])
        padded = end if kind == COMPRESSED else max(8, -(-end // 8) * 8)
        rest = rest[padded:]


def _inflated(data: memoryview, reader: _Reader) -> bytes:
    """The one element in a compressed one, inflated no further than its own header says."""
    inflater = zlib.decompressobj()
    head = inflater.decompress(data, 8)
    _, size = struct.unpack(reader.order + "II", head)
    reader.budget.take(size)
    parts, rest, n_left = [head], inflater.unconsumed_tail, size + 8
    while n_left > 0 and (part := inflater.decompress(rest, min(PIECE, n_left))):
        parts.append(part)
        n_left, rest = n_left - len(part), inflater.unconsumed_tail
    inflated = b"".join(parts)
    if len(inflated) < size + 8 or not _ends(inflater, rest):
        msg = f"a compressed variable of {size} bytes holds {len(inflated) - 8}, or its checksum is wrong"
        raise Damaged(msg)
    return inflated[: size + 8]


def _ends(inflater: Any, rest: bytes) -> bool:
    """Whether the stream ends here, with the right checksum; up to eight bytes of padding may be left."""
    inflater.decompress(rest, 8)
    if not inflater.eof:
        inflater.decompress(inflater.unconsumed_tail, 1)
    return bool(inflater.eof)


def _matrix(data: memoryview, reader: _Reader) -> tuple[str, Any]:
    """The name and the value of a matrix."""
    parts = _elements(data, reader)
    flags, shape, name = (_next_element(parts) for _ in range(3))
    (bits,) = struct.unpack_from(reader.order + "I", flags.data)
    kind = bits & 0xFF
    if kind in OTHER_CLASSES:
        return _text(name), Unsupported(OTHER_CLASSES[kind])
    dimensions = tuple(int(length) for length in _numbers(shape, reader))
    if not 2 <= len(dimensions) <= MOST_DIMENSIONS or min(dimensions) < 0:  # noqa: PLR2004 - a matrix has two
        msg = f"a matrix of the dimensions {dimensions}"
        raise Damaged(msg)
    if bits & IS_COMPLEX:
        return _text(name), Unsupported("complex")
    reader.depth += 1
    if reader.depth > DEEPEST:
        msg = f"cells or structs within each other more than {DEEPEST} times"
        raise Damaged(msg)
    value = _value(kind, dimensions, parts, reader)
    reader.depth -= 1
    if bits & IS_LOGICAL and isinstance(value, np.ndarray):
        value = value != 0
    return _text(name), value


def _next_element(parts: Iterator[_Element]) -> _Element:
    try:
        return next(parts)
    except StopIteration:
        msg = "a matrix that ends before its contents"
        raise Damaged(msg) from None


def _value(kind: int, dimensions: tuple[int, ...], parts: Iterator[_Element], reader: _Reader) -> Any:
    if kind == CELL:
        return [_matrix_in(parts, reader) for _ in range(math.prod(dimensions))]
    if kind == STRUCT:
        return _structs(dimensions, parts, reader)
    if kind == CHAR:
        return _rows_of_text(_next_element(parts), dimensions, reader)
    if kind == SPARSE:
        return _sparse(dimensions, parts, reader)
    if kind not in CLASSES:
        msg = f"a matrix of the unknown class {kind}"
        raise Damaged(msg)
    values = _numbers(_next_element(parts), reader)
    if len(values) != math.prod(dimensions):
        msg = f"{len(values)} values in a matrix of the dimensions {dimensions}"
        raise Damaged(msg)
    return values.astype(CLASSES[kind]).reshape(dimensions, order="F")


def _matrix_in(parts: Iterator[_Element], reader: _Reader) -> Any:
    """The value of a matrix within another; one without any bytes is empty."""
    element = _next_element(parts)
    if element.kind != MATRIX:
        msg = f"an element of type {element.kind} where a matrix should be"
        raise Damaged(msg)
    return _matrix(element.data, reader)[1] if len(element.data) else np.zeros((0, 0))


def _structs(dimensions: tuple[int, ...], parts: Iterator[_Element], reader: _Reader) -> Any:
    (width,) = _numbers(_next_element(parts), reader)
    names = bytes(_next_element(parts).data)
    if width < 1 or len(names) % width:
        msg = f"names of {width} bytes each in {len(names)} bytes"
        raise Damaged(msg)
    fields = [names[start : start + width].split(b"\0")[0].decode("latin-1") for start in range(0, len(names), width)]
    n_records = math.prod(dimensions)
    if not fields and n_records > 1:
        msg = f"{n_records} structs without a field"
        raise Damaged(msg)
    records = [{name: _matrix_in(parts, reader) for name in fields} for _ in range(n_records)]
    return records[0] if n_records == 1 else records


def _numbers(element: _Element, reader: _Reader) -> Array:
    dtype = NUMBERS.get(element.kind)
    if dtype is None or len(element.data) % np.dtype(dtype).itemsize:
        msg = f"{len(element.data)} bytes of the type {element.kind} where numbers should be"
        raise Damaged(msg)
    return np.frombuffer(element.data, reader.order + dtype)


def _text(element: _Element) -> str:
    return bytes(element.data).rstrip(b"\0").decode("latin-1")


def _rows_of_text(element: _Element, dimensions: tuple[int, ...], reader: _Reader) -> str:
    """The characters of a text, row after row."""
    encoding = TEXTS.get(element.kind)
    if encoding is None:
        msg = f"a text of the type {element.kind}"
        raise Damaged(msg)
    order = {"utf-16": {"<": "-le", ">": "-be"}, "utf-32": {"<": "-le", ">": "-be"}}.get(encoding, {})
    text = bytes(element.data).decode(encoding + order.get(reader.order, ""), "replace")
    rows = dimensions[0]
    return "".join(text[row::rows] for row in range(rows)) if rows > 1 and len(text) == math.prod(dimensions) else text


def _sparse(dimensions: tuple[int, ...], parts: Iterator[_Element], reader: _Reader) -> Array:
    """A sparse matrix, stored by columns, as a dense one."""
    rows, starts, values = (_numbers(_next_element(parts), reader) for _ in range(3))
    height, width = dimensions[0], math.prod(dimensions[1:])
    if len(starts) != width + 1:
        msg = f"{len(starts)} starts of the columns of a sparse matrix of the dimensions {dimensions}"
        raise Damaged(msg)
    counts: Array = np.diff(starts.astype(np.int64))
    n_values = int(starts[-1])
    if starts[0] != 0 or (counts < 0).any() or n_values > min(len(rows), len(values)):
        msg = "a sparse matrix whose columns do not begin where they should"
        raise Damaged(msg)
    return _dense(
        rows[:n_values], np.repeat(np.arange(width), counts), values[:n_values], (height, width), reader.budget
    )


def _dense(rows: Array, cols: Array, values: Array, shape: tuple[int, int], budget: _Budget) -> Array:
    budget.take(8 * shape[0] * shape[1])
    if len(rows) and (min(rows.min(), cols.min()) < 0 or rows.max() >= shape[0] or cols.max() >= shape[1]):
        msg = f"a sparse matrix with values outside its {shape[0]} rows and {shape[1]} columns"
        raise Damaged(msg)
    dense = np.zeros(shape)
    dense[rows.astype(np.int64), cols.astype(np.int64)] = values
    return dense


def _version_4(data: bytes, most: int) -> Iterator[tuple[str, Any]]:
    """The variables of version 4, whose matrices follow each other without a file header."""
    rest, budget = memoryview(data), _Budget(most)
    while rest:
        for order in "<>":
            kind, height, width, is_complex, n_name = struct.unpack_from(order + "5i", rest)
            if 0 <= kind <= 4052:  # noqa: PLR2004 - big-endian, the largest there is
                break
        machine, zero, number, use = (kind // 10**place % 10 for place in (3, 2, 1, 0))
        if machine > 1 or zero or number >= len(V4_TYPES) or use > V4_SPARSE or min(height, width, n_name) < 0:
            msg = f"a matrix of version 4 of the type {kind}, {height} x {width}"
            raise Damaged(msg)
        dtype = np.dtype(order + V4_TYPES[number])
        start, n_bytes = V4_HEADER + n_name, height * width * dtype.itemsize * (2 if is_complex else 1)
        if start + n_bytes > len(rest):
            msg = f"a matrix of {n_bytes} bytes where {len(rest) - start} are left"
            raise Damaged(msg)
        name = bytes(rest[V4_HEADER:start]).rstrip(b"\0").decode("latin-1")
        values = np.frombuffer(rest[start : start + n_bytes], dtype)
        yield name, Unsupported("complex") if is_complex else _version_4_value(values, (height, width), use, budget)
        rest = rest[start + n_bytes :]


def _version_4_value(values: Array, shape: tuple[int, int], use: int, budget: _Budget) -> Any:
    matrix = values.astype(values.dtype.newbyteorder("=")).reshape(shape, order="F")
    if use == V4_TEXT:
        return "".join(chr(int(code)) for code in matrix.ravel() if 0 <= code <= 0x10FFFF)  # noqa: PLR2004 - Unicode
    if use == V4_NUMERIC:
        return matrix
    if shape[0] < 1 or shape[1] != 3 or not np.isfinite(matrix).all() or (matrix[:, :2] < 0).any():  # noqa: PLR2004
        msg = f"a sparse matrix of version 4 stored as {shape}"
        raise Damaged(msg)
    rows, cols, entries = matrix[:-1].T
    height, width = (int(length) for length in matrix[-1, :2])
    return _dense(rows - 1, cols - 1, entries, (height, width), budget)
