"""The numbers of 8-bit pairs that were counted, many pairs at a time, as `engine.scoring` asks for them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.arrays import quiet
from kldeval.engine.cases import UNCOVERED, case_of, uncovered_case
from kldeval.engine.counted import Cells
from kldeval.engine.sides import ROLES
from kldeval.engine.sums import Asked, sums_over

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.engine.cases import Case
    from kldeval.engine.counted import Counted, Levels
    from kldeval.engine.sides import Problems
    from kldeval.records import Role
    from kldeval.settings.settings import Settings

    _Sides = Mapping[Role, tuple[Levels, Problems]]


def rows_of(counted: Sequence[Counted], settings: Settings) -> list[dict[str, float]]:
    """A row of numbers for each of some pairs of one scale: metrics, uncovered pixels, extremes and problems."""
    view = Cells(counted)
    alone = {key: replace(settings, metrics=(call,)) for key, call in settings.on("density").items()}
    cases = {f"value:{key}": case_of(key, one) for key, one in alone.items()}
    cases |= {name: uncovered_case(name, next(iter(alone.values()))) for name in UNCOVERED}
    policies: dict[Role, str] = {"pred": settings.empty_pred, "gt": settings.empty_gt}
    with quiet():
        sides = {role: view.normalised(role, settings, policies[role]) for role in ROLES}
        facts = _facts(view, sides, settings, policies)
        return [{**_numbers(view, place, cases, sides), **facts[place]} for place in range(len(counted))]


def _numbers(view: Cells, place: int, cases: Mapping[str, Case], sides: _Sides) -> dict[str, float]:
    """The metrics of a pair, and its uncovered pixels."""
    asked = {name: Asked(case, sides["pred"][0], sides["gt"][0]) for name, case in cases.items()}
    sums = sums_over(view, place, asked.values())
    shape, n_pixels = view.pairs[place].shape, float(sides["gt"][0].counts[place].sum())
    return {name: one.case.finish(sums[one.kind], shape, n_pixels) for name, one in asked.items()}


def _facts(view: Cells, sides: _Sides, settings: Settings, policies: Mapping[Role, str]) -> list[dict[str, float]]:
    """The extremes of both maps of every pair before any step, and the worst problem of each."""
    rows: list[dict[str, float]] = [{} for _ in view.counted]
    for role, (_, problems) in sides.items():
        ends = [end.ravel().tolist() for end in view.sides.start(role, settings, policies[role]).extent()]
        for row, low, high, problem in zip(rows, *ends, problems, strict=True):
            row[f"{role}:low"], row[f"{role}:high"] = low, high
            if problem:
                row[f"{role}:{problem[0]}"], row[f"{role}:{problem[0]}:detail"] = 1.0, problem[1]
    return rows
