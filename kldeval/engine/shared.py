"""Pairs under many settings: what two settings have in common is done once, and what two pairs have is done together.

A pair is resized once per resizing, looked at once per view (`kldeval.engine.views`), normalised once per scale and
chain, and measured once per pair of chains and metric. 8-bit pairs that have been counted wait for each other, and
their levels are normalised at once. Each number is that of `kldeval evaluate` with the same settings, up to rounding,
whatever other pairs are worked on beside it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.arrays import quiet
from kldeval.data.load import sized_pair
from kldeval.diagnosis import refusal
from kldeval.engine.counted import Cells
from kldeval.engine.sums import Asked, sums_over
from kldeval.engine.views import views_of
from kldeval.errors import RefusedMap
from kldeval.preprocessing.resize import AS_IS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kldeval.data.load import Loaded
    from kldeval.engine.cases import Case
    from kldeval.engine.counted import Counted
    from kldeval.engine.sides import Problem, Problems, Seen
    from kldeval.engine.views import View
    from kldeval.grammar import Call
    from kldeval.records import MapPair, Role
    from kldeval.settings.settings import Settings

Answer = float | str
"""A number, or why there is none."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A pair that needs its maps no more: the answers that took them, and what was counted to give the others."""

    found: Mapping[str, Answer]
    counted: tuple[tuple[Counted, tuple[Case, ...]], ...]


def look(name: str, pred: Loaded, gt: Loaded, cases: Iterable[Case]) -> Looked:
    """What the maps of the pair `name` themselves have to say to the cases."""
    groups: defaultdict[Call, list[Case]] = defaultdict(list)
    for case in cases:
        groups[_needed_resize(case.settings.resize, pred, gt)].append(case)
    found: dict[str, Answer] = {}
    counted: list[tuple[Counted, tuple[Case, ...]]] = []
    for resize, alike in groups.items():
        try:
            pair = sized_pair(name, pred, gt, resize)
        except RefusedMap as problem:
            found |= {case.name: str(problem) for case in alike}
        else:
            looked = look_in_one_size(pair, alike)
            found |= looked.found
            counted += looked.counted
    return Looked(found, tuple(counted))


def look_in_one_size(pair: MapPair, cases: Iterable[Case]) -> Looked:
    """What the maps of a pair have to say to the cases, whatever resizing their settings ask for."""
    views = views_of(pair)
    groups: dict[int, tuple[View, list[Case]]] = {}
    for case in cases:
        view = views[case.needed]
        groups.setdefault(id(view), (view, []))[1].append(case)
    found: dict[str, Answer] = {}
    counted: list[tuple[Counted, tuple[Case, ...]]] = []
    for view, alike in groups.values():
        if isinstance(view, Cells):
            counted += ((one, tuple(alike)) for one in view.counted)
        else:
            found |= _Bench(view).answers(alike)[0]
    return Looked(found, tuple(counted))


def answers(looked: Sequence[Looked]) -> list[dict[str, Answer]]:
    """The answer of every case, by its name, for each pair."""
    found = [dict(one.found) for one in looked]
    groups: defaultdict[tuple[object, ...], list[tuple[int, Counted, tuple[Case, ...]]]] = defaultdict(list)
    for place, one in enumerate(looked):
        for counted, cases in one.counted:
            names = tuple(case.name for case in cases)
            groups[counted.pair.pred_scale, counted.pair.gt_scale, names].append((place, counted, cases))
    for alike in groups.values():
        answered = _Bench(Cells([counted for _, counted, _ in alike])).answers(alike[0][2])
        for (place, _, _), more in zip(alike, answered, strict=True):
            found[place] |= more
    return found


def _needed_resize(resize: Call, pred: Loaded, gt: Loaded) -> Call:
    """Maps that agree in size stay as they are, unless a size is named."""
    return AS_IS if pred.grey.shape == gt.grey.shape and "size" not in resize.keywords else resize


@dataclass(frozen=True, slots=True)
class _Normal:
    """A normalised side; `problems` say of each pair what stands against using it."""

    side: Seen
    problems: Problems

    @property
    def is_empty(self) -> bool:
        """Whether a map of it is."""
        return any(problem and problem[0] == "empty" for problem in self.problems)


class _Bench:
    """The pairs of a view, with everything that was worked out about them."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._pairs = view.pairs
        self._normals: dict[tuple[Role, str], _Normal] = {}

    def answers(self, cases: Iterable[Case]) -> list[dict[str, Answer]]:
        """The answer of every case, for each pair."""
        with quiet():
            sides = [(case, self._normal("pred", case), self._normal("gt", case)) for case in cases]
            return [self._answers(place, sides) for place in range(len(self._pairs))]

    def _answers(self, place: int, sides: Iterable[tuple[Case, _Normal, _Normal]]) -> dict[str, Answer]:
        """The answers for one pair."""
        found: dict[str, Answer] = {}
        wanted: list[Asked] = []
        for case, pred, gt in sides:
            refused = self._refusal(place, case.settings, pred, gt)
            if refused:
                found[case.name] = refused
            else:
                wanted.append(Asked(case, pred.side, gt.side))
        sums = sums_over(self._view, place, wanted)
        for asked in wanted:
            value = asked.case.finish(sums[asked.kind], self._pairs[place].shape)
            found[asked.case.name] = self._forgiven(place, value, asked.case.settings)
        return found

    def _normal(self, role: Role, case: Case) -> _Normal:
        """The side under the case's chain; how it treats empty maps matters only where one is empty."""
        settings, key = case.settings, case.normal[role]
        found = self._normals.get((role, key)) or self._normalise(role, key, settings, "error")
        policy = settings.empty_pred if role == "pred" else settings.empty_gt
        if policy == "error" or not found.is_empty:
            return found
        key = f"{key}|{policy}"
        return self._normals.get((role, key)) or self._normalise(role, key, settings, policy)

    def _normalise(self, role: Role, key: str, settings: Settings, policy: str) -> _Normal:
        found = self._normals[role, key] = _Normal(*self._view.normalised(role, settings, policy))
        return found

    def _refusal(self, place: int, settings: Settings, pred: _Normal, gt: _Normal) -> str | None:
        found: dict[Role, Problem | None] = {"gt": gt.problems[place], "pred": pred.problems[place]}
        pair = self._pairs[place]
        return next((refusal(pair, role, *problem, settings) for role, problem in found.items() if problem), None)

    def _forgiven(self, place: int, value: float, settings: Settings) -> float:
        """0 for an all-zero ground truth where the settings say so; a nan stays: there the prediction is empty, too."""
        if settings.empty_gt != "zero" or value != value or self._pairs[place].gt.any():  # noqa: PLR0124 - nan differs from itself
            return value
        return 0.0
