"""The numbers of a pair that are no sums over its densities: those of its maps, and those of its fixations.

They are computed in float64 by numpy, also where the densities are measured on a GPU: a map of 8 bits comes as the
cells of its joint histogram, and fixations are few. A metric that does not fit a map fails by itself.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.arrays import quiet
from kldeval.errors import RefusedMap
from kldeval.metrics.fixated_map import (
    BYTES,
    has_close_values,
)
from kldeval.records import AuxiliaryScores, Reason
from kldeval.scoring.diagnostics import ValueRange, reason_of, refusal
from kldeval.scoring.fixation_evaluator import FixationEvaluator, of_densities, unit_of
from kldeval.scoring.histogram import levels, looked_up
from kldeval.scoring.pixels import PixelView
from kldeval.scoring.plan import ROLES
from kldeval.scoring.views import MISPLACED, value_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kldeval.arrays import AnyArray as Array
    from kldeval.records import Fixations, MapPair, Role
    from kldeval.scoring.context import DatasetContext
    from kldeval.scoring.histogram import CountedPair, HistogramView
    from kldeval.scoring.plan import AuxiliaryMetric, Pipeline, Plan


JITTER = 1e-7
"""What AUC_Judd.m adds at random to every value of a map: where values are closer, it loses their order."""

Values64 = dict[str, float]
"""Numbers by the key of each metric."""


def begin_auxiliary_scores(
    pair: MapPair, counted: CountedPair | None, plan: Plan, context: DatasetContext
) -> AuxiliaryScores | None:
    """The numbers of a pair beside its densities, or what they need; `counted` may stand for its pixels.

    What is a function of the levels of an 8-bit map waits for other pairs: see `finish_auxiliary_scores`.
    """
    if not (plan.of_maps or plan.of_fixations):
        return None
    scores = _Scores(pair, counted, plan)
    with quiet():
        for metric in plan.of_maps:
            if metric.info.statistics is not None:
                scores.add(metric, scores.of_sums)
            elif not (counted and takes_levels(metric)):
                scores.add(metric, scores.of_maps)
        if plan.of_fixations and pair.company and pair.company.fixations:
            return scores.with_fixations(pair.company.fixations, context)
    return AuxiliaryScores(scores.values, failures=scores.failures, statistics=scores.statistics)


def finish_auxiliary_scores(view: HistogramView, plan: Plan) -> list[AuxiliaryScores | None]:
    """The numbers of 8-bit pairs of one scale with those that waited for each other."""
    begun = [pair.beside for pair in view.pairs]
    of_levels = [metric for metric in plan.of_maps if takes_levels(metric)]
    waits = any(scores and scores.waiting for scores in begun)
    if not (of_levels or waits):
        return begun
    values: list[Values64] = [{} for _ in begun]
    failures: list[dict[str, Reason]] = [{} for _ in begun]
    with quiet():
        _add_of_fixations(values, failures, view, plan)
        if of_levels:
            _PreparedLevels(view).add(values, failures, of_levels)
    return [
        replace(
            scores or AuxiliaryScores({}),
            values={**(scores.values if scores else {}), **values[place]},
            failures={**(scores.failures if scores else {}), **failures[place]},
            waiting={},
        )
        for place, scores in enumerate(begun)
    ]


def takes_levels(metric: AuxiliaryMetric) -> bool:
    """Whether a metric of maps asks of 8-bit maps only which levels meet how often."""
    sides = (metric.pred, metric.gt)
    return metric.info.combine is not None and all(side is None or side.dependence == "value" for side in sides)


def _add_of_fixations(
    values: Sequence[Values64], failures: Sequence[dict[str, Reason]], view: HistogramView, plan: Plan
) -> None:
    """The numbers of fixations that waited, or why there are none."""
    begun = [pair.beside for pair in view.pairs]
    waiting: defaultdict[str, list[tuple[int, tuple[Any, ...]]]] = defaultdict(list)
    for place, scores in enumerate(begun):
        for key, arguments in (scores.waiting if scores else {}).items():
            waiting[key].append((place, arguments))
    for metric in plan.of_fixations:
        found = waiting.get(metric.key)
        if found and "density" in metric.info.requires:
            _add_of_densities(values, failures, metric, found, view, plan)
        elif found:
            maps, *others = zip(*(arguments for _, arguments in found), strict=True)
            numbers = metric.function(type(maps[0]).stacked(maps), *map(np.stack, others)).tolist()
            for (place, _), number in zip(found, numbers, strict=True):
                values[place][metric.key] = number


def _add_of_densities(
    values: Sequence[Values64],
    failures: Sequence[dict[str, Reason]],
    metric: AuxiliaryMetric,
    waiting: Sequence[tuple[int, tuple[Any, ...]]],
    view: HistogramView,
    plan: Plan,
) -> None:
    """The numbers of a metric of the predicted densities at the fixated pixels, of which the levels are known."""
    side = view.normalised(plan.density)
    for place, (at_fixations, *others) in waiting:
        problem = side.problems[place] if len(side.problems) else None
        if problem:
            message = refusal(view.pairs[place], "pred", problem.kind, problem.detail, plan.density.shown)
            failures[place][metric.key] = Reason(problem.kind, message)
        else:
            values[place][metric.key] = of_densities(metric, side.density.log[place, 0, at_fixations], *others)


class _PreparedLevels:
    """The levels of 8-bit maps after what a metric makes of either map alone, at the cells where they meet.

    The levels of many maps are prepared at once, and what metrics share is looked up once for each pair.
    """

    def __init__(self, view: HistogramView) -> None:
        self._counted = view.counted
        self._view = view
        self._tables: dict[object, Array] = {}
        self._finite: dict[object, list[bool]] = {}

    def add(
        self, values: Sequence[Values64], failures: Sequence[dict[str, Reason]], metrics: Sequence[AuxiliaryMetric]
    ) -> None:
        """The number of each metric for each pair, or why there is none."""
        sides = [(metric, self._table("pred", metric), self._table("gt", metric)) for metric in metrics]
        for place in range(len(self._counted)):
            met: dict[object, Array] = {}
            for metric, pred, gt in sides:
                refused = self._refused(metric, place)
                if refused:
                    failures[place][metric.key] = refused
                    continue
                number = self._of_levels(place, metric, pred, gt)
                if number is None:
                    number = self._of_cells(place, metric, (pred, gt), met)
                values[place][metric.key] = number

    def _of_levels(self, place: int, metric: AuxiliaryMetric, pred: object, gt: object) -> float | None:
        """The number from the levels of either side, where it is one of them."""
        if metric.info.of_levels is None or not (self._finite[pred][place] and self._finite[gt][place]):
            return None
        tables = self._tables[pred][place, 0], self._tables[gt][place, 0]
        return metric.info.of_levels(self._view.joint(place), *tables, **metric.call.keywords)

    def _of_cells(
        self, place: int, metric: AuxiliaryMetric, keys: tuple[object, object], met: dict[object, Array]
    ) -> float:
        """The number from the cells where levels meet; `met` has what was looked up there."""
        cells = self._view.cells(place)
        for key, own in zip(keys, (cells.pred, cells.gt), strict=True):
            if key not in met:
                met[key] = looked_up(self._tables[key][place], own)
        combine = metric.info.combine
        return float(combine(np, *(met[key] for key in keys), cells.counts, **metric.call.keywords))  # type: ignore[misc]

    def _table(self, role: Role, metric: AuxiliaryMetric) -> object:
        """The key of the levels of one side as the metric prepares them, (pairs, 1, 256)."""
        pipeline = metric.side(role)
        key = role, metric.prepared_key, pipeline and pipeline.key
        if key not in self._tables:
            shape = (len(self._counted), 1, BYTES)
            if pipeline is None:
                # as many copies as there are pairs, so that no sum is taken in another way where there are more of them
                stored = np.tile(levels().astype(np.float64), (len(self._counted), 1, 1)) / self._unit(role, metric)
            else:
                stored = np.ascontiguousarray(np.broadcast_to(self._view.normalised(pipeline).density.prob, shape))
            table = metric.prepare(np, stored, self._view.margins[role])  # type: ignore[misc]
            self._tables[key] = np.broadcast_to(table, shape)
            self._finite[key] = np.isfinite(table).all(axis=(-2, -1)).tolist()
        return key

    def _unit(self, role: Role, metric: AuxiliaryMetric) -> float:
        return unit_of(self._counted[0].pair, role, metric)

    def _refused(self, metric: AuxiliaryMetric, place: int) -> Reason | None:
        for pipeline in (metric.gt, metric.pred):
            problems = self._view.normalised(pipeline).problems if pipeline else ()
            problem = problems[place] if problems else None
            if pipeline and problem:
                message = refusal(self._counted[place].pair, problem.role, problem.kind, problem.detail, pipeline.shown)
                return Reason(problem.kind, message)
        try:
            for role in ROLES[::-1]:
                if metric.side(role):
                    _check_range(role, self._extent(role, metric, place), metric)
        except RefusedMap as refused:
            return reason_of(refused)
        return None

    def _extent(self, role: Role, metric: AuxiliaryMetric, place: int) -> ValueRange:
        """The extremes of the levels of a pair that occur, at the end of the metric's pipeline."""
        counts = self._view.margins[role]
        values = np.broadcast_to(self._view.normalised(metric.side(role)).density.prob, counts.shape)[place]  # type: ignore[arg-type]
        present = values[counts[place] > 0]
        return ValueRange(float(present.min()), float(present.max()))


def evaluator_of(
    metric: AuxiliaryMetric, pair: MapPair, fixations: Fixations, plan: Plan, context: DatasetContext
) -> FixationEvaluator:
    """The pair with its fixations as a metric takes it.

    Raises:
        RefusedMap: the metric's pipeline cannot take the map.
    """
    return _Scores(pair, None, plan).evaluator(metric, fixations, context)


class _Scores:
    """The numbers of one pair, metric by metric."""

    def __init__(self, pair: MapPair, counted: CountedPair | None, plan: Plan) -> None:
        self.pair = pair
        self.counted = counted
        self.plan = plan
        self.values: Values64 = {}
        self.failures: dict[str, Reason] = {}
        self.statistics: dict[str, tuple[float, ...]] = {}
        self._arrays: dict[tuple[Role, str], Array] = {}
        self._ranges: dict[tuple[Role, str], ValueRange] = {}

    def add(self, metric: AuxiliaryMetric, value: Callable[[AuxiliaryMetric], float]) -> None:
        """The number of one metric, or why there is none."""
        try:
            _check_place(self.pair, metric)
            self.values[metric.key] = value(metric)
        except RefusedMap as problem:
            self.failures[metric.key] = reason_of(problem)

    def of_maps(self, metric: AuxiliaryMetric) -> float:
        """The number of a metric of two maps."""
        for role in reversed(ROLES):
            self._check(role, metric)
        maps = [self._array(role, metric) for role in ROLES]
        if metric.info.combine is not None:
            units = [1.0 if metric.side(role) else unit_of(self.pair, role, metric) for role in ROLES]
            maps = [np.asarray(array, np.float64) / unit for array, unit in zip(maps, units, strict=True)]
        if self.pair.volume and metric.info.in_space is not None:
            return float(metric.info.in_space(*maps, self.pair.weights, self.pair.volume, **metric.call.keywords))
        return float(metric.function(*maps, self.pair.weights))

    def of_sums(self, metric: AuxiliaryMetric) -> float:
        """The number of a metric that is made of sums, which are kept."""
        pred, gt = (self._array(role, metric) for role in ROLES)
        edges = {"edges": self.pair.edges[metric.key]} if metric.key in self.pair.edges else {}
        make, finalize = metric.info.statistics, metric.info.finalize
        sums = make(pred, gt, self.pair.weights, **edges, **metric.call.keywords)  # type: ignore[misc]
        self.statistics[metric.key] = sums
        return finalize(sums)  # type: ignore[misc]

    def evaluator(self, metric: AuxiliaryMetric, fixations: Fixations, context: DatasetContext) -> FixationEvaluator:
        """What a metric is a function of: the map as it is stored, or at the end of its pipeline."""
        return self._evaluator(None if metric.pred is None else self._array("pred", metric), fixations, context)

    def with_fixations(self, fixations: Fixations, context: DatasetContext) -> AuxiliaryScores:
        """The numbers with those of the fixations, and what is to be said of these."""
        seen: dict[str, FixationEvaluator] = {}
        waiting: dict[str, tuple[Any, ...]] = {}
        stored = self._evaluator(None, fixations, context)
        for metric in self.plan.of_fixations:
            pipeline = metric.pred

            def value(metric: AuxiliaryMetric, pipeline: Pipeline | None = pipeline) -> float:
                if "density" not in metric.info.requires:
                    self._check("pred", metric)
                if pipeline is None:
                    return stored.value(metric)
                key = f"{pipeline.key}|{_keeps_logs(metric)}"
                if key not in seen:
                    array = self._array("pred", metric)
                    seen[key] = self._evaluator(array, fixations, context)
                return seen[key].value(metric)

            if self.counted and pipeline is None and stored.may_wait(metric):
                self.add_waiting(waiting, metric, stored)
            else:
                self.add(metric, value)
        flags = tuple(self._flags(stored))
        return AuxiliaryScores(self.values, stored.n_fixations, flags, waiting, self.failures, self.statistics)

    def add_waiting(
        self, waiting: dict[str, tuple[Any, ...]], metric: AuxiliaryMetric, evaluator: FixationEvaluator
    ) -> None:
        """What a metric is a function of, or why it has no number."""
        try:
            waiting[metric.key] = evaluator.arguments(metric)
        except RefusedMap as problem:
            self.failures[metric.key] = reason_of(problem)

    def _evaluator(self, pred: Array | None, fixations: Fixations, context: DatasetContext) -> FixationEvaluator:
        area = self.counted.margins[0][0] if self.counted and pred is None else None
        pair = self.pair if pred is None else replace(self.pair, pred=pred, pred_scale=None)
        return FixationEvaluator(pair, fixations, self.plan, context, area)

    def _array(self, role: Role, metric: AuxiliaryMetric) -> Array:
        """The map of one side: as it is stored, or at the end of the metric's pipeline.

        Raises:
            RefusedMap: the pipeline cannot take the map.
        """
        pipeline = metric.side(role)
        if pipeline is None:
            return self.pair.pred if role == "pred" else self.pair.gt
        keeps_logs = _keeps_logs(metric)
        key = role, f"{pipeline.key}|{keeps_logs}"
        if key not in self._arrays:
            self._arrays[key] = at_end(self.pair, pipeline, keeps_logs=keeps_logs)
        return self._arrays[key]

    def _check(self, role: Role, metric: AuxiliaryMetric) -> None:
        """Refuse what a metric cannot take."""
        array = self._array(role, metric)
        if array.dtype.kind == "u":
            return
        key = role, str(id(array))
        if key not in self._ranges:
            self._ranges[key] = value_range(array, self.pair.weights)
        _check_range(role, self._ranges[key], metric)

    def _flags(self, evaluator: FixationEvaluator) -> Iterator[str]:
        judged = any(metric.call.name == "auc-judd" for metric in self.plan.of_fixations)
        if judged and self.pair.pred.dtype.kind == "f" and has_close_values(_present(self.pair), JITTER):
            yield "close-values"
        if evaluator.n_fixations == 0:
            yield "no-fixations"


def map_at_end(pair: MapPair, metric: AuxiliaryMetric, role: Role) -> Array:
    """The map of one side as a metric takes it that is given no stored maps.

    Raises:
        RefusedMap: the pipeline cannot take the map.
    """
    pipeline = metric.side(role)
    if pipeline is None:
        return pair.pred if role == "pred" else pair.gt
    return at_end(pair, pipeline)


def at_end(pair: MapPair, pipeline: Pipeline, *, keeps_logs: bool = False) -> Array:
    """The map of one side at the end of a pipeline, or its logarithms where it has and `keeps_logs`."""
    side = PixelView.of(pair).normalised(pipeline)
    if side.problems and side.problems[0]:
        problem = side.problems[0]
        message = refusal(pair, pipeline.role, problem.kind, problem.detail, pipeline.shown)
        raise RefusedMap(message, code=problem.kind)
    values = side.values
    # exp underflows into ties, which ranks must not have
    return values.whole() if keeps_logs or not values.is_log else values.map(values.xp.exp).whole()


def _keeps_logs(metric: AuxiliaryMetric) -> bool:
    return metric.info.on == "fixations" and metric.info.view == "ranks"


def _present(pair: MapPair) -> Array:
    return pair.pred if pair.weights is None else pair.pred[pair.weights > 0][None]


_SIDES = {"pred": "prediction", "gt": "ground truth"}


def _check_place(pair: MapPair, metric: AuxiliaryMetric) -> None:
    """Refuse a metric, or a step before it, that asks where the pixels of a volume stand."""
    if not pair.volume:
        return
    chained = [side for side in (metric.pred, metric.gt) if side is not None and side.dependence != "value"]
    if chained:
        raise RefusedMap(refusal(pair, chained[0].role, MISPLACED, 0.0, chained[0].shown), code=MISPLACED)


def _check_range(role: str, extent: ValueRange, metric: AuxiliaryMetric) -> None:
    _check_finite(role, extent, metric)
    if metric.info.on == "maps":
        _check_mass(role, extent.low, metric)


def _check_finite(role: str, extent: ValueRange, metric: AuxiliaryMetric) -> None:
    low, high = extent
    undefined = math.isnan(low) or math.isnan(high)
    infinite = not math.isfinite(high - low)
    if undefined or (infinite and not metric.info.takes_infinities):
        found = "nan" if undefined else "inf"
        msg = f"the {_SIDES[role]} holds {found}, which {metric.call.name} cannot take; repair the map"
        raise RefusedMap(msg, code="nonfinite")


def _check_mass(role: str, low: float, metric: AuxiliaryMetric) -> None:
    lifted_by, call = metric.info.nonnegative, metric.call
    if low < 0 and lifted_by and not call.keywords.get(lifted_by):
        way_out = "shift the map" if lifted_by == "always" else f"{call.name}({lifted_by}=true) stretches it to 0..1"
        msg = f"the {_SIDES[role]} has negative values (minimum {low:.6g}), which {call.name} cannot take; {way_out}"
        raise RefusedMap(msg, code="negative")
