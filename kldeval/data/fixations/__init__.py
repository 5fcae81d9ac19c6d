"""Fixations from files: where people looked, whatever data set the file is from.

Every file is read to `Fixations` by name. A map or a .mat of one image gives one entry, named by the file's stem; a
.mat of a whole data set and a list give one per image.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kldeval.data.fixations.maps import FixationReading, read_map_file
from kldeval.data.fixations.matlab import read_mat
from kldeval.data.fixations.tables import LISTS, read_list
from kldeval.data.readers import is_readable
from kldeval.data.readers.files import check_regular, name_by_first_bytes, refusals
from kldeval.data.readers.stored import unreadable
from kldeval.errors import UnreadableMap, printable
from kldeval.records import Fixations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.memory import MapFile

__all__ = [
    "FixationReading",
    "Fixations",
    "has_fixations",
    "read_fixations",
]


MAT = ".mat"


def has_fixations(name: str) -> bool:
    """Whether the suffix of a file's name is one that fixations are read from.

    >>> has_fixations("fixations/0001.mat"), has_fixations("notes.txt")
    (True, False)
    """
    suffix = name[name.rfind(".") :].lower()
    return suffix == MAT or suffix in LISTS or is_readable(name)


def read_fixations(path: MapFile, reading: FixationReading | None = None) -> Mapping[str, Fixations]:
    """The fixations in one file, by the name of the image: of a map or of a .mat of one image the file's stem.

    Coordinates count from 0 afterwards; those outside their image are kept (see `Fixations.inside`).

    Raises:
        UnreadableMap: the file is missing, damaged, or holds nothing that can be read as fixations.
        MissingDependency: a .mat of version 7.3, and h5py cannot be imported.
    """
    reading = reading or FixationReading()
    suffix = path.suffix.lower()
    try:
        return _read(path, suffix, reading)
    except UnreadableMap as problem:
        name_by_first_bytes(path, problem)
        raise


def _read(path: MapFile, suffix: str, reading: FixationReading) -> Mapping[str, Fixations]:
    with refusals(path):
        if not isinstance(path, Path):
            return {str(path): read_map_file(path, reading)}
        if suffix == MAT:
            return read_mat(path, reading)
        if suffix in LISTS:
            check_regular(path)
            return read_list(path, reading)
        if is_readable(path.name):
            return {path.stem: read_map_file(path, reading)}
    lists = " ".join(sorted(LISTS))
    msg = f"fixations are read from maps, {MAT} and {lists}, not from files ending in {printable(suffix)!r}"
    raise unreadable(path, msg)
