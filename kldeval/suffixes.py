"""What the name of a file ends in: the suffix that tells its format, of two parts where the last says compression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import PurePath

COMPRESSED = (".nii.gz", ".zarr.zip")
"""Suffixes of two parts."""

VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v")
"""The suffixes of videos, each of whose frames is a map."""

_LAST = tuple(suffix[suffix.rindex(".") :] for suffix in COMPRESSED)


def suffix_of_name(name: str) -> str:
    """The suffix of a name in small letters, by which its format is told.

    >>> suffix_of_name("a.b/C.PNG"), suffix_of_name("brain.nii.gz"), suffix_of_name(".png")
    ('.png', '.nii.gz', '.png')
    """
    suffix = name[name.rfind(".") :].lower()
    return _whole(name, suffix) if suffix in _LAST else suffix


def suffix_of_map(path: Any) -> str:
    """The suffix of a map's file, member or array, in small letters; each has one of its own."""
    suffix: str = path.suffix.lower()
    return _whole(str(path), suffix) if suffix in _LAST else suffix


def without_suffix(name: str) -> str:
    """A name without the suffix of its format.

    >>> without_suffix("a/frame.01.png"), without_suffix("brain.NII.gz"), without_suffix("a.csv.gz")
    ('a/frame.01', 'brain', 'a.csv')
    """
    head, dot, last = name.rpartition(".")
    if dot + last.lower() not in _LAST:
        return head
    suffix = suffix_of_name(name)
    return name[: -len(suffix)] if suffix in COMPRESSED else head


def stem_of(path: PurePath) -> str:
    """The name of a file without folders and suffix.

    >>> from pathlib import PurePath
    >>> stem_of(PurePath("a/brain.nii.gz")), stem_of(PurePath("a/b"))
    ('brain', 'b')
    """
    return without_suffix(path.name) if suffix_of_map(path) in COMPRESSED else path.stem


STORE = ".zarr"
"""What the name of a folder ends in that is read as one file."""

_KEYS = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")
"""One of these stands in every zarr store, of format 3 or 2."""


def is_store(path: Any) -> bool:
    """Whether a folder is a zarr store: its name says so, and so does what it holds."""
    return suffix_of_name(path.name) == STORE and any((path / key).is_file() for key in _KEYS)


def _whole(name: str, last: str) -> str:
    return next((suffix for suffix in COMPRESSED if name.lower().endswith(suffix)), last)
