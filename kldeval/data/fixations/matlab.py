"""Fixations in MATLAB files: which variable holds them, and how it is laid out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.data.fixations.documents import swaps_axes
from kldeval.data.fixations.maps import fixations_in_map
from kldeval.data.readers.matlab import load_variables
from kldeval.data.readers.stored import Limits, check_size, unreadable
from kldeval.errors import printable
from kldeval.records import Fixations, fixations_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.fixations.maps import FixationReading


KNOWN = ("gaze", "fixLocs", "I", "fixations")
"""The variables looked for, in this order, where the user names none: SALICON, CAT2000, DHF1K, OSIE."""

LONGEST_SIDE = 2**31
"""Pixels that no image has in a row."""

COORDINATES = 3
"""A matrix no wider than this, with other values than marks, is a list of coordinates and no map."""


def read_mat(path: Path, reading: FixationReading) -> Mapping[str, Fixations]:
    """The fixations of every image in a MATLAB file of version 4, 5 or 7.3.

    A matrix is a map of counts. `gaze` is SALICON's struct of observers, its coordinates counted from 1; cells of
    `img` and `subjects` with `fix_x`, `fix_y`, `fix_duration` are OSIE's. Other structs, such as those of OSIE's mouse
    data, are read by their fields, wherever these stand: x and y, or a matrix of positions, one struct per observer.

    Raises:
        UnreadableMap: the file is missing or damaged, or no variable is of a known layout; it lists what there is.
        MissingDependency: version 7.3, and h5py cannot be imported.
    """
    variables = load_variables(path, Limits(reading.max_pixels, reading.trusts_files))
    name = _choose(variables, path, reading)
    value = variables[name]
    if _is_matrix(value):
        return {path.stem: _from_matrix(value, name, path, reading)}
    records = value if isinstance(value, list) else [value]
    if records and all(_has(record, reading.gaze) for record in records):
        return {path.stem: _from_gaze(records, variables.get("resolution"), path, reading)}
    if records and all(_has(record, "img", "subjects") and _is_of_osie(record) for record in records):
        return _from_images(records, path, reading)
    found = _from_fields(records, path, reading)
    if found is not None:
        return found
    what = (
        f"the variable {printable(name)} is neither a map, nor a gaze struct with the field {reading.gaze}, "
        "nor cells of img and subjects, nor structs of x and y"
    )
    raise unreadable(path, what)


def _choose(variables: Mapping[str, Any], path: Path, reading: FixationReading) -> str:
    wanted = [reading.variable] if reading.variable else [name for name in KNOWN if name in variables]
    if not wanted and len(variables) == 1:
        wanted = list(variables)
    if not wanted:
        structs = [name for name, value in variables.items() if _observers(value)]
        wanted = structs if len(structs) == 1 else []
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


def _is_of_osie(record: Mapping[str, Any]) -> bool:
    subjects = record["subjects"] if isinstance(record["subjects"], list) else [record["subjects"]]
    return any(_has(subject, "fix_x", "fix_y") for subject in subjects) or not _observers(subjects)


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
    x, y = _columns(points, path, reading)
    observers = _numbered(points)
    base = 1 if reading.base is None else reading.base
    shape = None
    if _is_matrix(resolution) and resolution.size == 2:  # noqa: PLR2004 - height and width
        if not (np.isfinite(resolution).all() and (resolution > 0).all() and resolution.max() < LONGEST_SIDE):
            raise unreadable(
                path, f"a resolution of {resolution.ravel().tolist()}; it is the height and width in pixels"
            )
        height, width = (int(length) for length in resolution.ravel())
        check_size(path, height, width, reading.max_pixels)
        shape = (height, width)
    return fixations_at(y - base, x - base, observers=observers, shape=shape)


def _columns(parts: Sequence[Array], path: Path, reading: FixationReading) -> Array:
    """The x and the y of all observers, exchanged where the user says so."""
    import numpy as np

    table = np.concatenate([np.zeros((0, 2)), *parts]).T
    return table[::-1] if swaps_axes(reading, path) else table


def _numbered(parts: Sequence[Array]) -> list[str]:
    """The observer of each fixation, by the place of its observer's record."""
    return [str(place) for place, part in enumerate(parts, start=1) for _ in part]


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
    x, y = _columns(parts, path, reading)
    durations = None
    if all(
        np.size(subject.get("fix_duration", ())) == len(part) for subject, part in zip(subjects, parts, strict=True)
    ):
        durations = np.concatenate([np.zeros(0), *(np.ravel(subject["fix_duration"]) for subject in subjects)])
    base = reading.base or 0
    return fixations_at(y - base, x - base, observers=_numbered(parts), durations=durations)


PAIRS_OF_FIELDS = (("fix_x", "fix_y"), ("x", "y"), ("col", "row"), ("xs", "ys"))
"""Fields that hold the columns and the rows of positions, in small letters."""

TABLES = ("fixations", "fixation", "fix", "location", "locations", "position", "positions", "points", "pos", "data")
"""Fields that hold positions as rows of (x, y), in small letters."""

NAMES = ("img", "image", "name", "filename", "file_name", "stimulus")
"""Fields that name the image."""

DEEPEST = 4
"""How many structs may stand within one another."""


def _from_fields(records: Sequence[Any], path: Path, reading: FixationReading) -> Mapping[str, Fixations] | None:
    """Structs of any layout by their fields; None where they hold no positions."""
    named = [
        (next((value for value in map(_lower(record).get, NAMES) if isinstance(value, str)), None), record)
        for record in records
        if isinstance(record, dict)
    ]
    several = len(named) > 1 and len({name for name, _ in named}) == len(named) and all(name for name, _ in named)
    images = [(_stem(name), [record]) for name, record in named] if several else [(path.stem, records)]
    found: dict[str, Fixations] = {}
    base = reading.base or 0
    for name, own in images:
        observers = _observers(own)
        if not observers:
            return None
        parts = [_pairs(value, path) for value in observers]
        has_paths = any(len(part) > 1 for part in parts)  # a struct may stand for one fixation
        x, y = _columns(parts, path, reading)
        found[name] = fixations_at(
            y - base, x - base, observers=_numbered(parts) if len(parts) > 1 and has_paths else None
        )
    return found


def _lower(record: Any) -> dict[str, Any]:
    return {str(key).lower(): value for key, value in record.items()} if isinstance(record, dict) else {}


def _observers(value: Any, depth: int = 0) -> list[Array]:
    """The positions of each observer in a value, as rows of (x, y); none where it holds no struct of positions."""
    import numpy as np

    if depth > DEEPEST:
        return []
    if isinstance(value, list):
        return [part for item in value for part in _observers(item, depth + 1)]
    fields = _lower(value)
    for x, y in PAIRS_OF_FIELDS:
        if _is_matrix(fields.get(x)) and _is_matrix(fields.get(y)) and fields[x].size == fields[y].size:
            return [np.stack([np.ravel(fields[x]), np.ravel(fields[y])], axis=-1)]
    for name in TABLES:
        if _is_matrix(fields.get(name)) and (not fields[name].size or fields[name].shape[-1] in (2, COORDINATES)):
            return [fields[name]]
    return [part for item in fields.values() if isinstance(item, dict | list) for part in _observers(item, depth + 1)]


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
    if np.isinf(points).any():  # nan is a position that was lost, and outside every map
        raise unreadable(path, "coordinates that are infinite")
    return points


def _stem(image: Any) -> str:
    text = str(image).strip()
    return text.rpartition(".")[0] or text
