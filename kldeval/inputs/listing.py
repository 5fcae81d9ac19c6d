"""What a folder holds: every readable map below it, found without opening or resolving each file."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.inputs.formats import is_readable
from kldeval.inputs.shown import shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Identity = tuple[int, int]

JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
"""What archives and file managers leave behind, in lower case; hidden files are ignored beside them."""

MOST_VISITS = 1000
"""How often one folder may be reached on different ways: links that double with every level would never end."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder as relative POSIX paths, sorted. Symbolic links are followed.

    `maps` have the suffix of a readable format, whether or not they can be opened; `others` are the suffixes of the
    rest. `loops` are links that lead back to a folder above them, whose files are listed there. `dangling` are links
    without a suffix to something that does not exist, which may have been a folder.
    """

    maps: tuple[str, ...]
    others: tuple[str, ...]
    loops: tuple[str, ...] = ()
    dangling: tuple[str, ...] = ()


def list_folder(folder: Path, is_wanted: Callable[[str], bool] = is_readable) -> Listing:
    """The files of a folder and of all folders below it; `is_wanted` tells by its name whether a file is a map.

    Raises:
        UsageProblem: a folder that may not be listed, or that is reached on more ways than anybody has made by hand.
    """
    walk = _Walk(is_wanted)
    try:
        walk.through(os.fspath(folder))
    except OSError as error:
        msg = f"cannot list {shown(str(error.filename))}: {(error.strerror or str(error)).lower()}"
        raise UsageProblem(msg) from error
    found = (walk.maps, walk.others, walk.loops, walk.dangling)
    return Listing(*(tuple(sorted(one)) for one in found))


@dataclass(slots=True)
class _Walk:
    """A walk through folders, and what was found on it."""

    is_wanted: Callable[[str], bool]
    maps: list[str] = field(default_factory=list)
    others: set[str] = field(default_factory=set)
    loops: list[str] = field(default_factory=list)
    dangling: list[str] = field(default_factory=list)
    visits: Counter[Identity] = field(default_factory=Counter)

    def through(self, folder: str) -> None:
        """Visit a folder and all below it."""
        waiting: list[tuple[str, str, frozenset[Identity]]] = [(folder, "", frozenset())]
        while waiting:
            directory, prefix, above = waiting.pop()
            here = self._visited(directory)
            if here in above:
                self.loops.append(prefix.removesuffix("/"))
                continue
            with os.scandir(directory) as entries:
                for entry in entries:
                    name = entry.name
                    if name.startswith(".") or name.lower() in JUNK:
                        continue
                    if _is_folder(entry):
                        waiting.append((entry.path, f"{prefix}{name}/", above | {here}))
                    else:
                        self._take(prefix + name, entry)

    def _visited(self, directory: str) -> Identity:
        status = os.stat(directory)  # noqa: PTH116 - no path is needed
        identity = status.st_dev, status.st_ino
        self.visits[identity] += 1
        if self.visits[identity] > MOST_VISITS:
            msg = f"links lead to {shown(os.path.realpath(directory))} on more than {MOST_VISITS} ways"
            raise UsageProblem(msg)
        return identity

    def _take(self, relative: str, entry: os.DirEntry[str]) -> None:
        if self.is_wanted(relative):
            self.maps.append(relative)
            return
        suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - no path is needed
        if not suffix and entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110 - the same
            self.dangling.append(relative)
        elif entry.is_symlink() or entry.is_file(follow_symlinks=False):
            self.others.add(suffix)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether this is a folder or a link to one; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False
