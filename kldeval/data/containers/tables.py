"""Tables with a map in each row of a column: Parquet files and those of Hugging Face `datasets`, in folders or at URLs.

A cell is an image as its file's bytes, a struct of `bytes` and `path` (the feature `Image` of `datasets`), or lists of
lists of numbers (`Array2D`). A table of several files, its shards, is one. Formats: https://parquet.apache.org,
https://arrow.apache.org/docs/format/Columnar.html and https://huggingface.co/docs/datasets/about_dataset_features
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.containers import TABLES
from kldeval.data.containers.contents import container_of, is_hidden
from kldeval.data.readers import is_readable
from kldeval.data.readers.apart import load_apart
from kldeval.data.readers.entries import check_count
from kldeval.data.readers.files import check_regular, refusals
from kldeval.data.readers.foreign import OWN
from kldeval.data.readers.stored import unreadable
from kldeval.dataclass import NamedTuple
from kldeval.digests import kept_by
from kldeval.errors import UnreadableMap, UsageProblem, examples, printable
from kldeval.memory import ARRAY_SUFFIX, BytesInMemory, MapInMemory, Member
from kldeval.packages import check_package
from kldeval.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.containers import Container
    from kldeval.data.readers.stored import Limits
    from kldeval.digests import Kept

IMAGE = ".png"
"""The suffix of a map in bytes whose path does not say it: the readers of images tell them apart by themselves."""

LARGEST_PART = 2**30
"""Bytes that the column may take in one row group, which is read at once."""

NUMPY = OWN[".npy"]


class Shape(NamedTuple):
    """What is known of a file of columns without reading them: those that may name rows, and its rows' names and paths.

    `paths` are what a struct says beside its bytes; `first` the first bytes of the first cell that has any. `parts` are
    how many rows each part (row group, record batch) has. `is_array`: the cells are lists of numbers.
    """

    columns: tuple[str, ...]
    parts: tuple[int, ...]
    names: tuple[str, ...]
    paths: tuple[str | None, ...]
    first: bytes
    is_array: bool


def is_table(path: Path) -> bool:
    """Whether a file holds columns, by its suffix."""
    return path.suffix.lower() in TABLES


class MapColumn(NamedTuple):
    """Which column holds the maps, which one their names, and whether one table holds both sides of all pairs.

    Without names rows are called by their numbers, which is safe only where both sides are of one row.
    """

    maps: str
    names: str | None = None
    is_shared: bool = False


def contents(path: Path, column: MapColumn, limits: Limits) -> Container:
    """The maps of a column.

    Raises:
        UsageProblem: no such file or column, rows without a name, or with that of another.
        MissingDependency: pyarrow is not installed.
    """
    _check_library()
    try:
        files = _files(path)
        shapes = [_shape(file, limits, column) for file in files]
    except UnreadableMap as problem:
        raise UsageProblem(str(problem)) from problem
    count = sum(sum(shape.parts) for shape in shapes)
    if column.names is None and not column.is_shared:
        can = sorted(set.intersection(*(set(shape.columns) for shape in shapes)))
        known = f"; columns that can: {', '.join(map(printable, can))}" if can else ""
        msg = f"which rows of {printable(path)} belong to which other maps is said by --name-column COLUMN{known}"
        raise UsageProblem(msg)
    members = _members(files, shapes, column.maps, len(str(max(0, count - 1))))
    return container_of(path, members, column.names)


def read(member: Member, limits: Limits) -> BytesInMemory | MapInMemory:
    """The cell of a row.

    Raises:
        UnreadableMap: it is empty, damaged, too large or no map.
        MissingDependency: pyarrow is not installed.
        OSError: the file cannot be opened.
    """
    cell = load_apart(__name__, member.path, limits, "loaded", *member.where)
    if isinstance(cell, str):
        raise unreadable(member, cell)
    if isinstance(cell, bytes):
        return BytesInMemory(cell, str(member), member.suffix)
    return MapInMemory(cell, str(member))


def listed(column: str, name_column: str | None, path: Path, _limits: Limits) -> Shape:
    """What is known of a file before its maps are read, looked at in this process.

    Raises:
        UnreadableMap: it has no such column, or one that names no rows.
    """
    with _opened(path) as file:
        names: list[str] = []
        paths: list[str | None] = []
        for part in range(len(file.parts)):
            if name_column is not None:
                names += file.names(part, name_column, len(names))
            paths += file.paths(part, column)
        is_array = _is_list(file.type_of(column))
        first = b"" if is_array else next(file.beginnings(column), b"")
        return Shape(tuple(file.naming()), tuple(file.parts), tuple(names), tuple(paths), first, is_array)


def loaded(column: str, part: int, place: int, path: Path, limits: Limits) -> Array | bytes | str:
    """One cell, read in this process: bytes, an array, or why it is none.

    Raises:
        UnreadableMap: it is too large.
    """
    cells = _part(path, kept_by(path), column, part)
    try:
        cell = _cell(cells[place])
    except ValueError as error:
        return str(error)
    if isinstance(cell, np.ndarray):
        check_count(cell.shape, path, limits)
    return cell


@lru_cache(maxsize=2)
def _part(path: Path, _kept_by: Kept | None, column: str, part: int) -> Any:
    """A column of one part of a file, kept for its next rows."""
    with _opened(path) as file:
        return file.column(part, column)


def _files(path: Path) -> list[Path]:
    """The files of a table: itself, those that a pattern fits, or all of a folder, in the order of their names.

    Raises:
        UsageProblem: there is none.
        MissingDependency: of a URL, no package knows its scheme.
    """
    if is_url(path):
        from kldeval.data.containers import remote

        found = remote.files_below(path)
    elif path.is_dir():
        found = [file for file in sorted(path.rglob("*")) if not is_hidden(file.relative_to(path).as_posix())]
    elif "*" in path.name and not path.exists():
        found = sorted(path.parent.glob(path.name))
    else:
        with refusals(path):
            check_regular(path)
        found = [path]
    files = [file for file in found if is_table(file)]
    if not files:
        others = f" (such as {examples([str(file) for file in found])})" if found else ""
        msg = f"{printable(path)} holds no table with columns ({' '.join(TABLES)}){others}"
        raise UsageProblem(msg)
    return files


def _shape(file: Path, limits: Limits, column: MapColumn) -> Shape:
    with refusals(file):
        if not is_url(file):
            check_regular(file)
        found: Shape = load_apart(__name__, file, limits, "listed", column.maps, column.names)
        return found


def _members(files: Sequence[Path], shapes: Sequence[Shape], column: str, digits: int) -> Iterator[Member]:
    """All rows of a column, in order."""
    number = 0
    for file, shape in zip(files, shapes, strict=True):
        rows = ((part, place) for part, count in enumerate(shape.parts) for place in range(count))
        names = iter(shape.names)
        is_array = shape.is_array
        suffix = ARRAY_SUFFIX if is_array or shape.first == NUMPY else IMAGE
        for (part, place), path in zip(rows, shape.paths, strict=True):
            own = PurePosixPath(path or "").suffix if not is_array else ""
            name = next(names, f"{number:0{digits}d}")
            whole = name if is_readable(name) and not is_array else name + (own if is_readable(own) else suffix)
            yield Member(file, whole, __name__, (column, part, place), is_array=is_array)
            number += 1


class _File(ABC):
    """A file of columns that is open, and how many rows each of its parts has."""

    def __init__(self, path: Path, schema: Any, parts: list[int]) -> None:
        self.path = path
        self.schema = schema
        self.parts = parts

    @abstractmethod
    def column(self, part: int, name: str) -> Any:
        """The cells of one column in one part."""

    def type_of(self, name: str) -> Any:
        """The type of a column, or of what is within one: `image.path`.

        Raises:
            UnreadableMap: there is none, naming those that there are.
        """
        own, _, inside = (name, "", "") if name in self.schema.names else name.partition(".")
        found = self.schema.field(own).type if own in self.schema.names else None
        if found is not None and inside:
            found = next((one.type for one in _fields(found) if one.name == inside), None)
        if found is None:
            columns = ", ".join(printable(one.name) for one in self.schema)
            raise unreadable(self.path, f"it has no column {printable(name)!r}; it has {columns}")
        return found

    def naming(self) -> list[str]:
        """The columns that may name rows."""
        return [one.name for one in self.schema if _is_name(one.type)]

    def beginnings(self, column: str) -> Iterator[bytes]:
        """What the cells of a column begin with, where they are bytes."""
        for part in range(len(self.parts)):
            for scalar in self.column(part, column):
                with suppress(ValueError):
                    cell = _cell(scalar)
                    if isinstance(cell, bytes):
                        yield cell[: len(NUMPY)]

    def names(self, part: int, name: str, start: int) -> list[str]:
        """The names of a part's rows, of which the first is the row `start` of the file.

        Raises:
            UnreadableMap: the column holds something else, or a row has no name.
        """
        kind = self.type_of(name)
        if not _is_name(kind):
            raise unreadable(self.path, f"its column {printable(name)!r} names no rows: it holds {kind}")
        values = self.within(part, name)
        lacking = next((row for row, value in enumerate(values, start) if value in (None, "")), None)
        if lacking is not None:
            raise unreadable(self.path, f"row {lacking} has no name in the column {printable(name)!r}")
        return [str(value) for value in values]

    def paths(self, part: int, name: str) -> list[str | None]:
        """What the structs of a column say that their images were called."""
        if not any(one.name == "path" for one in _fields(self.type_of(name))):
            return [None] * self.parts[part]
        return [None if cell is None else str(cell) for cell in self.within(part, f"{name}.path")]

    def within(self, part: int, name: str) -> list[Any]:
        """The values of a column, or of what is within one."""
        if name in self.schema.names:
            return list(self.column(part, name).to_pylist())
        own, _, inside = name.partition(".")
        return [cell and cell.get(inside) for cell in self.column(part, own).to_pylist()]


def _fields(kind: Any) -> list[Any]:
    import pyarrow as pa

    return [kind.field(place) for place in range(kind.num_fields)] if pa.types.is_struct(kind) else []


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_nested(getattr(kind, "storage_type", kind)) and not pa.types.is_struct(kind))


def _is_name(kind: Any) -> bool:
    import pyarrow.types as kinds

    return any(test(kind) for test in (kinds.is_string, kinds.is_large_string, kinds.is_integer))


class _Parquet(_File):
    def __init__(self, path: Path, source: Any) -> None:
        import pyarrow.parquet

        self._file = pyarrow.parquet.ParquetFile(source)
        meta = self._file.metadata
        rows = [meta.row_group(part).num_rows for part in range(meta.num_row_groups)]
        super().__init__(path, self._file.schema_arrow, rows)

    def column(self, part: int, name: str) -> Any:
        self.type_of(name)
        return self._read(part, name)

    def within(self, part: int, name: str) -> list[Any]:
        values = self._read(part, name).to_pylist()  # no more than this leaf is read
        if name in self.schema.names:
            return list(values)
        return [cell and cell.get(name.partition(".")[2]) for cell in values]

    def _read(self, part: int, leaf: str) -> Any:
        """One column of a part, or what is within it."""
        group = self._file.metadata.row_group(part)
        chunks = (group.column(place) for place in range(group.num_columns))
        size = sum(c.total_uncompressed_size for c in chunks if f"{c.path_in_schema}.".startswith(f"{leaf}."))
        if size > LARGEST_PART:
            msg = (
                f"{size} bytes of the column {printable(leaf)!r} lie in one row group; write it with row_group_size=100"
            )
            raise unreadable(self.path, msg, "too-large")
        return self._file.read_row_group(part, columns=[leaf]).column(0)


class _Arrow(_File):
    def __init__(self, path: Path, source: Any) -> None:
        import pyarrow as pa

        try:
            file = pa.ipc.open_file(source)
            self._batches = [file.get_batch(place) for place in range(file.num_record_batches)]
        except pa.ArrowInvalid:  # as `datasets` saves it, without an index at its end
            source.seek(0)
            file = pa.ipc.open_stream(source)
            self._batches = list(file)
        super().__init__(path, file.schema, [batch.num_rows for batch in self._batches])

    def column(self, part: int, name: str) -> Any:
        self.type_of(name)
        return self._batches[part].column(self.schema.names.index(name))


@contextmanager
def _opened(path: Path) -> Iterator[_File]:
    """A file of columns, of which no more is read than what is asked for."""
    import pyarrow as pa

    kind = _Parquet if path.suffix.lower() == ".parquet" else _Arrow
    if is_url(path):
        from kldeval.data.containers import remote

        with remote.open_url(path) as file:
            yield kind(path, pa.PythonFile(file, mode="r"))
    else:
        with pa.memory_map(str(path)) as file:
            yield kind(path, file)


def _cell(scalar: Any) -> Array | bytes:
    """What a cell holds: the bytes of an image, or an array.

    Raises:
        ValueError: something else.
    """
    import pyarrow as pa

    if isinstance(scalar, pa.ExtensionScalar):
        scalar = scalar.value
    if isinstance(scalar, pa.ListScalar) and scalar.is_valid:
        return _nested(scalar)
    cell = scalar.as_py() if scalar is not None else None
    if isinstance(cell, dict):
        cell = cell.get("path") if cell.get("bytes") is None else cell["bytes"]
    if isinstance(cell, bytes):
        return cell
    if cell is None:
        msg = "the row has no value here"
    elif isinstance(cell, str):
        msg = f"the row holds the text {printable(cell)!r} and not the bytes of an image"
    else:
        msg = f"the row holds {scalar.type} and no map: images are bytes, arrays are lists of lists of numbers"
    raise ValueError(msg)


def _nested(scalar: Any) -> Array:
    """Lists of lists of numbers as an array.

    Raises:
        ValueError: the lists are not equally long, or hold no numbers.
    """
    import pyarrow as pa

    values, shape = scalar.values, [len(scalar.values)]
    if not shape[0]:
        msg = "the row holds an empty list"
        raise ValueError(msg)
    while pa.types.is_nested(values.type) and hasattr(values, "value_lengths"):
        lengths = set(values.value_lengths().to_pylist())
        if len(lengths) != 1 or None in lengths:
            msg = f"its lists are not equally long ({examples(sorted(map(str, lengths)))} values)"
            raise ValueError(msg)
        shape.append(int(lengths.pop()))
        values = values.flatten()
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        msg = f"its lists hold {values.type} and no numbers"
        raise ValueError(msg)
    if values.null_count:
        msg = f"{values.null_count} of its numbers are missing"
        raise ValueError(msg)
    found: Array = np.from_dlpack(values).reshape(shape)  # its own `to_numpy` imports pandas
    return found


def _check_library() -> None:
    check_package("pyarrow", "tables with columns need pyarrow", "pip install 'kldeval[parquet]'")
