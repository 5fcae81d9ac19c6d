"""NetCDF and zarr: variables over latitudes and longitudes, read by xarray in a process of its own.

Missing values become nan, and values are unpacked, as the attributes of CF say (`_FillValue`, `missing_value`,
`scale_factor`, `add_offset`). The axes of a map are those whose coordinates are latitudes and longitudes, else the
last two; every other axis counts maps. Conventions: https://cfconventions.org/
"""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from kldeval.data.readers.apart import load_apart
from kldeval.data.readers.entries import NUMBERS, check_count
from kldeval.data.readers.files import check_regular
from kldeval.data.readers.netcdf_header import check_header
from kldeval.data.readers.stored import Limits, Stored, unreadable
from kldeval.errors import MissingDependency, examples
from kldeval.grids import Coordinates
from kldeval.memory import BytesInMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.memory import MapContents

ZARR = ".zarr"

MISSING = ("_FillValue", "missing_value")

CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
"""How NetCDF before version 4 begins."""

AXES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "latitude": (("degrees_north", "degree_north", "degrees_n", "degree_n"), ("lat", "latitude")),
    "longitude": (("degrees_east", "degree_east", "degrees_e", "degree_e"), ("lon", "longitude")),
}
"""The units and the names by which coordinates are known to be latitudes and longitudes."""


class Variable(NamedTuple):
    """A variable of a file: its name, and the lengths of its axes that count maps."""

    name: str
    lengths: tuple[int, ...]


def describe_variable(path: Path, name: str | None, limits: Limits) -> Variable:
    """The variable of this name, or the only one that holds maps.

    Raises:
        UnreadableMap: there is none, or there are several and none is named; or the file is damaged.
        MissingDependency: xarray or what it reads such files with is not installed.
    """
    _check(path)
    found: Variable = load_apart(__name__, path, limits, "described", name)
    return found


def load(path: Path, limits: Limits, name: str | None, place: tuple[int, ...] | None) -> Stored:
    """One map of a variable, at a place along its other axes; None: it has none but those of length 1.

    Raises:
        UnreadableMap, MissingDependency: as `describe_variable`; or it is too large.
    """
    _check(path)
    found: Stored = load_apart(__name__, path, limits, "loaded", name, place)
    return found


def read(path: MapContents, key: str | None, limits: Limits) -> Stored:
    """The only map of a variable.

    Raises:
        UnreadableMap, MissingDependency: as `load`.
    """
    if not isinstance(path, Path):
        is_bytes = isinstance(path, BytesInMemory)
        raise unreadable(path, "a NetCDF file within another file is not read; unpack it" if is_bytes else "no file")
    return load(path, limits, key, None)


def described(name: str | None, path: Path, _limits: Limits) -> Variable:
    """The same as `describe_variable`, in this process."""
    with _opened(path) as dataset:
        chosen = _chosen(dataset, name, path)
        _, others = _axes(dataset, dataset[chosen], path)
        return Variable(chosen, tuple(dataset[chosen].sizes[dim] for dim in others))


def loaded(name: str | None, place: tuple[int, ...] | None, path: Path, limits: Limits) -> Stored:
    """The same as `load`, in this process."""
    with _opened(path) as dataset:
        return _map_at(dataset, name, place, path, limits)


def _map_at(dataset: Any, name: str | None, place: tuple[int, ...] | None, path: Path, limits: Limits) -> Stored:
    chosen = _chosen(dataset, name, path)
    variable = dataset[chosen]
    (rows, columns), others = _axes(dataset, variable, path)
    if place is None:
        several = {dim: variable.sizes[dim] for dim in others if variable.sizes[dim] > 1}
        if several:
            counted = " x ".join(f"{length} {dim}" for dim, length in several.items())
            raise unreadable(path, f"its variable {chosen!r} holds several maps ({counted}); give the file by itself")
        place = (0,) * len(others)
    check_count((variable.sizes[rows], variable.sizes[columns]), path, limits)
    part = variable.isel(dict(zip(others, place, strict=True))).transpose(rows, columns)
    array = np.asarray(part.values)
    if array.dtype.kind not in NUMBERS:
        raise unreadable(path, f"its variable {chosen!r} holds values of type {array.dtype}; a map's are real numbers")
    labels = tuple(_label(dataset, dim, at) for dim, at in zip(others, place, strict=True))
    is_packed = any(word in {**variable.attrs, **variable.encoding} for word in MISSING)
    nodata = float("nan") if is_packed and array.dtype.kind == "f" else None
    return Stored(array, nodata=nodata, grid=_coordinates(dataset, rows, columns, labels))


_held: dict[tuple[str, int, int, int], Any] = {}
"""The data sets of the last files, a prediction's and a ground truth's: opening one takes longer than reading a map."""

MOST_HELD = 2


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The data set of a file. Times stay numbers until one is named.

    A file stays open until another is asked for, or it was changed; the child process takes no locks, so that others
    may write it. A zarr store is opened each time: what changed in it is not told by its folder.

    Raises:
        UnreadableMap: it keeps values elsewhere.
    """
    import xarray

    if path.is_dir():
        with xarray.open_dataset(path, engine="zarr", decode_times=False, chunks=None, consolidated=None) as dataset:
            yield dataset
        return
    status = path.stat()
    key = str(path), status.st_ino, status.st_size, status.st_mtime_ns
    if key not in _held:
        # one of the same file has to be closed before: HDF5 would take its old contents for the new ones
        for old in [one for one in _held if one[:2] == key[:2]] or list(_held)[: len(_held) + 1 - MOST_HELD]:
            _held.pop(old).close()
        with path.open("rb") as file:
            is_classic = file.read(4) in CLASSIC
            if is_classic:
                file.seek(0)
                check_header(file, status.st_size)
        if not is_classic:
            _check_here(path)
        engine = "scipy" if is_classic else "h5netcdf"
        _held[key] = xarray.open_dataset(path, engine=engine, decode_times=False, cache=False)
    yield _held[key]


def _check_here(path: Path) -> None:
    """Refuse files whose data lie in others.

    Raises:
        ValueError: naming the variable.
    """
    import h5py

    from kldeval.data.readers.hdf5 import check_held

    with h5py.File(path, "r") as file:
        check_held(file)


def _chosen(dataset: Any, name: str | None, path: Path) -> str:
    """The name of the variable that is meant.

    Raises:
        UnreadableMap: there is none of this name, or several may be meant.
    """
    bounds = {dataset[one].attrs.get("bounds") for one in dataset.variables}
    maps = [
        str(one)
        for one, values in dataset.data_vars.items()
        if values.ndim > 1 and values.dtype.kind in NUMBERS and one not in bounds
    ]
    if name is not None:
        if name not in dataset.data_vars:
            raise unreadable(path, f"it holds no variable {name!r}; it holds {examples(maps) or 'none'}")
        if dataset[name].ndim < 2:  # noqa: PLR2004 - rows and columns
            raise unreadable(path, f"its variable {name!r} has the shape {dataset[name].shape}, which is no map's")
        return name
    if len(maps) != 1:
        several = f"it holds {len(maps)} variables ({examples(maps)}); choose one with --var"
        raise unreadable(path, several if maps else "it holds no map")
    return maps[0]


def _axes(dataset: Any, variable: Any, path: Path) -> tuple[tuple[str, str], tuple[str, ...]]:
    """The axes of rows and columns, and the others, by their names."""
    known = {kind: [str(dim) for dim in variable.dims if _is_kind(dataset, dim, kind)] for kind in AXES}
    if all(len(dims) == 1 for dims in known.values()):
        rows, columns = known["latitude"][0], known["longitude"][0]
    else:
        rows, columns = map(str, variable.dims[-2:])
    others = tuple(str(dim) for dim in variable.dims if str(dim) not in (rows, columns))
    if rows == columns:
        raise unreadable(path, f"the axes of its variable {variable.name!r} are {variable.dims}, which are no map's")
    return (rows, columns), others


def _is_kind(dataset: Any, dim: Any, kind: str) -> bool:
    units, names = AXES[kind]
    if dim not in dataset.variables:
        return str(dim).lower() in names
    attributes = dataset[dim].attrs
    said = str(attributes.get("standard_name", "")).lower() == kind or str(attributes.get("units", "")).lower() in units
    return said or str(dim).lower() in names


def _coordinates(dataset: Any, rows: str, columns: str, labels: tuple[str, ...]) -> Coordinates:
    """Where the pixels of a map lie, as far as coordinates say so; those of curved grids are told by a digest."""
    values = [_values(dataset, dim) for dim in (rows, columns)]
    on_earth = all(values) and _is_kind(dataset, rows, "latitude") and _is_kind(dataset, columns, "longitude")
    kind: Literal["", "geographic"] = "geographic" if on_earth else ""
    two = [name for name in sorted(map(str, dataset.coords)) if dataset[name].dims == (rows, columns)]
    curved = tuple(_digest(dataset, name) for name in two)
    edges = _bounds(dataset, rows) if values[0] else ()
    return Coordinates(values[0], values[1], (rows, columns), (*labels, *curved), kind, edges)


def _digest(dataset: Any, name: str) -> str:
    """What tells a coordinate of two axes from another, to the rounding of single floats."""
    values = np.asarray(dataset[name].values, np.float64).astype(np.float32).round(DECIMALS)
    return f"{name} {sha256(values.tobytes()).hexdigest()[:DIGITS]}"


DECIMALS, DIGITS = 4, 8
"""Of a coordinate of two axes in its digest, and of this."""


def _values(dataset: Any, dim: str) -> tuple[float, ...]:
    if dim not in dataset.variables or dataset[dim].dtype.kind not in NUMBERS:
        return ()
    return tuple(float(value) for value in dataset[dim].values)


def _bounds(dataset: Any, dim: str) -> tuple[float, ...]:
    """The edges between rows, where the file says them and they meet."""
    name = dataset[dim].attrs.get("bounds")
    if name not in dataset.variables:
        return ()
    pairs = np.asarray(dataset[name].values, np.float64)
    if pairs.shape != (dataset[dim].size, 2):
        return ()
    for one in (pairs, pairs[:, ::-1]):
        if np.array_equal(one[1:, 0], one[:-1, 1]):
            return (*one[:, 0].tolist(), float(one[-1, 1]))
    return ()


def _label(dataset: Any, dim: str, at: int) -> str:
    """What the coordinate of a counting axis says of a place, times as dates; empty where there is none."""
    if dim not in dataset.variables:
        return ""
    import xarray

    only = dataset[[dim]].isel({dim: [at]})
    try:
        value, units = xarray.decode_cf(only)[dim].values[0], ""
    except Exception:  # noqa: BLE001 - calendars that need another library, and units that are none
        value, units = only[dim].values[0], str(dataset[dim].attrs.get("units", ""))
    if isinstance(value, np.floating | np.integer):
        units = str(dataset[dim].attrs.get("units", ""))
    return f"{dim} {value} {units}".strip()


def _check(path: Path) -> None:
    """Refuse what is neither a regular file nor a folder, and formats whose library is not installed."""
    if not path.is_dir():
        check_regular(path)
    needed = ("xarray", "zarr" if path.suffix.lower() == ZARR else "h5netcdf")
    for name in needed:
        try:
            found = importlib.util.find_spec(name)
        except ValueError:
            found = None
        if found is None:
            msg = f"such files need {' and '.join(needed)}, of which {name} is missing: pip install 'kldeval[xarray]'"
            raise MissingDependency(msg)
