"""The bounds of a run: what the rounding of 8-bit predictions leaves open of every number."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.load import Loaded
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.engine.worker import both_loaded
from kldeval.metrics.rounding_bounds import TOP, Bounds, Rounding
from kldeval.records import Failure, Skipped
from kldeval.reports.json_numbers import json_interval, json_number
from kldeval.reports.moments import exact_mean
from kldeval.scoring.evaluator import SharedEvaluator
from kldeval.scoring.plan import quantity_of
from kldeval.scoring.rounded_pair import RoundedPair, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kldeval.data.load import Reading
    from kldeval.engine.worker import Answer, PairWork
    from kldeval.grammar import Call
    from kldeval.records import Pair
    from kldeval.scoring.plan import Quantity
    from kldeval.settings.settings import Settings

    Run = Callable[[PairWork[Any, Any]], Iterable[Answer]]


LARGE = 0.01
"""A share of the range: what is left open between the map that was built and the outer bound is said beyond it."""


class MapBounds(NamedTuple):
    """The bounds of one map, by the key of the metric; or why there are none."""

    name: str
    found: Mapping[str, Bounds]
    reason: str = ""


def run_bounds(
    pairs: Sequence[Pair], settings: Settings, reading: Reading, rounding: Rounding, run: Run
) -> tuple[dict[str, Any], list[str]]:
    """The bounds of every map and of the means, as JSON values, and what is to be said of them.

    `run` gives the answers of some work on these pairs, in their order.
    """
    calls = dict(zip(settings.keys, settings.metrics, strict=True))
    unknown = {key: reason for key, call in calls.items() if (reason := refused(call, settings))}
    asked = {key: call for key, call in calls.items() if key not in unknown}
    maps = list(map(_bounds_of, run(_Bounding(settings, reading, rounding, asked)))) if asked else []
    asked = asked if maps else {}
    without = {one.name: one.reason for one in maps if one.reason}
    made: dict[str, Any] = {"rounding": rounding, "metrics": {}, "none": {**unknown, **without}}
    said = [f"no bounds of {key}: {reason}" for key, reason in unknown.items()]
    if without:
        name, reason = next(iter(without.items()))
        said.append(f"no bounds of {len(without)} of {len(maps)} maps, such as {name}: {reason}")
        return made, said
    for key in asked:
        each = {one.name: one.found[key] for one in maps}
        groups = [pair.group for pair in pairs] if settings.maps == "groups" else [""] * len(pairs)
        mean = _headline(list(each.values()), groups)
        made["metrics"][key] = {"mean": _row(mean), "maps": {name: _row(one) for name, one in each.items()}}
        said.append(_words(key, mean, rounding))
    if asked:
        said.append(NARROWER)
    return made, said


def overlap_note(reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is to be said of models whose bounds overlap: their order is not guaranteed."""
    found = {model: one["metrics"] for model, one in reports.items() if one}
    keys = [key for key in next(iter(found.values()), {}) if all(key in one for one in found.values())]
    told = []
    for key in keys:
        ends = {model: [float(one[key]["mean"][end]) for end in ("low", "outer")] for model, one in found.items()}
        pairs = [
            f"{first} and {second}"
            for first, second in combinations(ends, 2)
            if ends[first][0] <= ends[second][1] and ends[second][0] <= ends[first][1]
        ]
        if pairs:
            more = f" ({len(pairs) - NAMED} more)" if len(pairs) > NAMED else ""
            said = f"{key}: the order is not guaranteed in the worst case of rounding, where bounds overlap"
            told.append(f"{said}: {', '.join(pairs[:NAMED])}{more}")
    return told


NARROWER = "16-bit files have intervals that are 257 times narrower than those of 8 bits, and of floats nothing is open"

NAMED = 6
"""So many pairs of models are named."""


def _words(key: str, mean: Bounds, rounding: Rounding) -> str:
    gap = mean.outer - mean.high
    rest = (
        f" (no such maps have a mean above {mean.outer:.4g})"
        if math.isfinite(gap) and gap > LARGE * (mean.high - mean.low)
        else ""
    )
    how = (
        "in the worst case"
        if mean.kind == "exact"
        else "as outer bounds (no such maps have a lower or higher mean, none may reach them)"
    )
    return (
        f"{key} of the float maps behind the 8-bit predictions ({rounding}): from {mean.low:.4g} to {mean.high:.4g} "
        f"{how}{rest}, from {mean.dither[0]:.4g} to {mean.dither[1]:.4g} under independent dither of a level"
    )


def _row(one: Bounds) -> dict[str, Any]:
    ends = {"low": one.low, "high": one.high, "outer": one.outer}
    kind = {} if one.kind == "exact" else {"kind": one.kind}
    return {**kind, **{key: json_number(end) for key, end in ends.items()}, "dither": json_interval(one.dither)}


def _headline(each: Sequence[Bounds], groups: Sequence[str]) -> Bounds:
    """The bounds of the mean over maps, or over the means of groups."""
    by_group: defaultdict[str, list[Bounds]] = defaultdict(list)
    for one, group in zip(each, groups, strict=True):
        by_group[group].append(one)
    return mean_bounds([mean_bounds(some) for some in by_group.values()])


def mean_bounds(each: Sequence[Bounds]) -> Bounds:
    """The bounds of the mean: maps are rounded independently of each other."""
    low, high, outer = (exact_mean(getattr(one, part) for one in each) for part in ("low", "high", "outer"))
    dither = (exact_mean(one.dither[0] for one in each), exact_mean(one.dither[1] for one in each))
    return Bounds(low, high, outer, dither, "exact" if all(one.kind == "exact" for one in each) else "outer")


def _bounds_of(answer: Answer) -> MapBounds:
    """What was found of a pair, or why there is nothing."""
    found = answer.outcome
    if isinstance(found, Failure):
        return MapBounds(answer.name, {}, found.message)
    return MapBounds(answer.name, {}, found.reason) if isinstance(found, Skipped) else found


@dataclass(frozen=True, slots=True)
class _Bounding:
    """The bounds of a pair's numbers, of each metric that is asked for."""

    settings: Settings
    reading: Reading
    rounding: Rounding
    asked: Mapping[str, Call]

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> MapBounds:
        """The bounds, or why there are none."""
        del model, is_first
        pred, gt = both_loaded(pair, gt, self.reading)
        reason = not_rounded(pred, gt)
        if reason:
            return MapBounds(pair.name, {}, reason)
        rounded = RoundedPair(pred.grey, gt.grey, gt.stored.scale, self.rounding)
        found: dict[str, Bounds] = {}
        for key, call in self.asked.items():
            one = rounded.bounds(call, self.settings)
            if isinstance(one, str):
                return MapBounds(pair.name, {}, one)
            found[key] = one
        outer = {key: call for key, call in self.asked.items() if found[key].kind == "outer"}
        return MapBounds(pair.name, {**found, **_with_dither(outer, found, (pred, gt), rounded, self.settings)})

    def finish(self, begun: Sequence[MapBounds]) -> Sequence[MapBounds]:
        """What was found of each pair."""
        return begun


def not_rounded(pred: Loaded, gt: Loaded) -> str:
    """Why a pair has no bounds, whatever the settings: its prediction is no map of 8-bit levels of the same size."""
    if pred.grey.dtype != np.uint8 or pred.grey.ndim != gt.grey.ndim or pred.grey.ndim != HW:
        return f"the prediction is {pred.grey.dtype}, and not 8-bit levels that were rounded"
    if pred.stored.full_scale not in (None, TOP):
        return f"the largest level of the prediction is declared to be {pred.stored.full_scale:g}, and not {TOP}"
    return "" if pred.grey.shape == gt.grey.shape else "the prediction is resized"


HW = 2
"""Height and width."""


def dithered_numbers(
    sides: tuple[Loaded, Loaded], rounded: RoundedPair, quantities: Sequence[Quantity], name: str = ""
) -> dict[str, tuple[float, float]]:
    """By the name of each quantity the least and the greatest number of float maps that round to the prediction."""
    pred, gt = sides
    evaluator = SharedEvaluator(quantities)
    rows = [
        evaluator.finish([evaluator.begin(name, Loaded(replace(pred.stored, array=one, full_scale=255.0), one), gt)])[0]
        for one in rounded.dithered()
    ]
    found = {}
    for one in quantities:
        values = [value for row in rows if isinstance(value := row[one.name], float)]
        if len(values) == len(rows):
            found[one.name] = (min(values), max(values))
    return found


def _with_dither(
    asked: Mapping[str, Call],
    found: Mapping[str, Bounds],
    sides: tuple[Loaded, Loaded],
    rounded: RoundedPair,
    settings: Settings,
) -> dict[str, Bounds]:
    """The outer bounds with the range that dither spans."""
    quantities = [quantity_of(key, replace(settings, metrics=(call,))) for key, call in asked.items()]
    ranges = dithered_numbers(sides, rounded, quantities) if quantities else {}
    return {key: found[key]._replace(dither=ranges[key]) for key in asked if key in ranges}
