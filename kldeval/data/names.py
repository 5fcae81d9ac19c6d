"""The names of the maps of a side, in order, and which of them two sides share."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import islice, starmap
from typing import TYPE_CHECKING

from kldeval.dataclass import NamedTuple, dataclass
from kldeval.sequences import BLOCK, Texts, in_sorted_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from kldeval.memory import Member
    from kldeval.records import Pair


class FilesByName(Mapping[str, tuple[str, ...]]):
    """The files (relative paths) of each name, in the order of the names; of most names there is one.

    `rows` are names and files, sorted. Kept are the names, and what the files have beyond them.
    """

    def __init__(self, rows: Iterable[tuple[str, str]] = ()) -> None:
        self.names = Texts()
        self._rests = Texts()
        self.several: dict[str, tuple[str, ...]] = {}
        coming = self._firsts(rows)
        while some := list(islice(coming, BLOCK)):
            self.names.extend(name for name, _ in some)
            self._rests.extend(starmap(_rest, some))

    def _firsts(self, rows: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """The first of the rows of each name; of a name that has more, all are noted."""
        last, first = None, ""
        for name, relative in rows:
            if name == last:
                self.several[name] = (*self.several.get(name, (first,)), relative)
            else:
                last, first = name, relative
                yield name, relative

    def place(self, name: str) -> int:
        """The place of a name among all names.

        Raises:
            KeyError: there is no such name.
        """
        return _place_of(name, self.names)

    def first(self, place: int, name: str | None = None) -> str:
        """The first file of the name at a place, which need not be looked up where it is known."""
        rest = self._rests[place]
        return rest[1:] if rest[:1] == "\0" else (name or self.names[place]) + rest

    def every(self) -> list[str]:
        """All files, in the order of their names."""
        return [
            relative
            for place, name in enumerate(self.names)
            for relative in self.several.get(name) or (self.first(place),)
        ]

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self.several.get(name) or (self.first(self.place(name)),)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _rest(name: str, relative: str) -> str:
    """What a path has beyond the name; one that does not begin with it is whole, behind a character no path has."""
    rest = relative.removeprefix(name)
    return rest if len(name) + len(rest) == len(relative) and rest[:1] != "\0" else f"\0{relative}"


def _place_of(name: str, names: Sequence[str]) -> int:
    """The place of a name among sorted ones.

    Raises:
        KeyError: it is none of them.
    """
    place = bisect_left(names, name)
    if place == len(names) or names[place] != name:
        raise KeyError(name)
    return place


class PairsByName(Mapping[str, "Pair"]):
    """The pairs of a data set by their names, in the order of these; what is kept of each is its name and its place."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = pairs
        self._names, self._places = Texts(), array("I")
        coming = in_sorted_runs(((pair.name, place) for place, pair in enumerate(pairs)), _packed_places)
        while some := list(islice(coming, BLOCK)):
            self._names.extend(name for name, _ in some)
            self._places.extend(place for _, place in some)

    def __getitem__(self, name: str) -> Pair:
        return self._pairs[self._places[_place_of(name, self._names)]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _packed_places(rows: list[tuple[str, int]]) -> Iterable[tuple[str, int]]:
    names, places = zip(*rows, strict=True)
    return zip(Texts(names), array("I", places), strict=True)


@dataclass(frozen=True, slots=True)
class MapSide:
    """One folder of maps: what they are, and the files (relative paths) by name.

    `dangling` are links to nothing that may have been folders; `notes` count files set aside. `unread` are files of
    other kinds. `members` are the maps of a file that stands for a folder.
    """

    what: str
    folder: Path
    files: FilesByName
    dangling: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unread: Sequence[str] = ()
    members: Mapping[str, Member | Path] | None = None

    def path_at(self, place: int, name: str | None = None) -> Path | Member:
        """Where the map of the name at this place is."""
        relative = self.files.first(place, name)
        member = self.members.get(relative) if self.members else None
        return self.folder / relative if member is None else member


class NameMatches(NamedTuple):
    """Where the names that two sides share stand among those of each, and the names that only one side has.

    Names of several files are none of these.
    """

    pred: Sequence[int]
    gt: Sequence[int]
    missing: Sequence[int]
    extra: Sequence[int]


def match_names(pred: FilesByName, gt: FilesByName) -> NameMatches:
    """Which names two sides share: both are in order, so one walk along the two finds them."""
    ours, theirs, missing, extra = (array("I") for _ in range(4))
    if not (pred.several or gt.several) and len(pred) == len(gt) and pred.names == gt.names:
        return NameMatches(range(len(pred)), range(len(gt)), missing, extra)
    names = iter(enumerate(pred.names)), iter(enumerate(gt.names))
    our, their = (next(side, None) for side in names)
    ambiguous = pred.several.keys() | gt.several.keys()
    while our or their:
        if their is None or (our and our[1] < their[1]):
            assert our is not None  # noqa: S101 - for the type checker
            if our[1] not in ambiguous:
                extra.append(our[0])
            our = next(names[0], None)
        elif our is None or their[1] < our[1]:
            if their[1] not in ambiguous:
                missing.append(their[0])
            their = next(names[1], None)
        else:
            if our[1] not in ambiguous:
                ours.append(our[0])
                theirs.append(their[0])
            our, their = next(names[0], None), next(names[1], None)
    if len(ours) == len(pred) == len(gt):
        return NameMatches(range(len(pred)), range(len(gt)), missing, extra)
    return NameMatches(ours, theirs, missing, extra)
