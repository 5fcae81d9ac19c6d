"""One pair under many settings: what two settings have in common is done once.

A pair is resized once per resizing, looked at once per view (`kldeval.engine.views`), normalised once per scale and
chain, and measured once per pair of chains and metric. Each number is that of `kldeval evaluate` with the same
settings, up to rounding.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.arrays import quiet
from kldeval.diagnosis import refusal
from kldeval.engine.measure import Side, scaled
from kldeval.engine.views import ROLES, has_levels, view_of
from kldeval.errors import RefusedMap
from kldeval.inputs.load import sized_pair
from kldeval.inputs.resize import AS_IS
from kldeval.maps.chain import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kldeval.arrays import Array
    from kldeval.engine.cases import Case
    from kldeval.engine.views import Reach, Role
    from kldeval.inputs.load import Loaded
    from kldeval.maps.values import Values
    from kldeval.names import Call
    from kldeval.records import MapPair
    from kldeval.settings import Settings

Answer = float | str
"""A number, or why there is none."""


def answers(name: str, pred: Loaded, gt: Loaded, cases: Iterable[Case]) -> dict[str, Answer]:
    """The answer of every case, by its name; `name` is that of the pair."""
    groups: defaultdict[Call, list[Case]] = defaultdict(list)
    for case in cases:
        groups[_needed_resize(case.settings.resize, pred, gt)].append(case)
    found: dict[str, Answer] = {}
    for resize, alike in groups.items():
        try:
            pair = sized_pair(name, pred, gt, resize)
        except RefusedMap as problem:
            found |= {case.name: str(problem) for case in alike}
        else:
            found |= answers_in_one_size(pair, alike)
    return found


def answers_in_one_size(pair: MapPair, cases: Iterable[Case]) -> dict[str, Answer]:
    """The answer of every case, by its name, whatever resizing its settings ask for."""
    groups: defaultdict[Reach, list[Case]] = defaultdict(list)
    levels = has_levels(pair)
    for case in cases:
        groups[case.needed if levels else "place"].append(case)
    found: dict[str, Answer] = {}
    with quiet():
        for needed, alike in groups.items():
            found |= _Bench(pair, needed).answers(alike)
    return found


def _needed_resize(resize: Call, pred: Loaded, gt: Loaded) -> Call:
    """Maps that agree in size stay as they are, unless a size is named."""
    return AS_IS if pred.grey.shape == gt.grey.shape and "size" not in resize.keywords else resize


@dataclass(frozen=True, slots=True)
class _Normal:
    """A normalised side: `key` names it; `problem` is the kind and the detail of what stands against using it."""

    key: str
    values: Values
    problem: tuple[str, float] | None


class _Bench:
    """One pair in one view, with everything that was worked out about it."""

    def __init__(self, pair: MapPair, needed: Reach) -> None:
        self._pair = pair
        self._view = view_of(pair, needed)
        self._sides: dict[Role, tuple[Array, Array | None]] = {role: self._view.side(role) for role in ROLES}
        self._starts: dict[tuple[str, str, str], Values] = {}
        self._normals: dict[tuple[Role, str], _Normal] = {}

    def answers(self, cases: Iterable[Case]) -> dict[str, Answer]:
        """The answer of every case."""
        found: dict[str, Answer] = {}
        wanted: list[tuple[Case, _Normal, _Normal]] = []
        for case in cases:
            pred, gt = self._normal("pred", case), self._normal("gt", case)
            refused = self._refusal(case.settings, pred, gt)
            if refused:
                found[case.name] = refused
            else:
                wanted.append((case, pred, gt))
        sums = self._sums(wanted)
        for case, pred, gt in wanted:
            value = case.finish(sums[pred.key, gt.key, case.what], self._pair.shape)
            found[case.name] = self._forgiven(value, case.settings)
        return found

    def _normal(self, role: Role, case: Case) -> _Normal:
        """The side under the case's chain; how it treats empty maps matters only where one is empty."""
        settings, key = case.settings, case.normal[role]
        found = self._normals.get((role, key)) or self._normalise(role, key, settings, "error")
        policy = settings.empty_pred if role == "pred" else settings.empty_gt
        if policy == "error" or found.problem is None or found.problem[0] != "empty":
            return found
        key = f"{key}|{policy}"
        return self._normals.get((role, key)) or self._normalise(role, key, settings, policy)

    def _normalise(self, role: Role, key: str, settings: Settings, policy: str) -> _Normal:
        chain = settings.pred if role == "pred" else settings.gt
        values = normalise(self._start(role, settings, policy), chain)
        found = self._normals[role, key] = _Normal(key, values, _worst_problem(values))
        return found

    def _start(self, role: Role, settings: Settings, policy: str) -> Values:
        key = (role, f"{settings.scale}|{settings.dtype}", policy)
        if key not in self._starts:
            array, weights = self._sides[role]
            full = self._pair.pred_scale if role == "pred" else self._pair.gt_scale
            self._starts[key] = scaled(Side(array, full), settings, weights=weights, empty=policy)
        return self._starts[key]

    def _refusal(self, settings: Settings, pred: _Normal, gt: _Normal) -> str | None:
        found: dict[Role, tuple[str, float] | None] = {"gt": gt.problem, "pred": pred.problem}
        return next((refusal(self._pair, role, *problem, settings) for role, problem in found.items() if problem), None)

    def _sums(self, wanted: Iterable[tuple[Case, _Normal, _Normal]]) -> dict[tuple[str, str, str], float]:
        """The sum of each kind of terms, in one walk over the pixels."""
        terms = {(pred.key, gt.key, case.what): case.terms for case, pred, gt in wanted}
        sides: dict[tuple[Role, str], _Normal] = {("pred", pred.key): pred for _, pred, _ in wanted} | {
            ("gt", gt.key): gt for _, _, gt in wanted
        }
        prepared = {place: self._view.prepared(side.values) for place, side in sides.items()}
        sums = dict.fromkeys(terms, 0.0)
        for block in self._view.blocks() if terms else ():
            densities = {place: block.density(place[0], part) for place, part in prepared.items()}
            for kind, terms_of in terms.items():
                found = terms_of(densities["pred", kind[0]], densities["gt", kind[1]])
                sums[kind] += float((found if block.weights is None else found * block.weights).sum())
        return sums

    def _forgiven(self, value: float, settings: Settings) -> float:
        """0 for an all-zero ground truth where the settings say so; a nan stays: there the prediction is empty, too."""
        if settings.empty_gt != "zero" or value != value:  # noqa: PLR0124 - nan is what differs from itself
            return value
        low, high = (end.item() for end in self._start("gt", settings, "error").extent())
        return 0.0 if low == high == 0 else value


def _worst_problem(values: Values) -> tuple[str, float] | None:
    """The kind and the smallest detail of what stands against the values; not finite before negative before empty."""
    for kind in ("nonfinite", "negative", "empty"):
        for problem in values.problems:
            if problem.kind == kind and problem.found.any():
                return kind, float(problem.detail.min())
    return None
