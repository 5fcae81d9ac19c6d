"""The members of a container of very many, held in some bytes each: an object of a member takes 500."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import ItemsView, Mapping, ValuesView
from itertools import starmap
from typing import TYPE_CHECKING, Any

from kldeval.memory import ARRAY_SUFFIX, Member
from kldeval.sequences import BLOCK, PackedRows, SortedRuns, Texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PARTS = 8
"""What a member is known by has at most so many parts."""

SAME, WITHOUT_SUFFIX = 0, 1
"""What stands for the name of a member whose path is its name, or that with the suffix of arrays."""


class Sorting:
    """Members by their paths, which come in any order, on their way to be `PackedMembers`."""

    def __init__(self) -> None:
        self._runs = SortedRuns(PackedRows)
        self._new: list[tuple[Any, ...]] = []
        self._n = 0

    def add(self, relative: str, member: Member) -> None:
        """Take in one more member."""
        self._new.append((relative, self._n, *_row_of(relative, member)))  # two of one path differ in their number
        self._n += 1
        if len(self._new) >= BLOCK:
            self._flush()

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """All of them in the order of their paths: the path, and what is known of the member."""
        self._flush()
        return ((relative, *rest) for relative, _, *rest in self._runs.merged())

    def _flush(self) -> None:
        if self._new:
            self._runs.add(sorted(self._new))
            self._new = []


class PackedMembers(Mapping[str, Member]):
    """Members by their paths, in the order of these; each is made when it is asked for.

    `beside` are those that may say how the map was made.
    """

    def __init__(self, rows: Iterable[tuple[Any, ...]], beside: Mapping[str, Member] | None = None) -> None:
        self.names = Texts()
        self._next = 0
        self._beside = beside or {}
        self._rows = PackedRows(self._with_names(rows))

    def _with_names(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        for relative, *rest in rows:
            self.names.append(relative)
            yield tuple(rest)

    def without(self, gone: set[str], beside: Mapping[str, Member]) -> PackedMembers:
        """All but some, with what may say how maps were made."""
        rows = ((name, *row) for name, row in zip(self.names, self._rows, strict=True) if name not in gone)
        if gone:
            return PackedMembers(rows, beside)
        self._beside = beside
        return self

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, relative: str) -> Member:
        place = self._next  # who asks for one asks for the one behind it
        if place >= len(self.names) or self.names[place] != relative:
            place = bisect_left(self.names, relative)
        if place == len(self.names) or self.names[place] != relative:
            raise KeyError(relative)
        self._next = place + 1
        return self._made(relative, *self._rows[place])

    def items(self) -> ItemsView[str, Member]:
        """The members with their paths."""
        return _Items(self)

    def values(self) -> ValuesView[Member]:
        """The members."""
        return _Values(self)

    def members(self) -> Iterator[Member]:
        """The members, one by one."""
        return starmap(self._made, ((name, *row) for name, row in zip(self.names, self._rows, strict=True)))

    def _made(self, relative: str, *row: Any) -> Member:
        path, module, called, is_array, n, *where = row
        if called in (SAME, WITHOUT_SUFFIX):
            called = relative if called == SAME else relative.removesuffix(ARRAY_SUFFIX)
        sidecar = None
        if self._beside and relative.endswith(ARRAY_SUFFIX):
            sidecar = self._beside.get(f"{relative.removesuffix(ARRAY_SUFFIX)}.json")
        return Member(path, called, module, tuple(where[:n]) if n >= 0 else where[0], is_array, sidecar)


class _Items(ItemsView[str, Member]):
    _mapping: PackedMembers

    def __iter__(self) -> Iterator[tuple[str, Member]]:
        return zip(self._mapping.names, self._mapping.members(), strict=True)


class _Values(ValuesView[Member]):
    _mapping: PackedMembers

    def __iter__(self) -> Iterator[Member]:
        return self._mapping.members()


def _row_of(relative: str, member: Member) -> tuple[Any, ...]:
    """What is known of a member beside its path, always as many things."""
    called: Any = member.name
    if called == relative:
        called = SAME
    elif f"{called}{ARRAY_SUFFIX}" == relative:
        called = WITHOUT_SUFFIX
    n, where = len(member.where), member.where
    if n > PARTS:
        n, where = -1, (member.where,)
    padding = (None,) * (PARTS - len(where))
    return (member.path, member.module, called, member.is_array, n, *where, *padding)
