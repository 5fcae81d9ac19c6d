"""Fixations in the JSON documents of data sets: SALICON's of 2014, and the frames of the video challenges.

Both hold positions as pairs [row, column]. SALICON counts them from 1, in one object with `images` and `annotations`,
as COCO's are; a file of frames is a list of one list of positions for each frame of a video, counted from 0.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from kldeval.data.fixations.columns import image_of, pairs_of
from kldeval.data.readers.stored import check_size, unreadable
from kldeval.errors import printable
from kldeval.records import Fixations, fixations_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.fixations.maps import FixationReading


class Frames(dict[str, Fixations]):
    """The fixations on each frame of a video, named 0001 and so on, whatever the frames of the maps are called."""

    @property
    def frames(self) -> tuple[Fixations, ...]:
        """The fixations of all frames, in their order."""
        return tuple(self.values())


def read_document(document: Any, path: Path, reading: FixationReading) -> Mapping[str, Fixations] | None:
    """The fixations of a parsed JSON document; None where it is a list of records, which is read as one.

    Raises:
        UnreadableMap: it is neither, or a part of it is not what it should be; with its place.
    """
    if isinstance(document, dict):
        if isinstance(document.get("images"), list) and isinstance(document.get("annotations"), list):
            return _of_annotations(document["images"], document["annotations"], path, reading)
        known = ", ".join(map(printable, list(document)[:5])) or "no members"
        what = (
            f"an object with {known}; fixations are an object with images and annotations (SALICON), a list of objects "
            "with name, x, y, or a list of [row, column] pairs for each frame of a video"
        )
        raise unreadable(path, f"no list of fixations: {what}")
    if not isinstance(document, list):
        raise unreadable(path, "no list of fixations: the JSON is not a list of objects")
    return _of_frames(document, path, reading) if document and _is_nested(document) else None


def _is_nested(document: Sequence[Any]) -> bool:
    return all(isinstance(item, list) for item in document)


def _of_frames(frames: Sequence[Any], path: Path, reading: FixationReading) -> Frames:
    if all(len(item) == 2 and not any(isinstance(part, list) for part in item) for item in frames):  # noqa: PLR2004
        what = (
            "a list of pairs does not say which image they are on, nor which number is x: store it as .csv with the "
            "columns name, x, y"
        )
        raise unreadable(path, what)
    digits = max(4, len(str(len(frames))))
    found = Frames()
    for number, points in enumerate(frames, start=1):
        rows, cols = _positions(points, f"frame {number}", path, reading).T - (reading.base or 0)
        found[f"{number:0{digits}d}"] = fixations_at(rows, cols)
    return found


def _of_annotations(
    images: Sequence[Any], annotations: Sequence[Any], path: Path, reading: FixationReading
) -> Mapping[str, Fixations]:
    """SALICON of 2014: the fixations of each worker on an image that `images` names and sizes."""
    import numpy as np

    known = {_member(image, "id", path, f"image {place}"): image for place, image in enumerate(images)}
    parts: defaultdict[Any, list[Array]] = defaultdict(list)
    workers: defaultdict[Any, list[str]] = defaultdict(list)
    for place, annotation in enumerate(annotations):
        where = f"annotation {place}"
        image = _member(annotation, "image_id", path, where)
        if image not in known:
            raise unreadable(path, f"{where}: no image has the id {image!r}")
        points = _positions(_member(annotation, "fixations", path, where), where, path, reading)
        parts[image].append(points)
        worker = annotation.get("worker_id")
        workers[image] += [str(len(parts[image]) if worker is None else worker)] * len(points)
    if not parts:
        raise unreadable(path, "no list of fixations: its annotations are empty")
    base = 1 if reading.base is None else reading.base
    found: dict[str, Fixations] = {}
    for image, lists in parts.items():
        name = image_of(str(_member(known[image], "file_name", path, f"image {image!r}")))
        if name in found:
            raise unreadable(path, f"the image {printable(name)} stands there with two ids")
        rows, cols = np.concatenate(lists).T - base
        found[name] = fixations_at(rows, cols, observers=workers[image], shape=_size(known[image], path, reading))
    return found


def _member(record: Any, name: str, path: Path, where: str) -> Any:
    if not isinstance(record, dict) or name not in record or isinstance(record[name], dict):
        known = ", ".join(map(printable, record)) if isinstance(record, dict) else type(record).__name__
        raise unreadable(path, f"{where}: no {name}; it has {known}")
    value = record[name]
    if isinstance(value, list) and name != "fixations":
        raise unreadable(path, f"{where}: {name} is a list")
    return value


def _size(image: Mapping[str, Any], path: Path, reading: FixationReading) -> tuple[int, int] | None:
    sides = image.get("height"), image.get("width")
    if None in sides:
        return None
    height, width = sides
    if not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in sides):
        raise unreadable(path, f"an image of height {height!r} and width {width!r}; they are whole numbers of pixels")
    check_size(path, int(str(height)), int(str(width)), reading.max_pixels)
    return int(str(height)), int(str(width))


def _positions(points: Any, where: str, path: Path, reading: FixationReading) -> Array:
    """Positions as float64 (n, 2), (row, column); null and nan are positions that were lost."""
    import numpy as np

    try:
        found = np.asarray(points if points != [] else np.zeros((0, 2)), np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(0)
    if found.ndim != 2 or found.shape[1] != 2 or np.isinf(found).any():  # noqa: PLR2004 - row and column
        raise unreadable(path, f"{where}: its fixations are no list of [row, column] pairs of numbers")
    return found[:, ::-1] if swaps_axes(reading, path) else found


def swaps_axes(reading: FixationReading, path: Path) -> bool:
    """Whether the user says that positions without titles are the other way round: `--fixation-columns x=y,y=x`.

    Raises:
        UnreadableMap: other columns are named, or rows are chosen, of a layout that has neither.
    """
    wanted = pairs_of(reading.columns)
    if reading.where is not None or not set(wanted) | set(wanted.values()) <= {"x", "y"}:
        option = "--fixation-where" if reading.where is not None else "--fixation-columns"
        raise unreadable(path, f"{option} is for lists with titled columns, and this file has pairs of numbers")
    return wanted.get("x", "x") == "y"
