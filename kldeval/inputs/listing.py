"""What a folder holds: every readable map below it, found without opening or resolving each file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.data.readers import is_readable
from kldeval.inputs.shown import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
"""What archives and file managers leave behind, in lower case; hidden files are ignored beside them."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder as relative POSIX paths, sorted.

    `maps` have the suffix of a readable format; `others` are the suffixes of the rest; `unfollowed` are the links that
    do not lead to a file inside: nothing is read but what lies in the folder itself.
    """

    maps: tuple[str, ...]
    others: tuple[str, ...]
    unfollowed: tuple[str, ...]


def list_folder(folder: Path, is_wanted: Callable[[str], bool] = is_readable) -> Listing:
    """The files of a folder and of all folders below it; `is_wanted` tells by its name whether a file is a map.

    Raises:
        UsageProblem: a folder that may not be listed.
    """
    maps, others, unfollowed = [], set(), []
    root = os.path.realpath(folder)
    try:
        for relative, entry in _entries(os.fspath(folder)):
            if entry.is_symlink() and not _leads_to_file_inside(entry, root):
                unfollowed.append(relative)
            elif is_wanted(relative):
                maps.append(relative)
            else:
                others.add(Path(entry.name).suffix.lower())
    except OSError as error:
        msg = f"cannot list {shown(str(error.filename))}: {(error.strerror or str(error)).lower()}"
        raise UsageProblem(msg) from error
    return Listing(tuple(sorted(maps)), tuple(sorted(others)), tuple(sorted(unfollowed)))


def _entries(folder: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every file and link below a folder that is neither hidden nor junk, with its relative path."""
    waiting = [(folder, "")]
    while waiting:
        directory, prefix = waiting.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower() in JUNK:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, f"{prefix}{entry.name}/"))
                elif entry.is_symlink() or entry.is_file():
                    yield prefix + entry.name, entry


def _leads_to_file_inside(link: os.DirEntry[str], root: str) -> bool:
    target = os.path.realpath(link.path)
    return Path(target).is_relative_to(root) and Path(target).is_file()
