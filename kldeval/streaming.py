"""Metrics inside a validation loop: batches go in, and the number that `evaluate` gives of the same maps comes out.

    metric = kldeval.Metric("kld", norm="flatten-softmax")
    for batch in loader:
        metric.update(model(batch.image), batch.saliency)
    metric.compute()

Every map is scored by itself, in float64, as a file of its type would be, and the sums over maps are exact. So neither
the order of the maps, nor the size of the batches, nor over how many processes they were spread changes a digit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.arrays import as_numpy
from kldeval.errors import RefusedMap, UsageProblem
from kldeval.functional import option_settings
from kldeval.metrics.registry import METRICS
from kldeval.preprocessing.grey import full_scale
from kldeval.records import AuxiliaryInputs, Failure, Fixations, MapPair, Score, fixations_at
from kldeval.reports.moments import Moments, moments_of
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.plan import Plan
from kldeval.settings.signature import signatures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.arrays import Array
    from kldeval.settings.settings import Settings

_MAP, _BATCH = 2, 3
"""The dimensions of a map and of a batch of maps."""


class MetricCollection:
    """The means over maps of several metrics, which batches update.

    Args:
        metrics: metrics as on the command line, `kld,nss(ddof=1)` or a list of such.
        rows: whether the numbers of every map are kept, in the order of the updates.
        options: what moves a number, as for `kldeval.evaluate`: norm, eps, convention, base, reduction, scale,
            empty_gt, empty_pred, baseline="uniform" ... .

    Raises:
        UnknownName, UsageProblem: a metric or an option is unknown or means nothing here.

    >>> metrics = MetricCollection(["sim", "cc"])
    >>> metrics.update(np.asarray([[1.0, 2.0]]), np.asarray([[1.0, 2.0]]))
    >>> metrics.compute()
    {'sim': 1.0, 'cc': 1.0}
    """

    def __init__(self, metrics: str | Sequence[str], *, rows: bool = False, **options: Any) -> None:
        texts = metrics if isinstance(metrics, str) else ",".join(metrics)
        self._settings = _checked(option_settings({**options, "metric": texts}))
        self._evaluator = Evaluator(Plan.of(self._settings))
        self.signatures: Mapping[str, str] = signatures(self._settings)
        self._keeps_rows = rows
        self.reset()

    def reset(self) -> None:
        """Forget every map."""
        self._moments = dict.fromkeys(self._settings.keys, Moments())
        self._rows: list[Mapping[str, float]] = []

    @property
    def n(self) -> int:
        """How many maps were taken in."""
        return next(iter(self._moments.values())).n

    @property
    def rows(self) -> tuple[Mapping[str, float], ...]:
        """The numbers of every map, where they are kept.

        Raises:
            UsageProblem: they are not.
        """
        if not self._keeps_rows:
            msg = "the numbers of single maps were not kept; say rows=True where the metric is made"
            raise UsageProblem(msg)
        return tuple(self._rows)

    def update(
        self,
        pred: Array,
        gt: Array | None = None,
        fixations: Array | None = None,
        *,
        weights: Array | None = None,
        other: Array | None = None,
    ) -> None:
        """Take in maps (H, W) or batches (N, H, W), of numpy or torch, on any device and of any precision.

        Args:
            pred: predicted maps.
            gt: ground-truth maps; metrics of fixations do without.
            fixations: how often each pixel was fixated.
            weights: the weight of each pixel; 0 leaves a pixel out.
            other: the fixations on another image, for `auc-shuffled`.

        Raises:
            RefusedMap: a map cannot be scored, named by its place in the batch; nothing was taken in.
            UsageProblem: a metric lacks what it needs.
        """
        of_maps = self._settings.on("density", "maps", "pixels")
        if gt is None and of_maps:
            msg = f"{', '.join(of_maps)}: there is no ground truth; update(pred, gt)"
            raise UsageProblem(msg)
        if fixations is None and self._settings.on("fixations"):
            msg = f"{', '.join(self._settings.on('fixations'))}: no fixations; update(pred, gt, fixations)"
            raise UsageProblem(msg)
        batch = _batch(pred, pred if gt is None else gt, fixations, weights, other)
        found = [self._score(place if len(batch) > 1 else None, *maps) for place, maps in enumerate(batch)]
        for key in self._moments:
            self._moments[key] += moments_of([row[key] for row in found])
        if self._keeps_rows:
            self._rows += found

    def compute(self) -> dict[str, float]:
        """The mean of each metric over all maps; nan before the first."""
        return {
            key: math.nan if moments.mean is None else float(moments.mean) for key, moments in self._moments.items()
        }

    def merge(self, other: MetricCollection) -> None:
        """Take in what another, of the same signatures, has taken in: that of another process, say.

        Raises:
            UsageProblem: its signatures are others.
        """
        self.load_state_dict(_joined(self.state_dict(), other.state_dict()))

    def state_dict(self) -> dict[str, Any]:
        """What was taken in, as plain values that can be saved."""
        return {"signatures": dict(self.signatures), "moments": dict(self._moments), "rows": list(self._rows)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take a saved state in place of one's own.

        Raises:
            UsageProblem: it is that of other signatures.
        """
        _check_same(self.signatures, state["signatures"])
        self._moments, self._rows = dict(state["moments"]), list(state["rows"])

    def _score(
        self,
        place: int | None,
        pred: Any,
        gt: Any,
        fixations: Any | None,
        weights: Any | None,
        other: Any | None,
    ) -> Mapping[str, float]:
        company = AuxiliaryInputs(fixations=_fixations(fixations), other=_fixations(other))
        pair = MapPair(
            "",
            pred,
            gt,
            weights,
            shape=pred.shape,
            pred_scale=full_scale(pred),
            gt_scale=full_scale(gt),
            company=company,
        )
        outcome = self._evaluator.score(pair)
        where = "" if place is None else f"map {place} of the batch: "
        if isinstance(outcome, Failure):
            raise RefusedMap(f"{where}{outcome.message}")
        if not isinstance(outcome, Score):
            raise RefusedMap(f"{where}{outcome.reason}")
        if outcome.failures:
            raise RefusedMap(f"{where}{outcome.failures[0].message}")
        return outcome.values

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.signatures)}; n={self.n})"


class Metric:
    """The mean over maps of one metric, which batches update; see `MetricCollection` for the arguments.

    >>> metric, other = Metric("kld", norm="flatten-softmax"), Metric("kld", norm="flatten-softmax")
    >>> maps = np.random.default_rng(0).random((4, 8, 8))
    >>> metric.update(maps, maps[::-1])
    >>> for pred, gt in zip(maps[::-1], maps): other.update(pred, gt)
    >>> metric.compute() == other.compute(), metric.n
    (True, 4)
    """

    def __init__(self, metric: str = "kld", *, rows: bool = False, **options: Any) -> None:
        self._all = MetricCollection(metric, rows=rows, **options)
        if len(self._all.signatures) != 1:
            msg = f"a Metric is one metric, and {metric} are {len(self._all.signatures)}; use MetricCollection"
            raise UsageProblem(msg)
        ((self._key, self.signature),) = self._all.signatures.items()

    @property
    def n(self) -> int:
        """How many maps were taken in."""
        return self._all.n

    @property
    def rows(self) -> tuple[float, ...]:
        """The number of every map, where they are kept."""
        return tuple(row[self._key] for row in self._all.rows)

    def update(self, pred: Array, gt: Array | None = None, fixations: Array | None = None, **beside: Array) -> None:
        """Take in maps (H, W) or batches (N, H, W) of them; see `MetricCollection.update`."""
        self._all.update(pred, gt, fixations, **beside)

    def compute(self) -> float:
        """The mean over all maps; nan before the first."""
        return self._all.compute()[self._key]

    def reset(self) -> None:
        """Forget every map."""
        self._all.reset()

    def merge(self, other: Metric) -> None:
        """Take in what another of the same signature has taken in."""
        self._all.merge(other._all)

    def state_dict(self) -> dict[str, Any]:
        """What was taken in, as plain values that can be saved."""
        return self._all.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take a saved state of the same signature in place of one's own."""
        self._all.load_state_dict(state)

    def __repr__(self) -> str:
        return f"Metric({self.signature!r}, n={self.n})"


def _checked(settings: Settings) -> Settings:
    """Settings of which a stream of maps can give the number.

    Raises:
        UsageProblem: it lacks other images, or a mean that is not one over maps.
    """
    if settings.is_labels or settings.maps != "mean" or settings.reduction == "none":
        msg = "a stream gives means over maps of densities; use evaluate, or kldeval.cross_entropy for labels"
        raise UsageProblem(msg)
    for call in settings.metrics:
        of_others = {"others"} & set(METRICS[call.name].info.requires)
        if of_others or "others" in (settings.baseline.name, settings.other.name):
            msg = f"{call.name} asks for the fixations on all other images, which a stream does not hold; use evaluate"
            raise UsageProblem(msg)
    return settings


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    _check_same(one["signatures"], other["signatures"])
    moments = {key: found + other["moments"][key] for key, found in one["moments"].items()}
    return {"signatures": one["signatures"], "moments": moments, "rows": one["rows"] + other["rows"]}


def _check_same(one: Mapping[str, str], other: Mapping[str, str]) -> None:
    if one != other:
        msg = f"only numbers of one signature add up: {'; '.join(one.values())} and {'; '.join(other.values())}"
        raise UsageProblem(msg)


def _batch(pred: Array, *beside: Array | None) -> list[tuple[Any, ...]]:
    """The maps one by one, each with what belongs to it.

    Raises:
        RefusedMap: the arrays do not hold maps, or not as many of one size.
    """
    arrays = [None if array is None else as_numpy(array) for array in (pred, *beside)]
    first = arrays[0]
    if first is None or first.ndim not in (_MAP, _BATCH):
        msg = f"pred has the shape {tuple(pred.shape)}; maps are (H, W) and batches of them (N, H, W)"
        raise RefusedMap(msg)
    wrong = [array.shape for array in arrays if array is not None and array.shape != first.shape]
    if wrong:
        msg = f"pred has the shape {first.shape} and what belongs to it {wrong[0]}; they must be equal"
        raise RefusedMap(msg)
    if first.ndim == _MAP:
        return [tuple(arrays)]
    return [tuple(None if array is None else array[place] for array in arrays) for place in range(len(first))]


def _fixations(counts: Any | None) -> Fixations | None:
    """The fixations that a map of counts stands for."""
    if counts is None:
        return None
    rows, cols = np.nonzero(counts)
    return fixations_at(rows + 0.5, cols + 0.5, counts[rows, cols].astype(np.int64), shape=counts.shape)
