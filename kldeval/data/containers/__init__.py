"""Files that hold many maps and stand where a folder does: archives of files, and files of arrays.

A member's path is its name, and it is read alone, where it lies. A kind of container is a module here, with

* `SUFFIXES`, those of its files,
* `contents(path, limits)`, its members by their paths, and the paths of what is no map; None where the file is one map,
* `read(member, limits)`, one member as an array or as the bytes of a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from kldeval.data.readers.files import refusals
from kldeval.data.readers.stored import Limits
from kldeval.errors import UnreadableMap, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kldeval.memory import Member

MODULES = ("archives", "array_files")
"""The modules with a kind of container each."""


@dataclass(frozen=True, slots=True)
class Container:
    """A file that holds maps: its members by their relative paths, and the paths of what is no map."""

    path: Path
    members: Mapping[str, Member]
    strangers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.path)


def open_container(path: Path, limits: Limits | None = None) -> Container | None:
    """The container that a file is; None where it holds one map.

    Raises:
        UsageProblem: it cannot be read.
        MissingDependency: a library that it needs cannot be imported.
    """
    if not path.is_file():
        return None
    for name in MODULES:
        module = import_module(f"{__name__}.{name}")
        if path.name.lower().endswith(module.SUFFIXES):
            try:
                with refusals(path):
                    found: Container | None = module.contents(path, limits or Limits())
                    return found
            except UnreadableMap as problem:
                raise UsageProblem(str(problem)) from problem
    return None
