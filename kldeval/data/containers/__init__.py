"""Files that hold many maps and stand where a folder does: archives of files, and files of arrays.

A member's path is its name, and it is read alone, where it lies. A kind of container is a module here, with

* `contents(path, limits)`, its members by their paths, and the paths of what is no map; None where the file is one map,
* `read(member, limits)`, one member as an array or as the bytes of a file.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kldeval.data.readers import is_readable, names_arrays
from kldeval.data.readers.files import refusals
from kldeval.data.readers.stored import Limits
from kldeval.dataclass import dataclass
from kldeval.digests import kept_by
from kldeval.errors import UnreadableMap, UsageProblem, count, examples, printable
from kldeval.suffixes import VIDEOS, is_store
from kldeval.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kldeval.digests import Kept
    from kldeval.memory import Member

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
"""The suffixes of tars, as they are or compressed as a whole."""

FOLDERS = (".zip", *TARS)
"""The suffixes of archives of files, which stand where a folder does whatever is in them."""

OTHER_ARCHIVES = (".7z", ".rar", ".zipx", ".cab", ".iso", ".lha", ".lzh", ".arj", ".tar.lz", ".tar.lz4", ".tar.z")

PACKED = (".gz", ".bz2", ".xz", ".zst", ".lzma", ".lz4", ".lz", ".z", ".br")
"""The suffixes of files that are compressed as a whole."""

ARCHIVES = (".zip", ".npz", *TARS)
"""The suffixes of archives; those of files of named arrays are said by their formats."""


TABLES = (".parquet", ".arrow", ".feather")
"""The suffixes of tables, each of whose rows may hold a map; `datasets` saves .arrow."""

GRIDDED = (".nc", ".nc4", ".zarr", ".zarr.zip")
"""The suffixes of NetCDF files and of zarr stores, folders or zips of them."""

OF_VIDEOS = f"{__name__}.videos"
"""The module of a member that is a frame."""


OF_MANY = (".zip", *TARS, *OTHER_ARCHIVES, *VIDEOS, *GRIDDED)
"""The suffixes of files that hold many maps whatever is in them."""


@dataclass(frozen=True, slots=True)
class Container:
    """A file that holds maps: its members by their relative paths, and the paths of what is no map."""

    path: Path
    members: Mapping[str, Member]
    strangers: Sequence[str] = ()

    def __str__(self) -> str:
        return str(self.path)


def open_container(path: Path, limits: Limits | None = None) -> Container | None:
    """The container that a file is; None where it holds one map.

    Raises:
        UsageProblem: it cannot be read.
        MissingDependency: a library that it needs cannot be imported.
    """
    member = import_module(f"{__name__}.remote").member_at(path) if is_url(path) else None
    name = (member.name if member else path.name).lower()
    if name.endswith(TABLES):
        msg = f"{printable(path)} is a table: name its columns of maps with --pred-column and --gt-column"
        raise UsageProblem(msg)
    if member:
        return None if _holder(path) else _elsewhere(path, name, limits or Limits())
    if is_gridded(path):
        return None
    kind = "archives" if name.endswith(ARCHIVES) else "array_files" if is_of_arrays(name) else None
    kind = "videos" if name.endswith(VIDEOS) else kind
    if not path.is_file():
        return None
    if kind is None:
        _refuse_packed(path)
        return None
    module = import_module(f"{__name__}.{kind}")
    try:
        with refusals(path):
            found: Container | None = module.contents(path, limits or Limits())
            return found
    except UnreadableMap as problem:
        raise UsageProblem(str(problem)) from problem


def is_of_arrays(name: str) -> bool:
    """Whether a file holds arrays by their names, by its own in any letters."""
    return name.lower().endswith(".npz") or names_arrays(name)


def _holder(path: Path) -> tuple[Path, str] | None:
    """The file of arrays that a URL leads into, and the path within."""
    found: tuple[Path, str] | None = import_module(f"{__name__}.remote").holder_of(path)
    return found


def _refuse_packed(path: Path) -> None:
    """Refuse archives of other kinds, and single files that are compressed as a whole.

    Raises:
        UsageProblem: naming the way out.
    """
    name = path.name.lower()
    if name.endswith(OTHER_ARCHIVES):
        msg = f"{printable(path)} is an archive of a kind that is not read; unpack it, or pack it as .zip or .tar"
        raise UsageProblem(msg)
    if name.endswith(PACKED) and not is_readable(name):
        msg = f"{printable(path)} is compressed as a whole, and no tar (.tar.gz, .tar.zst): decompress it"
        raise UsageProblem(msg)


def is_gridded(path: Path) -> bool:
    """Whether a path is that of a NetCDF file or of a zarr store, of which a variable holds the maps."""
    if is_url(path) or not path.name.lower().endswith(GRIDDED):
        return False
    return is_store(path) if path.is_dir() else path.is_file()


def open_variable(path: Path, name: str | None, limits: Limits | None, inside: str = "") -> Container | Member:
    """The maps of a variable of a NetCDF file or zarr store, or its only one; or what is `inside` of these.

    Raises:
        UsageProblem: it cannot be read, or does not say which variable is meant.
        MissingDependency: a library that it needs is not installed.
    """
    try:
        with refusals(path):
            module = import_module(f"{__name__}.gridded")
            found: Container | Member = module.maps_of_variable(path, name, limits or Limits(), inside)
            return found
    except UnreadableMap as problem:
        raise UsageProblem(str(problem)) from problem


def called_alike(sides: Sequence[Any]) -> list[Any]:
    """The two sides, both by places where only one of them says the coordinates, such as times, of its maps."""
    if not any(is_gridded(one.path) or is_gridded(one.path.parent) for one in sides):
        return [*sides]
    found: list[Any] = import_module(f"{__name__}.gridded").with_common_names(sides)
    return found


def open_column(
    path: Path, column: str, names: str | None, *, is_shared: bool = False, limits: Limits | None = None
) -> Container:
    """The maps in a column of a table, or of all tables of a folder; see `kldeval.data.containers.tables`.

    Raises:
        UsageProblem: there is no such table or column, or its rows have no names.
        MissingDependency: pyarrow is not installed.
    """
    tables = import_module(f"{__name__}.tables")
    found: Container = tables.contents(path, tables.MapColumn(column, names, is_shared), limits or Limits())
    return found


def member_at(path: Path) -> Member | None:
    """The member that a path such as `maps.zip/a/1.png` names, or a URL; None where no part of it is a container.

    Raises:
        UsageProblem: the container cannot be read, or holds no one map of this path.
        MissingDependency: a library that it needs cannot be imported.
    """
    found = part_at(path)
    if isinstance(found, Container):
        msg = (
            f"{printable(path)} is a folder of {count(len(found.members), 'map')}, {examples(found.members)}: name one"
        )
        raise UsageProblem(msg)
    return found


def part_at(path: Path, variable: str | None = None, limits: Limits | None = None) -> Container | Member | None:
    """What a path such as `maps.zip/a` leads to: a map in a container, or a folder of maps; None of any other path.

    Raises:
        UsageProblem: the container cannot be read, or holds nothing of this path.
        MissingDependency: a library that it needs cannot be imported.
    """
    if is_url(path):
        return _part_elsewhere(path, limits or Limits())
    for parent in path.parents:
        name = parent.name.lower()
        if is_gridded(parent):
            return open_variable(parent, variable, limits, path.relative_to(parent).as_posix())
        if (name.endswith((*ARCHIVES, *VIDEOS)) or names_arrays(name)) and parent.is_file():
            held = Container(parent, *_held_by(parent, kept_by(parent)))
            return import_module(f"{__name__}.contents").part_of(held, path.relative_to(parent).as_posix())
    return None


def _part_elsewhere(path: Path, limits: Limits) -> Container | Member:
    """The file of a URL, or what it leads to in a file of arrays.

    Raises:
        UsageProblem: that holds nothing of this path, or cannot be read.
    """
    remote, holder = import_module(f"{__name__}.remote"), _holder(path)
    if holder is None:
        found: Member = remote.member_at(path)
        return found
    file, inside = holder
    held = remote.held_at(file, limits) or Container(file, {})
    part: Container | Member = import_module(f"{__name__}.contents").part_of(held, inside)
    return part


def _elsewhere(path: Path, name: str, limits: Limits) -> Container | None:
    """The folder that a URL is, or a file of several arrays; None where it is a file of one map.

    Raises:
        UsageProblem: it cannot be asked, or is a file of many that is read here alone.
    """
    remote = import_module(f"{__name__}.remote")
    if not remote.is_folder(path):
        if name.endswith(OF_MANY):
            msg = f"{printable(path)} is a file of many maps, which is read here alone: copy it to this machine"
            raise UsageProblem(msg)
        found: Container | None = remote.held_at(path, limits) if is_of_arrays(name) else None
        return found
    members, strangers = remote.remote_members(path)
    return Container(path, members, strangers)


@lru_cache(maxsize=4)
def _held_by(path: Path, _kept_by: Kept | None) -> tuple[Mapping[str, Member], Sequence[str]]:
    """The members of a container, and what is no map, kept for the next path in it."""
    found = open_container(path)
    return (found.members, found.strangers) if found else ({}, ())
