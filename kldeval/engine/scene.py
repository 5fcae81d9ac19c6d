"""One pair with its fixations: what the metrics of fixations are functions of, worked out when it is first needed."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kldeval.diagnosis import refusal
from kldeval.engine.measure import Side, density, scaled
from kldeval.errors import RefusedMap
from kldeval.metrics.fixated_map import BYTES, BinnedMap, Fixated, by_level, by_pixel, by_rank, by_step
from kldeval.metrics.fixations import mit_bits, mit_logarithm, stretched_density
from kldeval.metrics.registry import METRICS
from kldeval.normalization.chain import format_chain, is_spatial, normalise, parse_chain
from kldeval.preprocessing.grey import full_scale
from kldeval.records import AuxiliaryInputs
from kldeval.settings.auxiliary import BASELINES

if TYPE_CHECKING:
    from kldeval.arrays import Array
    from kldeval.engine.context import Context
    from kldeval.grammar import Call
    from kldeval.metrics.fixated_map import FixatedMap
    from kldeval.normalization.chain import Chain
    from kldeval.normalization.lazy_map import LazyMap
    from kldeval.records import Fixations, MapPair
    from kldeval.settings.settings import Settings

FLOAT64 = "float64"

NEARLY_ALL = 0.999
"""The mass under the lowest value of a density, from which on little is left of what stands above it."""


class Scene:
    """A pair, the fixations on it and what the run knows of other images; `area` is that of an 8-bit map's levels."""

    def __init__(
        self, pair: MapPair, fixations: Fixations, settings: Settings, context: Context, area: Array | None
    ) -> None:
        self._pair = pair
        self._fixations = fixations
        self._company = pair.company or AuxiliaryInputs()
        self._settings = settings if settings.dtype == FLOAT64 else replace(settings, dtype=FLOAT64)
        self._context = context
        self._area = area
        self._everywhere: dict[int, Array] = {}

    @cached_property
    def n_fixations(self) -> int:
        """The fixations on pixels that exist, repeats included."""
        return int(self._fixated.counts.sum())

    def value(self, call: Call) -> float:
        """The number of one metric.

        Raises:
            RefusedMap: the prediction, or what stands beside it, does not fit the metric.
        """
        info = METRICS[call.name].info
        needs = info.requires
        if "density" in needs:
            baseline = [self._log_baseline[None]] if "baseline" in needs else []
            arguments = [self._log_density[None], *baseline, self._fixated.counts[None]]
            return float(METRICS[call.name].function(*arguments, **call.keywords))
        if "baseline" in needs:
            return float(mit_bits(self._seen(info.view))) - self._baseline_bits
        return float(METRICS[call.name].function(*self.arguments(call), **call.keywords))

    def arguments(self, call: Call) -> tuple[Any, ...]:
        """What a metric of the map and its fixations is a function of: the map as it sees it, and other images."""
        info = METRICS[call.name].info
        others = (_OTHERS[need](self, self._cells(info.view)) for need in info.requires)
        return self._seen(info.view), *others

    def may_wait(self, call: Call) -> bool:
        """Whether the metric is a function of the 256 levels of the map alone, which several maps have in common."""
        return self._has_levels and set(METRICS[call.name].info.requires) <= _OTHERS.keys()

    @cached_property
    def _fixated(self) -> Fixated:
        """The fixated pixels that exist."""
        rows, cols, counts = self._fixations.pixels(self._pair.shape)
        weights = self._pair.weights
        if weights is None:
            return Fixated(rows, cols, counts)
        exist = weights[rows, cols] > 0
        return Fixated(rows[exist], cols[exist], counts[exist])

    def _seen(self, sees: str) -> FixatedMap:
        """The prediction as a metric sees it, and what was fixated of it."""
        if sees == "pixels" and not self._has_levels:
            return by_pixel(self._pair.pred, self._fixated, self._pair.weights)
        return self._cells(sees).seen

    def _cells(self, sees: str) -> BinnedMap:
        if self._has_levels:
            return self._levels
        return self._ranks if sees == "ranks" else self._steps

    @property
    def _has_levels(self) -> bool:
        import numpy as np

        return bool(self._pair.pred.dtype == np.uint8)

    @cached_property
    def _levels(self) -> BinnedMap:
        return by_level(self._pair.pred, self._fixated, self._pair.weights, self._area)

    @cached_property
    def _ranks(self) -> BinnedMap:
        return by_rank(self._pair.pred, self._fixated, self._pair.weights)

    @cached_property
    def _steps(self) -> BinnedMap:
        return by_step(self._pair.pred, self._fixated, self._pair.weights)

    def _of_others(self, cells: BinnedMap, *, repeats: bool = True) -> Array:
        """The fixations on all other images in each cell; without repeats the pixels that they are on."""
        import numpy as np

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
            return self._of_others(cells, repeats=bool(self._settings.other.keywords.get("repeats")))
        rows, cols, _ = self._company.other.pixels(self._pair.shape)
        return cells.sum_at(rows * self._pair.shape[1] + cols)

    @cached_property
    def _log_density(self) -> Array:
        """The logarithms of the predicted density at the fixated pixels."""
        import numpy as np

        pair, settings = self._pair, self._settings
        rows, cols = self._fixated.rows, self._fixated.cols
        # the levels of a map stand for its pixels where only values matter: 256 of them instead of a million
        takes_levels = self._has_levels and not is_spatial(settings.pred)
        array = np.arange(BYTES, dtype=np.uint8)[None] if takes_levels else pair.pred
        weights = self._levels.seen.area if takes_levels else pair.weights
        side = scaled(Side(array, pair.pred_scale), settings, weights=weights, empty=settings.empty_pred)
        values = normalise(side, settings.pred)
        _refuse(values, pair, settings)
        if takes_levels:
            return density(values, slice(0, 1)).log[0, pair.pred[rows, cols]]
        return _log_at(values, rows, cols)

    @cached_property
    def _log_baseline(self) -> Array:
        """The logarithms of the baseline's density at the fixated pixels."""
        import numpy as np

        call, pair = self._settings.baseline, self._pair
        rows, cols, counts = self._fixated.rows, self._fixated.cols, self._fixated.counts
        if call.name == "uniform":
            pixels = pair.shape[0] * pair.shape[1] if pair.weights is None else float(pair.weights.sum())
            return np.full(len(counts), -math.log(pixels))
        if call.name == "others":
            return np.log(self._others_here)
        chain = parse_chain(call.keywords.get("norm", str(BASELINES["map"].defaults["norm"])))
        logarithms = self._context.remembered("log", self._baseline_map, pair.weights, lambda: self._log_map(chain))
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

    def _log_map(self, chain: Chain) -> Array:
        pair = self._pair
        side = Side(self._baseline_map, full_scale(self._baseline_map))
        values = normalise(scaled(side, self._settings, weights=pair.weights), chain)
        for problem in values.problems:
            if problem.found.any():
                msg = (
                    f"the baseline's map is {_FAULTS[problem.kind]}, which {format_chain(chain)!r} cannot take; "
                    "choose another --baseline-norm"
                )
                raise RefusedMap(msg)
        return density(values, slice(0, pair.shape[0])).log

    @cached_property
    def _baseline_bits(self) -> float:
        import numpy as np

        pair, rows, cols = self._pair, self._fixated.rows, self._fixated.cols
        if not len(rows):
            return np.nan
        if self._company.baseline is None and pair.weights is None:
            low, pixels = self._context.lowest_of_others(self._company.image, pair.shape), math.prod(pair.shape)
            # of a constant map the difference is rounding
            if low * pixels < NEARLY_ALL:
                return float(mit_logarithm((self._others_here - low) / (1 - low * pixels)).mean())
        logarithms = self._context.remembered("stretched", self._baseline_map, pair.weights, self._stretched)
        return float(logarithms[rows, cols].mean())

    def _stretched(self) -> Array:
        import numpy as np

        values = np.asarray(self._baseline_map, np.float64)
        area = np.ones(values.shape) if self._pair.weights is None else self._pair.weights
        return mit_logarithm(stretched_density(values, area))


_OTHERS = {"others": Scene._of_others, "other": Scene._of_other}  # noqa: SLF001
"""What a metric may need to know of other images in every cell."""

_FAULTS = {"nonfinite": "not finite", "negative": "negative in places", "empty": "empty or constant"}


def _refuse(values: LazyMap, pair: MapPair, settings: Settings) -> None:
    for kind in ("nonfinite", "negative", "empty"):
        for problem in values.problems:
            if problem.kind == kind and problem.found.any():
                raise RefusedMap(refusal(pair, "pred", kind, float(problem.detail.min()), settings))


def _log_at(values: LazyMap, rows: Array, cols: Array) -> Array:
    """The logarithms of normalised values at some pixels: the functions of a pixel, of no more than these."""
    xp = values.xp
    found = xp.astype(values.source[rows, cols], values.dtype)
    for function, statistics in values.functions:
        found = function(found, *(_at(statistic, rows, cols) for statistic in statistics))
    return found if values.is_log else xp.log(found)


def _at(statistic: Array, rows: Array, cols: Array) -> Array:
    return statistic[rows if statistic.shape[0] > 1 else 0, cols if statistic.shape[1] > 1 else 0]
