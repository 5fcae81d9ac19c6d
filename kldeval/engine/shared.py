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
from kldeval.engine.lines import LineDensity, exact_divergence
from kldeval.engine.views import views_of
from kldeval.errors import RefusedMap
from kldeval.inputs.load import sized_pair
from kldeval.inputs.resize import AS_IS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kldeval.engine.cases import Case
    from kldeval.engine.views import Problem, Role, Seen, View
    from kldeval.inputs.load import Loaded
    from kldeval.names import Call
    from kldeval.records import MapPair
    from kldeval.settings import Settings

EXACT = "kld"
"""The metric that 8-bit maps normalised within lines answer without a logarithm of a pixel."""

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
    views = views_of(pair)
    found: dict[str, Answer] = {}
    groups: dict[int, tuple[View, list[Case]]] = {}
    for case in cases:
        view = views[case.needed]
        groups.setdefault(id(view), (view, []))[1].append(case)
    with quiet():
        for view, alike in groups.values():
            found |= _Bench(pair, view).answers(alike)
    return found


def _needed_resize(resize: Call, pred: Loaded, gt: Loaded) -> Call:
    """Maps that agree in size stay as they are, unless a size is named."""
    return AS_IS if pred.grey.shape == gt.grey.shape and "size" not in resize.keywords else resize


@dataclass(frozen=True, slots=True)
class _Normal:
    """A normalised side; `problem` is the kind and the detail of what stands against using it."""

    side: Seen
    problem: Problem | None


class _Bench:
    """One pair in one view, with everything that was worked out about it."""

    def __init__(self, pair: MapPair, view: View) -> None:
        self._pair = pair
        self._view = view
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
            value = case.finish(sums[id(pred.side), id(gt.side), case.what], self._pair.shape)
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
        found = self._normals[role, key] = _Normal(*self._view.normalised(role, settings, policy))
        return found

    def _refusal(self, settings: Settings, pred: _Normal, gt: _Normal) -> str | None:
        found: dict[Role, Problem | None] = {"gt": gt.problem, "pred": pred.problem}
        return next((refusal(self._pair, role, *problem, settings) for role, problem in found.items() if problem), None)

    def _sums(self, wanted: Iterable[tuple[Case, _Normal, _Normal]]) -> dict[tuple[int, int, str], float]:
        """The sum of each kind of terms, in one walk over the pixels; sides are told apart as objects."""
        terms = {(id(pred.side), id(gt.side), case.what): case.terms for case, pred, gt in wanted}
        known = {
            (id(pred.side), id(gt.side), case.what): exact_divergence(pred.side, gt.side)
            for case, pred, gt in wanted
            if case.what == EXACT and isinstance(pred.side, LineDensity) and isinstance(gt.side, LineDensity)
        }
        sums = {kind: total for kind, total in known.items() if total is not None}
        terms = {kind: terms_of for kind, terms_of in terms.items() if kind not in sums}
        preds = {id(pred.side): pred.side for _, pred, _ in wanted}
        gts = {id(gt.side): gt.side for _, _, gt in wanted}
        sums |= dict.fromkeys(terms, 0.0)
        for where, weights in self._view.blocks() if terms else ():
            p = {key: side.at(where) for key, side in preds.items()}
            q = {key: side.at(where) for key, side in gts.items()}
            for kind, terms_of in terms.items():
                found = terms_of(p[kind[0]], q[kind[1]])
                sums[kind] += float((found if weights is None else found * weights).sum())
        return sums

    def _forgiven(self, value: float, settings: Settings) -> float:
        """0 for an all-zero ground truth where the settings say so; a nan stays: there the prediction is empty, too."""
        if settings.empty_gt != "zero" or value != value or self._pair.gt.any():  # noqa: PLR0124 - nan differs from itself
            return value
        return 0.0
