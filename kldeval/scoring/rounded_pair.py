"""An 8-bit prediction with its ground truth, and what its rounding leaves open of a metric under any settings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kldeval.arrays import quiet
from kldeval.metrics.rounding_bounds import (
    TOP,
    Bounds,
    Constants,
    Rounding,
    bounds,
    dithered_levels,
    intervals,
    outer_probabilities,
)
from kldeval.normalization.chain import format_chain, normalise
from kldeval.scoring.pixels import density_of_block
from kldeval.scoring.views import scaled
from kldeval.settings.scales import masks_of
from kldeval.settings.settings import NONE

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array
    from kldeval.grammar import Call
    from kldeval.settings.settings import Settings

FARTHEST = 1e-12
"""An epsilon up to this is far below every probability: the exact bounds hold."""

UNITS = {"e": 1.0, "2": math.log(2), "10": math.log(10)}


class RoundedPair:
    """The levels of a prediction (H, W), and its ground truth as it is stored, of the same size.

    Exact bounds have the range of dither where `dithers`; it is nan elsewhere.
    """

    def __init__(
        self, levels: Array, gt: Array, gt_scale: float | None, rounding: Rounding, *, dithers: bool = True
    ) -> None:
        self._dithers = dithers
        self._levels = levels
        self._gt, self._gt_scale = gt, gt_scale
        self._rounding: Rounding = rounding
        self._ends = intervals(levels.astype(np.float64), rounding)
        self._densities: dict[tuple[object, ...], Array | None] = {}
        self._exact: dict[tuple[object, ...], Bounds] = {}
        self._sides: dict[tuple[str, str], tuple[Array, Array]] = {}

    def bounds(self, call: Call, settings: Settings) -> Bounds | str:
        """The bounds of one metric in its unit, or why there are none; outer ones have no dither."""
        reason = refused(call, settings)
        if reason:
            return reason
        found = self._gt_density(settings)
        if found is None or not self._levels.any():
            return "a map has no density"
        key, q = found
        one = self._exact_of(key, q, call) if is_exact(call, settings) else self._outer_of(q, call, settings)
        shift = float(-(q[q > 0] * np.log(q[q > 0])).sum()) if call.name == "ce" and one.kind == "exact" else 0.0
        pixels = {"mean": q.size, "batchmean": q.shape[0]}.get(settings.reduction, 1)
        factor = call.keywords.get("factor", 1.0) / (UNITS[settings.base] * pixels)
        low, high, outer, *dither = ((end + shift) * factor for end in (one.low, one.high, one.outer, *one.dither))
        return Bounds(low, high, outer, (dither[0], dither[1]), one.kind)

    def dithered(self) -> list[Array]:
        """Float maps that round to the levels, on the scale of these."""
        return list(dithered_levels(self._levels, self._rounding))

    def _gt_density(self, settings: Settings) -> tuple[tuple[object, ...], Array] | None:
        key = (format_chain(settings.gt), settings.scale, settings.empty_gt)
        if key not in self._densities:
            start = scaled(self._gt, self._gt_scale, settings.scale, "float64", empty=settings.empty_gt)
            with quiet():
                values = normalise(start, settings.gt)
            is_none = any(problem.found.any() for problem in values.problems)
            found = None if is_none else density_of_block(values, slice(0, self._gt.shape[0])).prob
            self._densities[key] = found if found is not None and np.isfinite(found).all() and found.any() else None
        density = self._densities[key]
        return None if density is None else (key, density)

    def _exact_of(self, key: tuple[object, ...], q: Array, call: Call) -> Bounds:
        eps = call.keywords.get("ratio_eps", 0.0)
        if (*key, eps) not in self._exact:
            self._exact[*key, eps] = bounds(self._levels, q, eps, self._rounding, dithers=self._dithers)
        return self._exact[*key, eps]

    def _outer_of(self, q: Array, call: Call, settings: Settings) -> Bounds:
        sides = self._outer_probabilities(settings)
        least, most = sides
        if call.name == "ce":
            eps = call.keywords.get("ratio_eps", 0.0)
            seen = q > 0
            with quiet():
                high, low = (float(-(q[seen] * np.log(p[seen] + eps)).sum()) for p in sides)
        else:
            given = call.keywords
            constants = Constants(*(given.get(name, 0.0) for name in Constants._fields))
            high, low = constants.total(q, least), constants.total(q, most)
        return Bounds(low, high, high, (math.nan, math.nan), "outer")

    def _outer_probabilities(self, settings: Settings) -> tuple[Array, Array]:
        """The least and the greatest probability of every pixel under the prediction's chain."""
        key = format_chain(settings.pred), settings.scale
        if key not in self._sides:
            self._sides = {key: self._worked_out(settings)}
        return self._sides[key]

    def _worked_out(self, settings: Settings) -> tuple[Array, Array]:
        unit = float(TOP) if settings.scale == "unit" else 1.0
        low, high = (end / unit for end in self._ends)
        *helpers, last = settings.pred
        if last.name == "flatten-softmax":
            return outer_probabilities(np.exp(low - high.max()), np.exp(high - high.max()))
        offset = last.keywords.get("offset", 0.0)
        stretch = (1.0, 1.0)
        for step in helpers:
            if step.name == "add":
                low, high = low + step.keywords["value"], high + step.keywords["value"]
            elif step.name == "max":
                stretch = float(low.max()), float(high.max())
            elif step.name == "minmax":
                # x - min is between these, and max - min between those, wherever the least pixel lies
                floors = float(low.min()), float(high.min())
                more = step.keywords.get("offset", 0.0)
                stretch = max(float(low.max()) - floors[1], 0.0) + more, float(high.max()) - floors[0] + more
                low, high = np.maximum(low - floors[1], 0.0), high - floors[0]
        return outer_probabilities(low, high, (offset * stretch[0], offset * stretch[1]))


def is_exact(call: Call, settings: Settings) -> bool:
    """Whether the least is exact, and a map with the greatest can be built: D(gt || x / sum x), a tiny epsilon."""
    given = call.keywords
    *helpers, last = settings.pred
    plain = {step.name for step in helpers} <= {"shift", "max", "none"} and last.name == "sum-to-one"
    same = call.name == "ce" or given.get("log_eps", 0.0) == given.get("ratio_eps", 0.0)
    small = given.get("ratio_eps", 0.0) <= FARTHEST and not given.get("num_eps")
    return plain and same and small and not last.keywords.get("offset")


STRETCHED = ("max", "minmax")
"""Steps that divide, after which nothing but the sum may come."""


def refused(call: Call, settings: Settings) -> str:
    """Why the bounds of a metric are not known; "" where they are."""
    chain = settings.pred
    *helpers, last = chain
    names = [step.name for step in helpers]
    divides = any(name in STRETCHED for name in names[:-1])
    known = (
        (last.name == "sum-to-one" and set(names) <= {"shift", "add", "none", *STRETCHED} and not divides)
        or (last.name == "flatten-softmax" and set(names) <= {"none"})
    ) and last.keywords.get("axis") is None
    reasons = {
        "they are known of kld and ce of maps alone": settings.is_labels or call.name not in ("kld", "ce"),
        f"they are not known under {format_chain(chain)}": not known,
        "they are not known of masked or weighted maps": (settings.mask, settings.weights) != (NONE, NONE),
        "they are not known of sides with scales of their own": bool(
            settings.raw or (settings.masks and masks_of(settings, call, chain, settings.gt))
        ),
        "they are not known where pixels without data are left out": bool(settings.nodata),
        "they are known of D(gt || pred) alone": call.keywords.get("direction", "gt-pred") != "gt-pred",
    }
    return next((reason for reason, holds in reasons.items() if holds), "")
