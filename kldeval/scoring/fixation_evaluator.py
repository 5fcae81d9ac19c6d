"""A pair with its fixations: what the metrics of fixations are functions of."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.errors import RefusedMap
from kldeval.metrics.fixated_map import (
    BYTES,
    BinnedMap,
    Fixated,
    by_level,
    by_pixel,
    by_place,
    by_rank,
    by_step,
)
from kldeval.metrics.fixations import MATLAB_EPS, mit_bits, mit_logarithm, stretched_density, uniform_bits
from kldeval.metrics.registry import is_on_scale
from kldeval.normalization.chain import format_chain, normalise, run_chain
from kldeval.preprocessing.grey import full_scale
from kldeval.records import AuxiliaryInputs
from kldeval.scoring.diagnostics import refusal
from kldeval.scoring.pixels import density_of_block
from kldeval.scoring.views import scaled, worst_problems

if TYPE_CHECKING:
    from kldeval.arrays import AnyArray as Array
    from kldeval.metrics.fixated_map import FixatedMap
    from kldeval.normalization.lazy_map import LazyMap
    from kldeval.records import Fixations, MapPair, Role
    from kldeval.scoring.context import DatasetContext
    from kldeval.scoring.plan import AuxiliaryMetric, Plan


NEARLY_ALL = 0.999
"""The mass under the lowest value of a density, from which on little is left of what stands above it."""


def unit_of(pair: MapPair, role: Role, metric: AuxiliaryMetric) -> float:
    """What a stored map is divided by: its unit is that of the metric."""
    full = pair.pred_scale if role == "pred" else pair.gt_scale
    return full or 1.0 if is_on_scale(metric.info, metric.call.keywords) and metric.is_unit_scale else 1.0


def of_densities(metric: AuxiliaryMetric, *arrays: Array) -> float:
    """The number of a metric of the logarithms of densities at the fixated pixels, and of how often each is fixated."""
    return float(metric.function(*(array[None] for array in arrays))) / metric.unit


class FixationEvaluator:
    """A pair with its fixations: what the metrics of fixations are functions of, worked out when it is first needed.

    `context` is what the run knows of other images, and `area` the number of pixels of each level of an 8-bit map.
    """

    def __init__(
        self, pair: MapPair, fixations: Fixations, plan: Plan, context: DatasetContext, area: Array | None
    ) -> None:
        self._pair = pair
        self._fixations = fixations
        self._company = pair.company or AuxiliaryInputs()
        self._plan = plan
        self._context = context
        self._area = area
        self._everywhere: dict[int, Array] = {}
        self._by_unit: dict[float, BinnedMap] = {}

    @cached_property
    def n_fixations(self) -> int:
        """The fixations on pixels that exist, repeats included."""
        return int(self._fixated.counts.sum())

    def value(self, metric: AuxiliaryMetric) -> float:
        """The number of one metric.

        Raises:
            RefusedMap: the prediction, or what stands beside it, does not fit the metric.
        """
        needs = metric.info.requires
        if "density" in needs:
            return of_densities(metric, self._log_density, *self._baselines(metric), self._fixated.counts)
        if "baseline" in needs:
            eps = metric.call.keywords.get("eps", MATLAB_EPS)
            seen = self._fixated_map(metric.info.view)
            uniform = self._plan.settings.baseline.name == "uniform"
            return float(mit_bits(seen, eps)) - (
                float(uniform_bits(seen, eps)) if uniform else self._baseline_bits(eps)
            )
        return float(metric.function(*self.arguments(metric)))

    @property
    def fixated(self) -> Fixated:
        """The fixated pixels that exist."""
        return self._fixated

    def of(self, fixated: Fixated) -> FixationEvaluator:
        """The evaluator of some of the fixated pixels alone."""
        alone = FixationEvaluator(self._pair, self._fixations, self._plan, self._context, self._area)
        alone._fixated = fixated
        return alone

    def cells(self, metric: AuxiliaryMetric) -> tuple[BinnedMap, list[Array]]:
        """The cells of the map that a metric is a function of, and what other images have in them."""
        floats = metric.call.keywords.get("ties") == "float"
        cells = self._rounded(unit_of(self._pair, "pred", metric)) if floats else self._cells(metric.info.view)
        return cells, [_OTHERS[need](self, cells) for need in metric.info.requires]

    def arguments(self, metric: AuxiliaryMetric) -> tuple[Any, ...]:
        """What a metric of the map and its fixations is a function of: the map as it views it, and other images.

        Of a density that waits for other maps it is the levels of the fixated pixels, and what else the metric takes.
        """
        if "density" in metric.info.requires:
            rows, cols, counts = self._fixated.rows, self._fixated.cols, self._fixated.counts
            return self._pair.pred[rows, cols], *self._baselines(metric), counts
        if not metric.info.requires and metric.call.keywords.get("ties") != "float":
            return (self._fixated_map(metric.info.view),)
        cells, others = self.cells(metric)
        return cells.seen, *others

    def may_wait(self, metric: AuxiliaryMetric) -> bool:
        """Whether the metric is a function of the 256 levels of the map alone, which several maps have in common."""
        needs = set(metric.info.requires)
        return self._takes_levels if "density" in needs else self._has_levels and needs <= _OTHERS.keys()

    @cached_property
    def _fixated(self) -> Fixated:
        """The fixated pixels that exist."""
        rows, cols, counts = self._fixations.pixels(self._pair.shape)
        weights = self._pair.weights
        if weights is None:
            return Fixated(rows, cols, counts)
        exist = weights[rows, cols] > 0
        return Fixated(rows[exist], cols[exist], counts[exist])

    def _fixated_map(self, view: str) -> FixatedMap:
        """The prediction as a metric sees it, and what was fixated of it."""
        if view == "pixels" and not self._has_levels:
            return by_pixel(self._pair.pred, self._fixated, self._pair.weights)
        return self._cells(view).seen

    def _cells(self, view: str) -> BinnedMap:
        if self._has_levels:
            return self._levels
        if view == "pixels":
            return self._pixels
        return self._ranks if view == "ranks" else self._steps

    @property
    def _has_levels(self) -> bool:
        return bool(self._pair.pred.dtype == np.uint8)

    @property
    def _takes_levels(self) -> bool:
        """Whether the levels of a map stand for its pixels, 256 of them instead of a million: only values matter."""
        return self._has_levels and self._plan.density.dependence == "value"

    def _baselines(self, metric: AuxiliaryMetric) -> list[Array]:
        """The logarithms of the baseline at the fixated pixels, for a metric that compares with one."""
        return [self._log_baseline] if "baseline" in metric.info.requires else []

    @cached_property
    def _levels(self) -> BinnedMap:
        return by_level(self._pair.pred, self._fixated, self._pair.weights, self._area)

    @cached_property
    def _pixels(self) -> BinnedMap:
        return by_place(self._pair.pred, self._fixated, self._pair.weights)

    @cached_property
    def _ranks(self) -> BinnedMap:
        return by_rank(self._pair.pred, self._fixated, self._pair.weights)

    @cached_property
    def _steps(self) -> BinnedMap:
        return by_step(self._pair.pred, self._fixated, self._pair.weights)

    def _rounded(self, unit: float) -> BinnedMap:
        """The cells of the map divided by `unit`, for thresholds that are rounded as the original rounds them."""
        if unit not in self._by_unit:
            pair = self._pair
            self._by_unit[unit] = (
                replace(self._levels, seen=replace(self._levels.seen, values=self._levels.seen.values / unit))
                if self._has_levels
                else by_step(np.asarray(pair.pred, np.float64) / unit, self._fixated, pair.weights, rounded=True)
            )
        return self._by_unit[unit]

    def _of_others(self, cells: BinnedMap, *, repeats: bool = True) -> Array:
        """The fixations on all other images in each cell; without repeats the pixels that they are on."""
        # what all images have is the same for all: nothing is copied, and the image itself has little
        all_, (own, own_counts) = self._context.others_of(self._company.image, self._pair.shape)
        if id(cells) not in self._everywhere:
            self._everywhere[id(cells)] = cells.sum_at(all_.places)
        seen = self._everywhere[id(cells)]
        if repeats:
            return seen + cells.sum_at(all_.again, all_.more) - cells.sum_at(own, own_counts)
        alone = all_.counts[np.searchsorted(all_.places, own)] == own_counts
        return seen - cells.sum_at(own[alone])

    def _of_other(self, cells: BinnedMap) -> Array:
        """The fixated pixels of the other map in each cell, or its fixations."""
        if self._company.other is None:
            return self._of_others(cells, repeats=bool(self._plan.settings.other.keywords.get("repeats")))
        rows, cols, _ = self._company.other.pixels(self._pair.shape)
        return cells.sum_at(rows * self._pair.shape[1] + cols)

    def _images(self, cells: BinnedMap) -> Array:
        """On how many other images the pixels of each cell were fixated, but for those that are fixated on this one."""
        everything, own = self._context.images_of(self._company.image, self._pair.shape)
        places, counts = everything
        elsewhere = ~np.isin(places, own, assume_unique=True)
        return cells.sum_at(places[elsewhere], counts[elsewhere])

    @cached_property
    def _log_density(self) -> Array:
        """The logarithms of the predicted density at the fixated pixels."""
        pair, pipeline = self._pair, self._plan.density
        rows, cols = self._fixated.rows, self._fixated.cols
        takes_levels = self._takes_levels
        array = np.arange(BYTES, dtype=np.uint8)[None] if takes_levels else pair.pred
        weights = self._levels.seen.area if takes_levels else pair.weights
        start = scaled(array, pair.pred_scale, pipeline.scale, pipeline.dtype, weights=weights, empty=pipeline.empty)
        values = run_chain(start, pipeline.run)
        for problem in worst_problems(values, "pred", 1):
            if problem:
                message = refusal(pair, "pred", problem.kind, problem.detail, pipeline.shown)
                raise RefusedMap(message, code=problem.kind)
        if takes_levels:
            return density_of_block(values, slice(0, 1)).log[0, pair.pred[rows, cols]]
        return _log_at(values, rows, cols)

    @cached_property
    def _log_baseline(self) -> Array:
        """The logarithms of the baseline's density at the fixated pixels."""
        call, pair = self._plan.settings.baseline, self._pair
        rows, cols, counts = self._fixated.rows, self._fixated.cols, self._fixated.counts
        if call.name == "uniform":
            pixels = pair.shape[0] * pair.shape[1] if pair.weights is None else float(pair.weights.sum())
            return np.full(len(counts), -math.log(pixels))
        if call.name == "others":
            return np.log(self._others_here)
        logarithms = self._context.remembered("log", self._baseline_map, pair.weights, self._log_map)
        return logarithms[rows, cols]

    @cached_property
    def _others_here(self) -> Array:
        """The density of the fixations on all other images at the fixated pixels."""
        at = self._fixated.rows, self._fixated.cols
        return self._context.others_at(self._company.image, self._pair.shape, at, self._pair.weights)

    @cached_property
    def _baseline_map(self) -> Array:
        baseline = self._company.baseline
        if baseline is None:
            return self._context.density_of_others(self._company.image, self._pair.shape, self._pair.weights)
        return baseline

    def _log_map(self) -> Array:
        pair, chain, array = self._pair, self._plan.baseline, self._baseline_map
        values = normalise(scaled(array, full_scale(array), self._plan.settings.scale, weights=pair.weights), chain)
        for problem in values.problems:
            if problem.found.any():
                msg = (
                    f"the baseline's map is {_FAULTS[problem.kind]}, which {format_chain(chain)!r} cannot take; "
                    "choose another --baseline-norm"
                )
                raise RefusedMap(msg)
        return density_of_block(values, slice(0, pair.shape[0])).log

    def _baseline_bits(self, eps: float) -> float:
        pair, rows, cols = self._pair, self._fixated.rows, self._fixated.cols
        if not len(rows):
            return np.nan
        if self._company.baseline is None and pair.weights is None:
            above, low = self._context.above_lowest_of_others(self._company.image, pair.shape, rows, cols)
            left = 1 - low * math.prod(pair.shape)
            # of a constant map the difference is rounding
            if left > 1 - NEARLY_ALL:
                return float(mit_logarithm(above / left, eps).mean())
        stretched = self._context.remembered("stretched", self._baseline_map, pair.weights, self._stretched)
        return float(mit_logarithm(stretched[rows, cols], eps).mean())

    def _stretched(self) -> Array:
        values = np.asarray(self._baseline_map, np.float64)
        area = np.ones(values.shape) if self._pair.weights is None else self._pair.weights
        return stretched_density(values, area)


_OTHERS = {
    "others": FixationEvaluator._of_others,  # noqa: SLF001
    "other": FixationEvaluator._of_other,  # noqa: SLF001
    "images": FixationEvaluator._images,  # noqa: SLF001
}
"""What a metric may need to know of other images in every cell."""

_FAULTS = {
    "nonfinite": "not finite",
    "overflow": "too large",
    "negative": "negative in places",
    "empty": "empty or constant",
}


def _log_at(values: LazyMap, rows: Array, cols: Array) -> Array:
    """The logarithms of normalised values at some pixels: the functions of a pixel, of no more than these."""
    xp = values.xp
    found = xp.astype(values.source[rows, cols], values.dtype)
    for function, statistics in values.functions:
        found = function(found, *(_at(statistic, rows, cols) for statistic in statistics))
    return found if values.is_log else xp.log(found)


def _at(statistic: Array, rows: Array, cols: Array) -> Array:
    return statistic[rows if statistic.shape[0] > 1 else 0, cols if statistic.shape[1] > 1 else 0]
