"""The bounds of a run: what the rounding of 8-bit predictions leaves open of every number."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kldeval.arrays import quiet
from kldeval.data.load import load_pair
from kldeval.errors import MapProblem
from kldeval.executors.local import in_order
from kldeval.metrics.rounding_bounds import Bounds, Rounding, bounds
from kldeval.normalization.chain import format_chain, normalise
from kldeval.reports.moments import exact_mean
from kldeval.scoring.pixels import density_of_block
from kldeval.scoring.views import is_plain, scaled
from kldeval.settings.settings import NONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kldeval.data.load import Reading
    from kldeval.grammar import Call
    from kldeval.records import Pair
    from kldeval.settings.settings import Settings


FARTHEST = 1e-12
"""An epsilon up to this is far below every probability."""

LARGE = 0.01
"""A share of the range: what is left open between the map that was built and the outer bound is said beyond it."""


class MapBounds(NamedTuple):
    """The bounds of one map, by the key of the metric; or why there are none."""

    name: str
    found: Mapping[str, Bounds]
    reason: str = ""


def run_bounds(
    pairs: Sequence[Pair], settings: Settings, reading: Reading, rounding: Rounding, jobs: int
) -> tuple[dict[str, Any], list[str]]:
    """The bounds of every map and of the means, as JSON values, and what is to be said of them."""
    calls = dict(zip(settings.keys, settings.metrics, strict=True))
    refused = {key: reason for key, call in calls.items() if (reason := _refused(call, settings))}
    asked = {key: call for key, call in calls.items() if key not in refused}
    work = partial(_of_pair, settings=settings, reading=reading, rounding=rounding, asked=asked)
    maps = list(in_order(work, pairs, jobs)) if asked else []
    without = {one.name: one.reason for one in maps if one.reason}
    made: dict[str, Any] = {"rounding": rounding, "metrics": {}, "none": {**refused, **without}}
    said = [f"no bounds of {key}: {reason}" for key, reason in refused.items()]
    if without:
        name, reason = next(iter(without.items()))
        said.append(f"no bounds of {len(without)} of {len(maps)} maps, such as {name}: {reason}")
        return made, said
    for key in asked:
        each = {one.name: one.found[key] for one in maps}
        mean = _mean(list(each.values()))
        made["metrics"][key] = {"mean": _row(mean), "maps": {name: _row(one) for name, one in each.items()}}
        said.append(_words(key, mean, rounding))
    return made, said


def overlap_note(reports: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is to be said of several models whose bounds overlap: their order is not guaranteed."""
    found = [one["metrics"] for one in reports if one]
    keys = [key for key in (found[0] if found else {}) if all(key in one for one in found)]
    told = []
    for key in keys:
        ends = sorted((one[key]["mean"]["low"], _number(one[key]["mean"]["outer"])) for one in found)
        if any(later[0] <= earlier[1] for earlier, later in pairwise(ends)):
            told.append(f"{key}: the order is not guaranteed in the worst case of rounding, where bounds overlap")
    return told


def _number(value: float | str) -> float:
    return float(value)


def _words(key: str, mean: Bounds, rounding: Rounding) -> str:
    gap = mean.outer - mean.high
    rest = (
        f" (no map has more than {mean.outer:.4g})"
        if math.isfinite(gap) and gap > LARGE * (mean.high - mean.low)
        else ""
    )
    return (
        f"{key} of the float maps behind the 8-bit predictions ({rounding}): from {mean.low:.4g} to {mean.high:.4g} in "
        f"the worst case{rest}, from {mean.dither[0]:.4g} to {mean.dither[1]:.4g} under independent dither of a level"
    )


def _row(one: Bounds) -> dict[str, Any]:
    ends = {"low": one.low, "high": one.high, "outer": one.outer}
    return {**{key: end if math.isfinite(end) else str(end) for key, end in ends.items()}, "dither": list(one.dither)}


def _mean(each: list[Bounds]) -> Bounds:
    """The bounds of the mean: maps are rounded independently of each other."""
    low, high, outer = (exact_mean(getattr(one, part) for one in each) for part in ("low", "high", "outer"))
    return Bounds(
        low, high, outer, (exact_mean(one.dither[0] for one in each), exact_mean(one.dither[1] for one in each))
    )


def _refused(call: Call, settings: Settings) -> str:
    """Why the bounds of a metric are not known; "" where they are."""
    given = call.keywords
    chain = format_chain(settings.pred)
    reasons = {
        "they are known of kld and ce of maps alone": settings.is_labels or call.name not in ("kld", "ce"),
        f"they are known of predictions divided by their sum, not under {chain}": chain != "sum-to-one",
        "they are not known of resized, masked or weighted maps": settings.resize.name != "none"
        or (settings.mask, settings.weights) != (NONE, NONE),
        "they are known of D(gt || pred) alone": given.get("direction", "gt-pred") != "gt-pred"
        or given.get("factor", 1.0) != 1
        or bool(given.get("num_eps")),
        "they are known of one epsilon in both places": call.name == "kld"
        and given.get("log_eps", 0.0) != given.get("ratio_eps", 0.0),
        f"an epsilon above {FARTHEST:g} is not far below every probability": given.get("ratio_eps", 0.0) > FARTHEST,
        f"they are those of sums over a map, not of {settings.reduction}": settings.reduction not in ("slices", "sum"),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _of_pair(
    pair: Pair, settings: Settings, reading: Reading, rounding: Rounding, asked: Mapping[str, Call]
) -> MapBounds:
    try:
        loaded = load_pair(pair, reading)
    except MapProblem as problem:
        return MapBounds(pair.name, {}, str(problem))
    if loaded.pred.dtype != np.uint8 or not is_plain(loaded):
        return MapBounds(
            pair.name, {}, f"the prediction is {loaded.pred.dtype}, and not 8-bit levels that were rounded"
        )
    start = scaled(loaded.gt, loaded.gt_scale, settings.scale, "float64", empty=settings.empty_gt)
    with quiet():
        values = normalise(start, settings.gt)
    if any(problem.found.any() for problem in values.problems) or not loaded.pred.any():
        return MapBounds(pair.name, {}, "a map has no density")
    q = density_of_block(values, slice(0, loaded.gt.shape[0])).prob
    unit = {"e": 1.0, "2": math.log(2), "10": math.log(10)}[settings.base]
    entropy = float(-(q[q > 0] * np.log(q[q > 0])).sum())
    found = {}
    for key, call in asked.items():
        one = bounds(loaded.pred, q, call.keywords.get("ratio_eps", 0.0), rounding)
        shift = entropy if call.name == "ce" else 0.0
        low, high, outer, *dither = ((end + shift) / unit for end in (one.low, one.high, one.outer, *one.dither))
        found[key] = Bounds(low, high, outer, (dither[0], dither[1]))
    return MapBounds(pair.name, found)
