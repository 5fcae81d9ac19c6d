"""NetCDF and zarr: variables over latitudes and longitudes, read by xarray in a process of its own.

Missing values become nan, and values are unpacked, as the attributes of CF say (`_FillValue`, `missing_value`,
`scale_factor`, `add_offset`). The axes of a map are those whose coordinates are latitudes and longitudes, else the
last two; every other axis counts maps. Conventions: https://cfconventions.org/
"""

from __future__ import annotations

import io
import re
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kldeval.data.readers.apart import load_apart
from kldeval.data.readers.entries import NUMBERS, check_count
from kldeval.data.readers.files import check_regular
from kldeval.data.readers.netcdf_header import check_header
from kldeval.data.readers.stored import Limits, Stored, unreadable
from kldeval.data.readers.zarr_stores import opened_store
from kldeval.dataclass import NamedTuple
from kldeval.digests import ABSENT, Kept, kept_by
from kldeval.errors import examples
from kldeval.grids import Coordinates
from kldeval.memory import BytesInMemory, MapInMemory
from kldeval.packages import check_package

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kldeval.memory import MapContents

    Groups = Mapping[str, Any]

ZARR = (".zarr", ".zip")

MISSING = ("_FillValue", "missing_value")

CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
"""How NetCDF before version 4 begins."""

AXES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "latitude": (("degrees_north", "degree_north", "degrees_n", "degree_n"), ("lat", "latitude")),
    "longitude": (("degrees_east", "degree_east", "degrees_e", "degree_e"), ("lon", "longitude")),
}
"""The units and the names by which coordinates are known to be latitudes and longitudes."""


class Variable(NamedTuple):
    """A variable of a file: its name with the groups that it is in, and the lengths of its axes that count maps.

    `names` are what the coordinates of these axes say, none where they say nothing or the same twice; `rest` is what a
    path into the file names beyond the variable.
    """

    name: str
    lengths: tuple[int, ...]
    names: tuple[tuple[str, ...], ...]
    rest: str = ""


def describe_variable(path: Path, name: str | None, limits: Limits, inside: str = "") -> Variable:
    """The variable of this name, else that with which the path `inside` begins, else the only one that holds maps.

    Raises:
        UnreadableMap: there is none, or there are several and none is named; or the file is damaged.
        MissingDependency: xarray or what it reads such files with is not installed.
    """
    _check(path)
    found: Variable = load_apart(__name__, path, limits, "described", name, inside)
    return found


def load(path: Path | BytesInMemory, limits: Limits, name: str | None, place: tuple[int, ...] | None) -> Stored:
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
    if isinstance(path, MapInMemory):
        raise unreadable(path, "no file")
    return load(path, limits, key, None)


def described(name: str | None, inside: str, path: Path, _limits: Limits) -> Variable:
    """A variable as `describe_variable` describes it, in this process."""
    with _opened(path) as groups:
        rest = inside
        if name is None and inside:
            name, rest = _beginning(groups, inside)
        elif name and (inside == name or inside.startswith(f"{name}/")):
            rest = inside.removeprefix(name).removeprefix("/")
        dataset, chosen, group = _meant(groups, name, path)
        _, others = _axes(dataset, dataset[chosen], path)
        lengths = tuple(dataset[chosen].sizes[dim] for dim in others)
        names = tuple(_names_along(dataset, dim) for dim in others)
        return Variable(f"{group}{chosen}", lengths, names, rest)


def loaded(name: str | None, place: tuple[int, ...] | None, path: Path | BytesInMemory, limits: Limits) -> Stored:
    """What `load` loads, in this process."""
    with _opened(path) as groups:
        dataset, chosen, _ = _meant(groups, name, path)
        return _map_at(dataset, chosen, place, path, limits)


def _map_at(dataset: Any, chosen: str, place: tuple[int, ...] | None, path: MapContents, limits: Limits) -> Stored:
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


_held: dict[tuple[str, Kept], Groups] = {}
"""The data sets of the last files, a prediction's and a ground truth's: opening one takes longer than reading a map."""

MOST_HELD = 2


@contextmanager
def _opened(path: Path | BytesInMemory) -> Iterator[Groups]:
    """The data sets of a file by its groups, "" for that at its root. Times stay numbers until one is named.

    A file stays open until another is asked for, or it was changed; the child process takes no locks, so that others
    may write it. A zarr store is opened each time: what changed in it is not told by its folder.

    Raises:
        UnreadableMap: it keeps values elsewhere.
    """
    if isinstance(path, BytesInMemory):
        yield _groups_of(io.BytesIO(path.data), len(path.data))
        return
    if path.is_dir() or path.suffix.lower() == ".zip":
        with opened_store(path) as groups:
            yield groups
        return
    check_regular(path)
    by = kept_by(path) or Kept(ABSENT, "")
    key = str(path.absolute()), by
    if key not in _held:
        # one of the same file has to be closed before: HDF5 would take its old contents for the new ones
        for old in [one for one in _held if one[1].stamp.inode == by.stamp.inode] or list(_held)[
            : len(_held) + 1 - MOST_HELD
        ]:
            for dataset in _held.pop(old).values():
                dataset.close()
        _held[key] = _groups_of(path, by.stamp.size)
    yield _held[key]


def _groups_of(source: Path | io.BytesIO, n_bytes: int) -> Groups:
    """The data sets of a NetCDF file by its groups, whose header is looked at first."""
    import xarray

    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
        is_classic = file.read(4) in CLASSIC
        file.seek(0)
        if is_classic:
            check_header(file, n_bytes)
            file.seek(0)
    if is_classic:
        return {"": xarray.open_dataset(source, engine="scipy", decode_times=False, cache=False)}
    _check_here(source)
    groups = xarray.open_groups(source, engine="h5netcdf", decode_times=False, cache=False)
    return {name.strip("/"): dataset for name, dataset in groups.items()}


def _check_here(source: Any) -> None:
    """Refuse files whose data lie in others.

    Raises:
        ValueError: naming the variable.
    """
    import h5py

    from kldeval.data.readers.hdf5 import check_held

    try:
        file = h5py.File(source, "r")
    except OSError as error:
        msg = f"no NetCDF, or damaged: {error}"
        raise ValueError(msg) from error
    with file:
        check_held(file)


def _beginning(groups: Groups, inside: str) -> tuple[str | None, str]:
    """The variable with which a path into a file begins, and the rest of the path; None where it begins with none."""
    parts = inside.split("/")
    for end in range(1, len(parts) + 1):
        *group, name = parts[:end]
        if name in getattr(groups.get("/".join(group)), "data_vars", ()):
            return "/".join(parts[:end]), "/".join(parts[end:])
    return None, inside


def _meant(groups: Groups, name: str | None, path: MapContents) -> tuple[Any, str, str]:
    """The data set and the name of the variable that is meant, and the group that it is in, with a slash at its end.

    Raises:
        UnreadableMap: there is none of this name, or several may be meant.
    """
    maps = [f"{group}/{one}".lstrip("/") for group, dataset in groups.items() for one in _maps_of(dataset)]
    if name is None:
        if len(maps) != 1:
            several = f"it holds {len(maps)} variables ({examples(maps)}); choose one with --var"
            raise unreadable(path, several if maps else "it holds no map")
        name = maps[0]
    group, slash, own = name.strip("/").rpartition("/")
    dataset = groups.get(group)
    if dataset is None or own not in dataset.data_vars:
        raise unreadable(path, f"it holds no variable {name!r}; it holds {examples(maps) or 'none'}")
    if dataset[own].ndim < 2:  # noqa: PLR2004 - rows and columns
        raise unreadable(path, f"its variable {name!r} has the shape {dataset[own].shape}, which is no map's")
    return dataset, own, f"{group}{slash}"


def _maps_of(dataset: Any) -> list[str]:
    """The variables of a data set that may be maps."""
    bounds = {dataset[one].attrs.get("bounds") for one in dataset.variables}
    return [
        str(one)
        for one, values in dataset.data_vars.items()
        if values.ndim > 1 and values.dtype.kind in NUMBERS and one not in bounds
    ]


def _axes(dataset: Any, variable: Any, path: MapContents) -> tuple[tuple[str, str], tuple[str, ...]]:
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


def _names_along(dataset: Any, dim: str) -> tuple[str, ...]:
    """What the maps along a counting axis are called by its coordinates; none where two would be called alike.

    Times are `2000-01-31`, those of other hours `2000-01-31T0600`.
    """
    if dim not in dataset.variables or dataset[dim].ndim != 1:
        return ()
    names = tuple(map(_name, _decoded(dataset[[dim]], dim)))
    is_plain = all(name and name.isprintable() and not set(name) & set("/\\") and name[0] != "." for name in names)
    return names if is_plain and len(set(names)) == len(names) else ()


def _name(value: Any) -> str:
    """A coordinate as a name; empty of one that is none."""
    if isinstance(value, np.floating):
        return f"{value:g}" if np.isfinite(value) else ""
    if isinstance(value, np.integer | str | np.str_):
        return str(value)
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    found = _TIME.match(text)
    if not found:
        return ""
    day, hour, minute, second = found.groups()
    return day + (f"T{hour}{minute}" if int(hour + minute + second) else "") + (second if int(second) else "")


_TIME = re.compile(r"(-?\d{4,}-\d\d-\d\d)T(\d\d):(\d\d):(\d\d)(?:\.0*)?$")


def _decoded(only: Any, dim: str) -> Any:
    """The coordinates of one axis, times as dates where these can be told."""
    import xarray

    try:
        found = xarray.decode_cf(only)[dim].values
    except Exception:  # noqa: BLE001 - calendars that need another library, and units that are none
        return only[dim].values
    return only[dim].values if found.dtype.kind == "m" else found


def _label(dataset: Any, dim: str, at: int) -> str:
    """What the coordinate of a counting axis says of a place, times as dates; empty where there is none."""
    if dim not in dataset.variables:
        return ""
    value = _decoded(dataset[[dim]].isel({dim: [at]}), dim)[0]
    units = str(dataset[dim].attrs.get("units", "")) if isinstance(value, np.floating | np.integer) else ""
    return f"{dim} {value} {units}".strip()


def _check(path: Path | BytesInMemory) -> None:
    """Refuse what is neither a regular file nor a folder, and formats whose library is not installed."""
    if isinstance(path, Path) and not path.is_dir():
        check_regular(path)
    for name in ("xarray", "zarr" if path.suffix.lower() in ZARR else "h5netcdf"):
        check_package(name, f"such files need {name}", "pip install 'kldeval[xarray]'")
