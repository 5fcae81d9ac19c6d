"""Which of the members of a container are maps, and by what relative paths."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, islice, pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from kldeval.data.containers import ARCHIVES, OTHER_ARCHIVES, Container
from kldeval.data.containers.packed import PackedMembers, Sorting
from kldeval.data.readers import is_readable, without_shy
from kldeval.errors import UsageProblem, examples, printable
from kldeval.memory import ARRAY_SUFFIX
from kldeval.sequences import MOST_KEPT, Texts
from kldeval.suffixes import VIDEOS, without_suffix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kldeval.memory import Member

JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
"""What archives and file managers leave behind, in lower case; hidden files are ignored beside them."""

MOST_MEMBERS = 2_000_000
"""More than any data set has; the list of them stays in memory, some 30 bytes each."""


def container_of(path: Path, members: Iterable[Member], column: str | None = None) -> Container:
    """The container of some members: maps by their relative paths, and what is none.

    A path that leads out of the container is no map: files would be written by it. `column` is that of a table which
    names the maps. Of very many maps the members are made when they are asked for, in the order of their paths.

    Raises:
        UsageProblem: there is no map, one path stands twice, or there are too many.
    """
    strangers = Sorting()
    maps = _maps(path, members, strangers)
    few = _few(path, islice(maps, MOST_KEPT), column)
    further = next(maps, None)
    found: Mapping[str, Member] = few
    if further is not None:
        found = _packed(path, chain(few.items(), [further], maps), column)
    beside = PackedMembers(strangers.rows())
    kept = without_shy(found.names if isinstance(found, PackedMembers) else list(found))
    if not kept:
        raise UsageProblem(_no_map(path, beside.names))
    gone = {*found} - {*kept} if len(kept) < len(found) else set[str]()
    others = Texts(sorted((*beside.names, *gone))) if gone else beside.names
    if isinstance(found, PackedMembers):
        return Container(path, found.without(gone, beside), others)
    held = {name: _with_sidecar(name, member, beside) for name, member in found.items() if name not in gone}
    return Container(path, held, tuple(others))


def _maps(path: Path, members: Iterable[Member], strangers: Sorting) -> Iterator[tuple[str, Member]]:
    """The maps among some members, with their relative paths; the others are added to the `strangers`.

    Raises:
        UsageProblem: there are too many members.
    """
    for number, member in enumerate(members):
        if number >= MOST_MEMBERS:
            msg = f"{printable(path)} holds over {MOST_MEMBERS} members"
            raise UsageProblem(msg)
        relative = relative_path(member)
        if is_hidden(relative):
            continue
        if is_readable(relative) and is_within(relative):
            yield relative, member
        else:
            strangers.add(relative, member)


def _few(path: Path, maps: Iterable[tuple[str, Member]], column: str | None) -> dict[str, Member]:
    """Maps by their relative paths.

    Raises:
        UsageProblem: one path stands twice.
    """
    found: dict[str, Member] = {}
    for relative, member in maps:
        if relative in found:
            raise UsageProblem(_twice(path, relative, member, column))
        found[relative] = member
    return found


def _packed(path: Path, maps: Iterable[tuple[str, Member]], column: str | None) -> PackedMembers:
    """Maps by their relative paths, of which very many are held; raises as `_few`."""
    sorting = Sorting()
    for relative, member in maps:
        sorting.add(relative, member)
    found = PackedMembers(sorting.rows())
    twice = next((one for one, other in pairwise(found.names) if one == other), None)
    if twice is not None:
        raise UsageProblem(_twice(path, twice, found[twice], column))
    return found


def _twice(path: Path, relative: str, member: Member, column: str | None) -> str:
    if column is None:
        return f"{printable(path)} holds two members of the path {printable(relative)}"
    name = printable(relative.removesuffix(ARRAY_SUFFIX * member.is_array))
    return (
        f"the column {printable(column)!r} of {printable(path)} gives two rows the name {name}"
        "; --name-column takes one whose values differ"
    )


def _no_map(path: Path, strangers: Sequence[str]) -> str:
    others = f"; it holds {examples(strangers)}" if strangers else "; it is empty"
    if any(name.lower().endswith((*ARCHIVES, *OTHER_ARCHIVES)) for name in strangers):
        others += "; archives within archives are not opened: unpack them"
    if any(name.lower().endswith(VIDEOS) for name in strangers):
        others += "; a video is decoded from a file of its own: unpack them into a folder"
    return f"{printable(path)} holds no map{others}"


def part_of(held: Container, relative: str) -> Container | Member:
    """What a path within a container leads to: a map, whose suffix may be left out, or a folder of maps.

    Raises:
        UsageProblem: nothing, or several maps that differ in the suffix.
    """
    members = held.members
    found = members.get(relative) or members.get(f"{relative}{ARRAY_SUFFIX}")
    if found is not None:
        return found
    below = f"{relative}/"
    inside = {name.removeprefix(below): member for name, member in members.items() if name.startswith(below)}
    if inside:
        strangers = (name.removeprefix(below) for name in held.strangers if name.startswith(below))
        return Container(held.path / relative, inside, tuple(strangers))
    alike = [name for name in members if without_suffix(name) == relative]
    if len(alike) == 1:
        return members[alike[0]]
    what = f"{len(alike)} maps {relative!r}, {examples(alike)}" if alike else f"no map {relative!r}"
    others = [relative_path(member).removesuffix(ARRAY_SUFFIX * member.is_array) for member in members.values()]
    msg = f"{printable(held.path)} holds {what}; it holds {examples(others) or 'one map'}"
    raise UsageProblem(msg)


def relative_path(member: Member) -> str:
    """The path by which a member pairs: an array that is not called like a file gets the suffix of its kind."""
    return f"{member.name}{ARRAY_SUFFIX}" if member.is_array and not is_readable(member.name) else member.name


def is_hidden(relative: str) -> bool:
    """Whether any part of a path is hidden, or left behind by an archiver.

    >>> is_hidden("__MACOSX/._a.png"), is_hidden("a/.git/b"), is_hidden("a/b.png")
    (True, True, False)
    """
    parts = relative.split("/")
    return any((part.startswith(".") and part != "..") or part.lower() in JUNK for part in parts)


def is_within(relative: str) -> bool:
    """Whether a path stays in the folder that it is relative to.

    >>> is_within("a/b.png"), is_within("../b.png"), is_within("/b.png")
    (True, False, False)
    """
    path = PurePosixPath(relative)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in relative


def _with_sidecar(relative: str, member: Member, beside: Mapping[str, Member]) -> Member:
    """The member, with the one that says how it was made."""
    if not relative.endswith(ARRAY_SUFFIX):
        return member
    sidecar = beside.get(f"{relative.removesuffix(ARRAY_SUFFIX)}.json")
    return member if sidecar is None else replace(member, sidecar=sidecar)
