"""Reports of several models, map by map: their rows are read side by side, in the order of the names."""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from kldeval.sequences import MOST_KEPT, Texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kldeval.records import Score
    from kldeval.reports.documents import Report


def map_by_map(reports: Mapping[str, Report]) -> Iterator[tuple[str, dict[str, Score]]]:
    """Every map that a model scored, in the order of the names, with what each model that has it scored."""
    runs = (_numbered(place, report.scores) for place, report in enumerate(reports.values()))
    models = list(reports)
    for name, found in groupby(heapq.merge(*runs, key=itemgetter(0, 1)), key=itemgetter(0)):
        yield name, {models[place]: score for _, place, score in found}


def _numbered(place: int, scores: Sequence[Score]) -> Iterator[tuple[str, int, Score]]:
    """The scores in the order of their names, with these and the place of their model."""
    in_order: Iterable[Score] = sorted(scores, key=_name) if isinstance(scores, tuple) else scores
    return ((score.name, place, score) for score in in_order)


def _name(score: Score) -> str:
    return score.name


class MapsLeftOut(Mapping[str, tuple[str, ...]]):
    """The models that lack a map, by its name; names are added in their order.

    >>> found = MapsLeftOut()
    >>> found.add("a", ("one",)), found.add("b", ("one",)), found["b"], "c" in found, dict(found)
    (None, None, ('one',), False, {'a': ('one',), 'b': ('one',)})
    """

    def __init__(self) -> None:
        self._names = Texts()
        self._kinds: dict[tuple[str, ...], int] = {}
        self._kind_of = array("I")

    def add(self, name: str, lacking: tuple[str, ...]) -> None:
        """Take note of a map that some models lack."""
        self._names.append(name)
        self._kind_of.append(self._kinds.setdefault(lacking, len(self._kinds)))

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __getitem__(self, name: str) -> tuple[str, ...]:
        place = bisect_left(self._names, name)
        if place == len(self._names) or self._names[place] != name:
            raise KeyError(name)
        return list(self._kinds)[self._kind_of[place]]

    def kept(self) -> Mapping[str, tuple[str, ...]]:
        """The members as a dict, where they are few."""
        return dict(self) if len(self) <= MOST_KEPT else self


class CommonMaps:
    """The maps that all models have, and the others, each with the models that lack it."""

    def __init__(self, models: Iterable[str]) -> None:
        self._models = tuple(models)
        self._names = Texts()
        self._left_out = MapsLeftOut()

    def add(self, name: str, having: Mapping[str, object]) -> bool:
        """Whether the next map is one that all models have."""
        if len(having) == len(self._models):
            self._names.append(name)
            return True
        self._left_out.add(name, tuple(model for model in self._models if model not in having))
        return False

    @property
    def names(self) -> Sequence[str]:
        """The names of the common maps, in order."""
        return tuple(self._names) if len(self._names) <= MOST_KEPT else self._names

    @property
    def left_out(self) -> Mapping[str, tuple[str, ...]]:
        """The other maps, each with the models that lack it."""
        return self._left_out.kept()


def common_maps(reports: Mapping[str, Report]) -> CommonMaps:
    """The maps that every report scored, and the others."""
    found = CommonMaps(reports)
    for name, scores in map_by_map(reports):
        found.add(name, scores)
    return found
