"""Files as maps: the reader of each suffix, and what every reader has in common.

The formats are the modules of `kldeval.data.formats`; the modules here are what reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from kldeval.data.formats import MAP_FORMATS, Reader
from kldeval.data.readers import numpy_files
from kldeval.data.readers.files import name_by_first_bytes, refusals, unreadable_because
from kldeval.data.readers.members import fetched
from kldeval.data.readers.stored import MAX_PIXELS, Limits, Stored, check_size, unreadable
from kldeval.errors import KldevalError, UnreadableMap, printable
from kldeval.memory import Member
from kldeval.sequences import Texts
from kldeval.suffixes import VIDEOS, suffix_of_map, suffix_of_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kldeval.data.formats import MapFormat
    from kldeval.grammar import Entry
    from kldeval.memory import MapFile

__all__ = [
    "CLASS_READERS",
    "LABEL_READERS",
    "MAX_PIXELS",
    "READERS",
    "Stored",
    "is_mapped",
    "is_readable",
    "read_map",
    "read_size",
]


@cache
def _formats() -> Mapping[str, Entry[Reader, MapFormat]]:
    """The format of each suffix, imported when the first file is looked for."""
    entries = [MAP_FORMATS[name] for name in MAP_FORMATS]
    return {suffix: entry for entry in entries for suffix in entry.info.suffixes}


class Readers(Mapping[str, Reader]):
    """The reader of each suffix, called with the path, the key of an archive's array, and what a file may ask for."""

    def __init__(self, of: Literal["", "read_classes", "read_labels"] = "") -> None:
        self._of = of

    def __getitem__(self, suffix: str) -> Reader:
        found = self.get(suffix)
        if found is None:
            raise KeyError(suffix)
        return found

    def get(self, suffix: str, default: Any = None) -> Any:
        """The reader of a suffix, if there is one; asked for every map, and so without a detour."""
        entry = _formats().get(suffix)
        if entry is None:
            return default
        return (getattr(entry.info, self._of) if self._of else None) or entry.function

    def __contains__(self, suffix: object) -> bool:
        return suffix in _formats()

    def __iter__(self) -> Iterator[str]:
        return iter(_formats())

    def __len__(self) -> int:
        return len(_formats())


READERS = Readers()
"""The readers of maps."""

CLASS_READERS = Readers("read_classes")
"""The readers of predictions that may have a class axis."""

LABEL_READERS = Readers("read_labels")
"""The readers of ground truths that may be labels."""

is_mapped = numpy_files.is_mapped


def is_readable(name: str) -> bool:
    """Whether the suffix of a file's name is that of a map.

    >>> is_readable("a/1.PNG"), is_readable("readme.md")
    (True, False)
    """
    return suffix_of_name(name) in READERS


def without_shy(names: Sequence[str]) -> Sequence[str]:
    """The maps of a folder without files that are maps only by themselves: .mat files beside images are fixations.

    >>> without_shy(["a.mat", "a.png"]), without_shy(["a.mat", "b.mat"])
    (('a.png',), ['a.mat', 'b.mat'])
    """
    formats = _formats()
    shy = tuple(suffix for suffix, entry in formats.items() if entry.info.is_shy)
    n_shy = sum([name.lower().endswith(shy) for name in names])
    return Texts(name for name in names if not name.lower().endswith(shy)) if 0 < n_shy < len(names) else names


def format_of(path: Path) -> MapFormat:
    """What is known of the format of a file, by its suffix.

    Raises:
        KeyError: of none.
    """
    return _formats()[suffix_of_map(path)].info


def names_arrays(name: str) -> bool:
    """Whether a file holds arrays by their names, by the suffix of its own."""
    entry = _formats().get(suffix_of_name(name))
    return entry is not None and entry.info.entries is not None


def holds_arrays(path: MapFile) -> bool:
    """Whether a file may hold an array of more than two axes, by its suffix."""
    entry = _formats().get(suffix_of_map(path))
    return entry is not None and entry.info.stored_shape is not None


def spatial_axes(path: MapFile, said: int) -> int:
    """How many axes of the arrays of a file are of space: as its format says, else as was `said`."""
    entry = _formats().get(suffix_of_map(path))
    return entry.info.spatial if entry and entry.info.spatial else said


@cache
def xyz_suffixes() -> tuple[str, ...]:
    """The suffixes of formats that say which axes are x, y and z."""
    return tuple(suffix for suffix, entry in _formats().items() if entry.info.spatial)


def is_xyz(path: Any) -> bool:
    """Whether the axes of a file are in the order x, y, z, as its format says."""
    entry = _formats().get(suffix_of_map(path)) if hasattr(path, "suffix") else None
    return entry is not None and entry.info.spatial is not None


def stored_shape(path: MapFile, key: str | None) -> tuple[int, ...] | None:
    """The shape of the array in a file of arrays; None where there is none to be read, or the file is no such one."""
    entry = _formats().get(suffix_of_map(path))
    if entry is None or entry.info.stored_shape is None:
        return None
    return entry.info.stored_shape(fetched(path, Limits()), key)


def class_shape(path: MapFile, key: str | None) -> tuple[int, ...] | None:
    """The shape (C, H, W) of a class map in a file that else is an image; None of any other, or where it is damaged."""
    entry = _formats().get(suffix_of_map(path))
    if entry is None or entry.info.class_shape is None:
        return None
    try:
        return entry.info.class_shape(fetched(path, Limits()), key)
    except (KldevalError, OSError):  # reading it will say what is wrong
        return None


def read_shaped(path: MapFile, key: str | None, limits: Limits, shapes: numpy_files.Shapes) -> Stored:
    """The array in a file of arrays, of the shapes that are taken.

    Raises:
        UnreadableMap, MissingDependency: as `read_map`.
    """
    read = _formats()[suffix_of_map(path)].info.read_shaped
    with refusals(path):
        if read is None:
            raise unreadable(path, "such files hold no stacks")
        return read(fetched(path, limits), key, limits, shapes)


def read_map(
    path: MapFile,
    *,
    key: str | None = None,
    max_pixels: int = MAX_PIXELS,
    trusts_files: bool = False,
    shape: tuple[int, int] | None = None,
    readers: Mapping[str, Reader] = READERS,
) -> Stored:
    """One map as its file stores it, (H, W) or (H, W, C), in native byte order; the type of the values is kept.

    `key` names an array of an .npz and means nothing to other formats. `max_pixels` bounds H * W before decoding;
    `trusts_files` lifts the other bounds (see `check_expansion`); `shape` is that of raw values.
    Other `readers` take the arrays of class maps and labels as well.

    Raises:
        UnreadableMap: the file is missing, damaged, of another format, or holds no single real-valued map; whatever
            else a decoder raises comes out as one, too.
        MissingDependency: a library that the format needs cannot be imported.
    """
    reader = readers.get(path.suffix.lower()) or readers.get(suffix_of_map(path))
    if reader is None:
        if path.suffix.lower() in VIDEOS:
            msg = f"a video holds a map for each frame: name one of these, such as {printable(path)}/0001, and no key"
            raise unreadable(path, msg)
        known = " ".join(sorted(READERS))
        raise unreadable(path, f"files ending in {printable(path.suffix)!r} are not read as maps; known: {known}")
    limits = Limits(max_pixels, trusts_files, shape)
    try:
        return reader(fetched(path, limits) if isinstance(path, Member) else path, key, limits)
    except UnreadableMap as problem:
        name_by_first_bytes(path, problem)
        raise
    except KldevalError:
        raise
    except Exception as error:
        raise unreadable_because(path, error) from error


def _declared(info: MapFormat, path: MapFile, limits: Limits) -> tuple[int, int] | None:
    is_whole = not isinstance(path, Member) or info.stored_shape is not None  # of images within others nothing is told
    return info.read_size(fetched(path, limits), limits) if info.read_size and is_whole else None


def read_size(path: MapFile, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """The (height, width) of a map, which is decoded only where its header does not say it.

    Raises:
        UnreadableMap: too large, or as `read_map`.
        MissingDependency: as `read_map`.
    """
    entry = _formats().get(suffix_of_map(path))
    with refusals(path):
        declared = _declared(entry.info, path, Limits(max_pixels)) if entry else None
    if declared:
        check_size(path, *declared, max_pixels)
        return declared
    height, width = read_map(path, max_pixels=max_pixels).array.shape[:2]
    return height, width
