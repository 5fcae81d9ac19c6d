"""Sequences of many short texts and of what is made of them, that hold few objects.

A sorted name of 20 letters takes 10 bytes; as a Python string it takes 80, and a pair of two paths 800. So what a run
of millions of maps keeps of each is its name, in a block of names, and all else is made when it is asked for.
"""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections.abc import Sequence
from itertools import accumulate, chain, islice, pairwise, repeat
from os.path import commonprefix
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed import SupportsRichComparison

T = TypeVar("T", covariant=True)  # noqa: PLC0105 - named for what it is
Ordered = TypeVar("Ordered", bound="SupportsRichComparison")

MOST_KEPT = 10_000
"""Pairs that are kept: 8 MB. Where there are more, each is made of its name whenever it is asked for."""

BLOCK = 1 << 12
"""Texts that are kept as one."""

SHORT = (1 << 16) - 1
"""Letters of a block that need only two bytes for a place."""

BUCKETS = 1 << 12
"""Lists that digests of texts are kept in."""

RUN = 1 << 14
"""Texts that are sorted at a time."""


class _Compared(Sequence[T]):
    """A sequence that equals any other one of the same members."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(own == its for own, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(tuple(self))


class Lazy(_Compared[T], Generic[T]):
    """What `make` makes of numbers, made when it is asked for; a slice is one of these, too.

    >>> squares = Lazy(range(10), lambda number: number**2)
    >>> squares[3], list(squares[7:]), squares[1::4] == (1, 25, 81)
    (9, [49, 64, 81], True)
    """

    __slots__ = ("_make", "_places")

    def __init__(self, places: Sequence[int], make: Callable[[int], T]) -> None:
        self._places = places
        self._make = make

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Lazy[T]: ...

    def __getitem__(self, place: int | slice) -> T | Lazy[T]:
        if isinstance(place, slice):
            return Lazy(self._places[place], self._make)
        return self._make(self._places[place])

    def __iter__(self) -> Iterator[T]:
        return map(self._make, self._places)


class Streamed(_Compared[T], Generic[T]):
    """A sequence whose members are read, one after another, whenever they are asked for; it pickles as a tuple."""

    @abstractmethod
    def _from(self, start: int) -> Iterator[T]:
        """The members from a place on."""

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...

    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            return tuple(islice(self._from(start), 0, max(0, stop - start), step)) if step > 0 else tuple(self)[place]
        if not -len(self) <= place < len(self):
            msg = f"there are {len(self)} members"
            raise IndexError(msg)
        return next(self._from(place % len(self)))

    def __iter__(self) -> Iterator[T]:
        return self._from(0)

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (tuple(self),)


class Mapped(Streamed[T], Generic[T]):
    """What `make` makes of the members of a streamed sequence, made when it is asked for."""

    def __init__(self, make: Callable[[Any], T], members: Streamed[Any]) -> None:
        self._make = make
        self._members = members

    def __len__(self) -> int:
        return len(self._members)

    def _from(self, start: int) -> Iterator[T]:
        return map(self._make, self._members._from(start))  # noqa: SLF001 - of its own kind


def each(make: Callable[[Any], T], members: Sequence[Any]) -> Sequence[T]:
    """What `make` makes of every member: of a tuple at once, else when it is asked for.

    >>> each(str.upper, ("a", "b"))
    ('A', 'B')
    """
    if isinstance(members, tuple):
        return tuple(map(make, members))
    if isinstance(members, Streamed):
        return Mapped(make, members)
    return Lazy(range(len(members)), lambda place: make(members[place]))


def joined(first: Sequence[T], second: Sequence[T]) -> Sequence[T]:
    """The members of two sequences, which are asked for theirs unless they are tuples.

    >>> joined([1, 2], (3,))
    (1, 2, 3)
    """
    n = len(first)
    if not second:
        return first
    if isinstance(first, tuple) and isinstance(second, tuple):
        return first + second
    return Lazy(range(n + len(second)), lambda place: first[place] if place < n else second[place - n])


class Texts(_Compared[str]):
    """Texts, one after another in blocks, with the places at which each ends; more may be added at the end.

    What all texts of a block begin with is kept once: of sorted names that is most of them.

    >>> names = Texts(["b", "a", "显著"])
    >>> names[0], names[-1], names[1:] == ("a", "显著"), len(names)
    ('b', '显著', True, 3)
    """

    __slots__ = ("_blocks", "_new")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._blocks: list[tuple[str, str, array[int]]] = []
        self._new: list[str] = []
        self.extend(texts)

    def __eq__(self, other: object) -> bool:
        # the same texts are packed alike where they were added in one go
        if isinstance(other, Texts) and (self._blocks, self._new) == (other._blocks, other._new):
            return True
        return super().__eq__(other)

    __hash__ = None

    def append(self, text: str) -> None:
        """Add a member at the end."""
        self._new.append(text)
        if len(self._new) == BLOCK:
            self._pack()

    def extend(self, texts: Iterable[str]) -> None:
        """Add members at the end."""
        coming = iter(texts)
        while some := list(islice(coming, BLOCK - len(self._new))):
            self._new += some
            if len(self._new) == BLOCK:
                self._pack()

    def _pack(self) -> None:
        start = commonprefix((min(self._new), max(self._new)))  # noqa: RUF071 - of letters
        rests = [text[len(start) :] for text in self._new] if start else self._new
        ends = list(accumulate(map(len, rests), initial=0))
        self._blocks.append((start, "".join(rests), array("H" if ends[-1] <= SHORT else "I", ends)))
        self._new = []

    def __len__(self) -> int:
        return len(self._blocks) * BLOCK + len(self._new)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> Lazy[str]: ...

    def __getitem__(self, place: int | slice) -> str | Lazy[str]:
        if isinstance(place, slice):
            return Lazy(range(len(self))[place], self.__getitem__)
        number, inside = divmod(place, BLOCK)
        if 0 <= number < len(self._blocks):
            start, block, ends = self._blocks[number]
            return start + block[ends[inside] : ends[inside + 1]]
        if -len(self) <= place < 0:
            return self[place + len(self)]
        if number != len(self._blocks):
            msg = f"there are {len(self)} texts"
            raise IndexError(msg)
        return self._new[inside]

    def __iter__(self) -> Iterator[str]:
        for start, block, ends in self._blocks:
            yield from [start + block[one:other] for one, other in pairwise(ends)]
        yield from self._new


class SortedRuns(Generic[Ordered]):
    """Members that come some at a time, and that are sorted; they are held as `packed` holds some of them."""

    def __init__(self, packed: Callable[[list[Ordered]], Iterable[Ordered]]) -> None:
        self._packed = packed
        self._runs: list[Iterable[Ordered]] = []
        self._lasts: list[Ordered] = []
        self._are_in_order = True

    def add(self, some: list[Ordered]) -> None:
        """Take in some sorted members."""
        self._are_in_order = self._are_in_order and not any(some[0] < last for last in self._lasts[-1:])  # type: ignore[operator]
        self._lasts.append(some[-1])
        self._runs.append(self._packed(some))

    def merged(self) -> Iterator[Ordered]:
        """All members, sorted; none of them is held any more afterwards."""
        runs, self._runs = self._runs, []
        if self._are_in_order:
            return chain.from_iterable(_let_go(runs))
        from heapq import merge

        return merge(*runs)


def in_sorted_runs(
    members: Iterable[Ordered], packed: Callable[[list[Ordered]], Iterable[Ordered]]
) -> Iterator[Ordered]:
    """All members, sorted; they are held as `packed` holds some of them.

    >>> list(in_sorted_runs(["b", "c", "a"], Texts))
    ['a', 'b', 'c']
    """
    coming = iter(members)
    runs = SortedRuns(packed)
    is_first = True
    while some := sorted(islice(coming, RUN)):
        if len(some) < RUN and is_first:
            return iter(some)
        is_first = False
        runs.add(some)
    return runs.merged()


def _let_go(runs: list[T]) -> Iterator[T]:
    """The runs, each of which is forgotten when the next is asked for."""
    runs.reverse()
    while runs:
        yield runs.pop()


def packed_pairs(rows: list[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Pairs of texts, held column by column."""
    return zip(*(Texts(column) for column in zip(*rows, strict=True)), strict=True)


class PackedRows(Sequence[tuple[Any, ...]]):
    """Tuples of one length, held column by column: numbers in as few bytes as those of a block need.

    What is the same in a whole block is held once.

    >>> rows = PackedRows([("a", 7, None), ("b", 300, None)])
    >>> rows[1], list(rows)
    (('b', 300, None), [('a', 7, None), ('b', 300, None)])
    """

    __slots__ = ("_blocks", "_n")

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._blocks: list[list[Sequence[Any]]] = []
        self._n = 0
        coming = iter(rows)
        while some := list(islice(coming, BLOCK)):
            self._n += len(some)
            self._blocks.append([_packed_column(column) for column in zip(*some, strict=True)])

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[one] for one in range(self._n)[place]]
        number, inside = divmod(range(self._n)[place], BLOCK)
        return tuple(column[inside] for column in self._blocks[number])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for columns in self._blocks:
            yield from zip(*columns, strict=True)


def _packed_column(values: tuple[Any, ...]) -> Sequence[Any]:
    """The values in what takes the least room of them."""
    first, kinds = values[0], set(map(type, values))
    if len(kinds) == 1 and values.count(first) == len(values):
        return _Same(first, len(values))
    if kinds == {int}:
        least, most = min(values), max(values)
        code = next((one for one in "BHIQ" if most - least < 1 << 8 * array(one).itemsize), None)
        if code is not None:
            return _Numbers(least, array(code, (value - least for value in values)))
    return Texts(values) if kinds == {str} else values


class _Same(Sequence[Any]):
    """One object, so many times."""

    __slots__ = ("_n", "_one")

    def __init__(self, one: object, n: int) -> None:
        self._one = one
        self._n = n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, place: Any) -> Any:
        return self._one

    def __iter__(self) -> Iterator[Any]:
        return repeat(self._one, self._n)


class _Numbers(Sequence[int]):
    """Whole numbers above a least one."""

    __slots__ = ("_above", "_least")

    def __init__(self, least: int, above: array[int]) -> None:
        self._least = least
        self._above = above

    def __len__(self) -> int:
        return len(self._above)

    def __getitem__(self, place: Any) -> Any:
        return self._least + self._above[place]

    def __iter__(self) -> Iterator[int]:
        return map(self._least.__add__, self._above)


class Seen:
    """Texts that were seen before, by 16 bytes of their digests: two texts never share these.

    >>> seen = Seen()
    >>> [seen.add(text) for text in ("a", "b", "a")], len(seen)
    ([True, True, False], 2)
    """

    def __init__(self) -> None:
        from hashlib import blake2b

        self._n = 0
        self._blake2b = blake2b
        self._digests = [bytearray() for _ in range(BUCKETS)]

    def __len__(self) -> int:
        return self._n

    def add(self, text: str) -> bool:
        """Whether the text is new; from now on it is not."""
        digest = self._blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        some = self._digests[(digest[0] << 8 | digest[1]) % BUCKETS]
        at = some.find(digest)
        while at > 0 and at % len(digest):  # across two of them
            at = some.find(digest, at + 1)
        if at >= 0:
            return False
        some += digest
        self._n += 1
        return True
