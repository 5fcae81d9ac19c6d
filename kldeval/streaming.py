"""Metrics inside a validation loop: batches go in, and the number that `evaluate` gives of the same maps comes out.

    metric = kldeval.Metric("kld", norm="flatten-softmax")
    for batch in loader:
        metric.update(model(batch.image), batch.saliency)
    metric.compute()

Every map is scored by itself, in float64, as a file of its type would be, and the sums over maps are exact. So neither
the order of the maps, nor the size of the batches, nor over how many processes they were spread changes a digit.
Calibration errors are no means over maps: of them the sums within bins are added up.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.arrays import as_numpy
from kldeval.data.fixations.maps import MARKS
from kldeval.data.load import on_asked_scales
from kldeval.errors import FAILURE_CODES, RefusedMap, UsageProblem
from kldeval.functional import option_settings, warn_of_one_cell
from kldeval.metrics.registry import METRICS, OF_OTHER_IMAGES
from kldeval.parameters import explicit, stream_parameters
from kldeval.preprocessing.grey import full_scale
from kldeval.records import AuxiliaryInputs, Failure, Fixations, MapPair, Score, Skipped, fixations_at
from kldeval.reports.sums import MetricSums
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.plan import Plan
from kldeval.settings.metric_options import adaptive_calls
from kldeval.settings.settings import MAPS
from kldeval.settings.signature import signatures
from kldeval.wording import in_python, python_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.arrays import Array
    from kldeval.settings.settings import Settings

_MAP, _BATCH = 2, 3
"""The dimensions of a map and of a batch of maps."""


@explicit(partial(stream_parameters, "metrics", "str | Sequence[str]"))
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
        with python_words():
            self._settings = _checked(option_settings({**options, "metric": texts}))
        self._evaluator = Evaluator(Plan.of(self._settings))
        self._keeps_rows = rows
        self.reset()

    def reset(self) -> None:
        """Forget every map."""
        self._sums = MetricSums()
        self._rows: list[Mapping[str, float]] = []
        self._is_weighted: bool | None = None

    @property
    def signatures(self) -> Mapping[str, str]:
        """What made each number; that pixels were weighted, once an update has brought weights."""
        return self.signatures_of(is_weighted=bool(self._is_weighted))

    def signatures_of(self, *, is_weighted: bool) -> Mapping[str, str]:
        """What makes each number of updates with weights, or without."""
        return signatures(replace(self._settings, weights=MAPS) if is_weighted else self._settings)

    @property
    def n(self) -> int:
        """How many maps were taken in."""
        return self._sums.n(self._settings.keys[0])

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
        """Take in maps (H, W) or batches (N, H, W) or (N, 1, H, W), of any library, on any device and of any precision.

        Args:
            pred: predicted maps; for metrics of labels class maps (C, H, W) or batches (N, C, H, W).
            gt: ground-truth maps, or labels (H, W) or (N, H, W); metrics of fixations do without.
            fixations: how often each pixel was fixated.
            weights: the weight of each pixel, in all updates or in none; 0 leaves a pixel out.
            other: the fixations on another image, for `auc-shuffled`.

        Raises:
            RefusedMap: a map cannot be scored, named by its place in the batch; nothing was taken in.
            UsageProblem: a metric lacks what it needs.
        """
        if self._is_weighted not in (None, weights is not None):
            msg = "weights in some updates and none in others are two numbers; give them in every update, or in none"
            raise UsageProblem(msg)
        scores, new = self._scores(pred, gt, fixations, weights, other), MetricSums()
        new.add(scores)
        self._sums.join(new)
        self._is_weighted = weights is not None
        if self._keeps_rows:
            self._rows += [score.values for score in scores]

    def score(
        self,
        pred: Array,
        gt: Array | None = None,
        fixations: Array | None = None,
        *,
        weights: Array | None = None,
        other: Array | None = None,
    ) -> list[Mapping[str, float]]:
        """The numbers of each map of a batch, which are not taken in; the arguments are those of `update`.

        Maps that are left out, as `empty_gt="skip"` asks, have none.

        Raises:
            RefusedMap: a map cannot be scored, named by its place in the batch.
            UsageProblem: a metric lacks what it needs.
        """
        return [score.values for score in self._scores(pred, gt, fixations, weights, other)]

    def _scores(
        self, pred: Array, gt: Array | None, fixations: Array | None, weights: Array | None, other: Array | None
    ) -> list[Score]:
        is_labels = self._settings.is_labels
        of_maps = self._settings.keys if is_labels else self._settings.on("density", "maps", "pixels", "forecasts")
        if gt is None and of_maps:
            msg = f"{', '.join(of_maps)}: there is no ground truth; update(pred, gt)"
            raise UsageProblem(msg)
        if fixations is None and self._settings.on("fixations"):
            msg = f"{', '.join(self._settings.on('fixations'))}: no fixations; update(pred, gt, fixations)"
            raise UsageProblem(msg)
        if is_labels:
            batch = _class_batch(pred, gt, weights)
        else:
            batch = _batch(pred, pred if gt is None else gt, fixations, weights, other)
        scored = [self._score(place if len(batch) > 1 else None, *maps) for place, maps in enumerate(batch)]
        return [row for row in scored if row is not None]

    def compute(self) -> dict[str, float]:
        """The mean of each metric over all maps, or the number of all their pixels together; nan before the first."""
        means = {key: self._sums.mean(key) for key in self._settings.keys}
        return {key: math.nan if mean is None else float(mean) for key, mean in means.items()}

    def merge(self, other: MetricCollection) -> None:
        """Take in what another, of the same signatures, has taken in: that of another process, say.

        Raises:
            UsageProblem: its signatures are others, or it is no such collection.
        """
        if not isinstance(other, MetricCollection):
            msg = f"merge takes another {type(self).__name__}, not a {type(other).__name__}"
            raise UsageProblem(msg)
        if not other.n:
            _check_same(signatures(self._settings), signatures(other._settings))
            return
        if not self.n:
            self.load_state_dict(other.state_dict())
            return
        _check_same(self.signatures, other.signatures)
        self._sums.join(other._sums)
        self._rows = [*self._rows, *other._rows]

    def state_dict(self) -> dict[str, Any]:
        """What was taken in, as plain values that can be saved."""
        rows = [dict(row) for row in self._rows]
        return {"signatures": dict(self.signatures), "weighted": self._is_weighted, "rows": rows, **self._sums.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take a saved state in place of one's own.

        Raises:
            UsageProblem: it is that of other signatures.
        """
        lacking = sorted({"signatures", "weighted", "moments", "rows"} - set(state))
        if lacking:
            msg = f"this is no saved state of metrics: it lacks {', '.join(lacking)}"
            raise UsageProblem(msg)
        before, self._is_weighted = self._is_weighted, state["weighted"]
        if self.signatures != state["signatures"]:
            self._is_weighted = before
            _check_same(self.signatures, state["signatures"])
        self._sums = MetricSums.of_state(state)
        self._rows = [dict(row) for row in state["rows"]]

    @property
    def is_mean(self) -> bool:
        """Whether every number is a mean over maps of densities or pixels."""
        return not (self._settings.is_labels or self._settings.maps != "mean" or self._settings.on("forecasts"))

    def _score(
        self,
        place: int | None,
        pred: Any,
        gt: Any,
        fixations: Any | None,
        weights: Any | None,
        other: Any | None,
    ) -> Score | None:
        """The score of one map; None where it is left out, as `empty_gt="skip"` asks."""
        where = "" if place is None else f"map {place} of the batch: "
        _check_weights(weights, where)
        company = AuxiliaryInputs(fixations=_fixations(fixations, where), other=_fixations(other, where))
        pair = MapPair(
            "",
            pred,
            gt,
            weights,
            shape=(pred.shape[0], math.prod(pred.shape[1:])) if self._settings.is_labels else pred.shape,
            pred_scale=full_scale(pred),
            gt_scale=full_scale(gt),
            company=company,
        )
        pair = on_asked_scales(pair, self._settings.raw, self._settings.masks, {"pred": pred, "gt": gt})
        outcome = self._evaluator.score(pair)
        if isinstance(outcome, Failure):
            raise RefusedMap(where + _refusal_words(outcome.message), code=_failure_code(outcome.code))
        if isinstance(outcome, Skipped):
            return None
        if outcome.failures:
            raise RefusedMap(
                where + _refusal_words(outcome.failures[0].message), code=_failure_code(outcome.failures[0].code)
            )
        for call in self._settings.on("maps").values():
            warn_of_one_cell(call.name, call.keywords, pair.shape, stacklevel=6)
        return outcome

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.signatures)}; n={self.n})"


@explicit(partial(stream_parameters, "metric", "str", "kld"))
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
        (self._key,) = self._all.signatures

    @property
    def signature(self) -> str:
        """What made the number."""
        return self._all.signatures[self._key]

    @property
    def n(self) -> int:
        """How many maps were taken in."""
        return self._all.n

    @property
    def rows(self) -> tuple[float, ...]:
        """The number of every map, where they are kept."""
        return tuple(row[self._key] for row in self._all.rows)

    def update(
        self,
        pred: Array,
        gt: Array | None = None,
        fixations: Array | None = None,
        *,
        weights: Array | None = None,
        other: Array | None = None,
    ) -> None:
        """Take in maps (H, W) or batches (N, H, W) of them; see `MetricCollection.update`."""
        self._all.update(pred, gt, fixations, weights=weights, other=other)

    def compute(self) -> float:
        """The mean over all maps; nan before the first."""
        return self._all.compute()[self._key]

    def reset(self) -> None:
        """Forget every map."""
        self._all.reset()

    def merge(self, other: Metric) -> None:
        """Take in what another of the same signature has taken in."""
        if not isinstance(other, Metric):
            msg = f"merge takes another Metric, not a {type(other).__name__}"
            raise UsageProblem(msg)
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
    if settings.maps == "groups" or settings.reduction == "none":
        msg = "a stream has no groups and no terms of pixels, but numbers of all maps together; use evaluate for others"
        raise UsageProblem(msg)
    adaptive = next(iter(adaptive_calls(settings)), "")
    if adaptive:
        msg = f"{adaptive} has bins of equal numbers of all maps, which a stream does not hold; use evaluate"
        raise UsageProblem(msg)
    for call in () if settings.is_labels else settings.metrics:
        of_others = OF_OTHER_IMAGES & set(METRICS[call.name].info.requires)
        if of_others or "others" in (settings.baseline.name, settings.other.name):
            msg = f"{call.name} asks for the fixations on all other images, which a stream does not hold; use evaluate"
            raise UsageProblem(msg)
    return settings


def _refusal_words(message: str) -> str:
    """Why a map was refused, with the way out that a stream has in place of that of files."""
    return in_python(
        message.replace("leave out pixels that have no data: --nodata nan", "give such pixels the weight 0")
    )


def _failure_code(code: str) -> str | None:
    return code if code in FAILURE_CODES else None


def _check_same(one: Mapping[str, str], other: Mapping[str, str]) -> None:
    if one != other:
        msg = f"only numbers of one signature add up: {'; '.join(one.values())} and {'; '.join(other.values())}"
        raise UsageProblem(msg)


def _batch(pred: Array, *beside: Array | None) -> list[tuple[Any, ...]]:
    """The maps one by one, each with what belongs to it.

    Raises:
        RefusedMap: the arrays do not hold maps, or not as many of one size.
    """
    arrays = [None if array is None else _of_one_channel(as_numpy(array)) for array in (pred, *beside)]
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


def _class_batch(pred: Array, gt: Array | None, weights: Array | None) -> list[tuple[Any, ...]]:
    """Class maps (C, H, W), their labels (H, W) and the weights of these one by one; or batches (N, C, H, W).

    Raises:
        RefusedMap: the arrays have other axes, or are not as many.
    """
    maps = as_numpy(pred)
    beside = [None if array is None else as_numpy(array) for array in (gt, weights)]
    if maps.ndim not in (_MAP + 1, _BATCH + 1):
        msg = f"pred has the shape {tuple(maps.shape)}; class maps are (C, H, W) or (H, W, C), and batches (N, C, H, W)"
        raise RefusedMap(msg)
    if maps.ndim == _MAP + 1:
        return [(maps, beside[0], None, beside[1], None)]
    wrong = next((array.shape for array in beside if array is not None and len(array) != len(maps)), None)
    if wrong is not None:
        msg = f"pred holds {len(maps)} class maps and what belongs to them has the shape {tuple(wrong)}"
        raise RefusedMap(msg)
    places = range(len(maps))
    labels, own = ([None] * len(maps) if array is None else [array[place] for place in places] for array in beside)
    return [(maps[place], labels[place], None, own[place], None) for place in places]


def _of_one_channel(array: Any) -> Any:
    """The array of (N, 1, H, W), as networks give it, without its channel."""
    return array[:, 0] if array.ndim == _BATCH + 1 and array.shape[1] == 1 else array


def _check_weights(weights: Any | None, where: str) -> None:
    """Refuse weights that a report refuses.

    Raises:
        RefusedMap: a weight is negative or not finite, or all are 0.
    """
    if weights is not None and not ((weights >= 0) & (weights < np.inf)).all():
        msg = f"{where}weights must be finite numbers of 0 or more"
        raise RefusedMap(msg)
    if weights is not None and not (weights > 0).any():
        msg = f"{where}the weights of a map are all 0: it has no pixels"
        raise RefusedMap(msg)


def _fixations(counts: Any | None, where: str) -> Fixations | None:
    """The fixations that a map of counts stands for, as a file of them is read: a single mark tells of no repeats.

    Raises:
        RefusedMap: a value is negative, or no whole number.
    """
    if counts is None:
        return None
    rows, cols = np.nonzero(counts)
    found = np.asarray(counts[rows, cols], np.float64)
    wrong = found[~((found >= 0) & (found == np.floor(found)) & (found < np.inf))]
    if wrong.size:
        msg = f"{where}fixations hold {wrong[0]:g}: they are how often each pixel was fixated, 0, 1, 2, ..."
        raise RefusedMap(msg)
    marks = np.unique(found)
    if len(marks) == 1 and marks[0] in MARKS:
        found = np.ones_like(found)
    return fixations_at(rows + 0.5, cols + 0.5, found.astype(np.int64), shape=counts.shape)
