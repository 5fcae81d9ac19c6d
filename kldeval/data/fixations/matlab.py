"""Fixations in MATLAB files: which variable holds them, and how it is laid out."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

from kldeval.data.fixations.maps import fixations_in_map
from kldeval.errors import MissingDependency, printable
from kldeval.inputs.formats.stored import unreadable
from kldeval.records import Fixations, fixations_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kldeval.arrays import Array
    from kldeval.data.fixations.maps import FixationReading


KNOWN = ("gaze", "fixLocs", "I", "fixations")
"""The variables looked for, in this order, where the user names none: SALICON, CAT2000, DHF1K, OSIE."""

COORDINATES = 3
"""A matrix no wider than this, with other values than marks, is a list of coordinates and no map."""


def read_mat(path: Path, reading: FixationReading) -> Mapping[str, Fixations]:
    """The fixations of every image in a MATLAB file of version 4, 5 or 7.3.

    A matrix is a map of counts. `gaze` is SALICON's struct of observers, its coordinates counted from 1; cells of
    `img` and `subjects` with `fix_x`, `fix_y`, `fix_duration` are OSIE's.

    Raises:
        UnreadableMap: the file is missing or damaged, or no variable is of a known layout; it lists what there is.
        MissingDependency: scipy, or for version 7.3 h5py, cannot be imported.
    """
    try:
        variables = load_hdf5(path) if is_hdf5(path) else load_v5(path)
    except OSError as error:
        raise unreadable(path, (error.strerror or str(error)).lower()) from error
    name = _choose(variables, path, reading)
    value = variables[name]
    if _is_matrix(value):
        return {path.stem: _from_matrix(value, name, path, reading)}
    records = value if isinstance(value, list) else [value]
    if records and all(_has(record, reading.gaze) for record in records):
        return {path.stem: _from_gaze(records, variables.get("resolution"), path, reading)}
    if records and all(_has(record, "img", "subjects") for record in records):
        return _from_images(records, path, reading)
    what = (
        f"the variable {printable(name)} is neither a map, nor a gaze struct with the field {reading.gaze}, "
        "nor cells of img and subjects"
    )
    raise unreadable(path, what)


def _choose(variables: Mapping[str, Any], path: Path, reading: FixationReading) -> str:
    wanted = [reading.variable] if reading.variable else [name for name in KNOWN if name in variables]
    if not wanted and len(variables) == 1:
        wanted = list(variables)
    if wanted and wanted[0] in variables:
        return wanted[0]
    found = ", ".join(printable(name) for name in sorted(variables)) or "none"
    if reading.variable:
        raise unreadable(path, f"no variable {reading.variable!r}; its variables are {found}")
    raise unreadable(path, f"none of the variables {', '.join(KNOWN)}; its variables are {found}; name the one")


def _is_matrix(value: Any) -> bool:
    import numpy as np

    return isinstance(value, np.ndarray) and value.dtype.kind in "buif"


def _has(record: Any, *fields: str) -> bool:
    return isinstance(record, dict) and all(field in record for field in fields)


def _from_matrix(value: Array, name: str, path: Path, reading: FixationReading) -> Fixations:
    if value.ndim != 2:  # noqa: PLR2004 - height and width
        raise unreadable(
            path, f"the variable {printable(name)} has the shape {value.shape}; a map has height and width"
        )
    if value.shape[1] <= COORDINATES and value.size and value.max() > 1:
        what = (
            f"the variable {printable(name)} of shape {value.shape} looks like a list of coordinates, not like a map; "
            "store it as .csv with the columns name, x, y"
        )
        raise unreadable(path, what)
    return fixations_in_map(value, path, reading, counts_repeats=True)


def _from_gaze(records: list[Any], resolution: Any, path: Path, reading: FixationReading) -> Fixations:
    """SALICON: one record per observer, its points as rows of (x, y)."""
    import numpy as np

    points = [_pairs(record[reading.gaze], path) for record in records]
    x, y = np.concatenate([np.zeros((0, 2)), *points]).T
    observers = np.repeat([str(index + 1) for index in range(len(points))], [len(part) for part in points])
    base = 1 if reading.base is None else reading.base
    shape = None
    if _is_matrix(resolution) and resolution.size == 2:  # noqa: PLR2004 - height and width
        height, width = (int(length) for length in resolution.ravel())
        shape = (height, width)
    return fixations_at(y - base, x - base, observers=observers.tolist(), shape=shape)


def _from_images(records: list[Any], path: Path, reading: FixationReading) -> Mapping[str, Fixations]:
    names = [_stem(record["img"]) for record in records]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise unreadable(path, f"the image {printable(twice[0])} occurs more than once")
    return {name: _from_subjects(record, path, reading) for name, record in zip(names, records, strict=True)}


def _from_subjects(record: Mapping[str, Any], path: Path, reading: FixationReading) -> Fixations:
    """OSIE: of one image, the subjects with their coordinates and durations."""
    import numpy as np

    subjects = record["subjects"] if isinstance(record["subjects"], list) else [record["subjects"]]
    if not all(_has(subject, "fix_x", "fix_y") for subject in subjects):
        raise unreadable(path, f"image {printable(str(record['img']))}: a subject without the fields fix_x and fix_y")
    parts = [_pairs(np.stack(_equally_long(subject, path), axis=-1), path) for subject in subjects]
    x, y = np.concatenate([np.zeros((0, 2)), *parts]).T
    durations = None
    if all(
        np.size(subject.get("fix_duration", ())) == len(part) for subject, part in zip(subjects, parts, strict=True)
    ):
        durations = np.concatenate([np.zeros(0), *(np.ravel(subject["fix_duration"]) for subject in subjects)])
    observers = np.repeat([str(index + 1) for index in range(len(parts))], [len(part) for part in parts])
    base = reading.base or 0
    return fixations_at(y - base, x - base, observers=observers.tolist(), durations=durations)


def _equally_long(subject: Mapping[str, Any], path: Path) -> list[Array]:
    import numpy as np

    x, y = np.ravel(subject["fix_x"]), np.ravel(subject["fix_y"])
    if x.shape != y.shape:
        raise unreadable(path, f"a subject has {x.size} fix_x and {y.size} fix_y; they must be as many")
    return [x, y]


def _pairs(value: Any, path: Path) -> Array:
    """Points as float64 (n, 2), from a matrix whose first columns are x and y."""
    import numpy as np

    if not _is_matrix(value) or (value.size and (value.ndim != 2 or value.shape[1] < 2)):  # noqa: PLR2004 - x and y
        raise unreadable(path, "coordinates that are no matrix with the columns x and y")
    points = value[:, :2].astype(np.float64) if value.size else np.zeros((0, 2))
    if not np.all(np.isfinite(points)):
        raise unreadable(path, "coordinates that are nan or inf")
    return points


def _stem(image: Any) -> str:
    text = str(image).strip()
    return text.rpartition(".")[0] or text


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


_DAMAGED = (
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    AttributeError,
    NotImplementedError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What scipy raises on bytes that are no MATLAB file; it has no error of its own for all of them."""


def load_v5(path: Path) -> Mapping[str, Any]:
    """The variables of a MATLAB file of version 4 to 7.

    Raises:
        OSError: the file cannot be read.
        UnreadableMap: it is damaged or no MATLAB file.
        MissingDependency: scipy cannot be imported.
    """
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        msg = f"MATLAB files need scipy, which cannot be imported ({error}); install it with: pip install scipy"
        raise MissingDependency(msg) from error
    try:
        with path.open("rb") as file:
            variables = loadmat(file)
        return {name: plain(value) for name, value in variables.items() if not name.startswith("__")}
    except (MatReadError, OSError, *_DAMAGED) as error:
        # of the system's errors scipy's own have no number
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise unreadable(path, f"damaged, or no MATLAB file ({error})") from error


def plain(value: Any) -> Any:
    """What scipy read, without its wrappings: a struct of one element is a dict, of several a list of dicts."""
    import numpy as np

    if hasattr(value, "toarray"):
        return value.toarray()
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names:
        records = [{name: plain(item[name]) for name in value.dtype.names} for item in value.ravel(order="F")]
        return records[0] if len(records) == 1 else records
    if value.dtype == object:
        return [plain(item) for item in value.ravel(order="F")]
    return "".join(value.ravel()) if value.dtype.kind in "US" else value
