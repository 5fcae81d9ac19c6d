"""How well n observers predict others, for growing n, where models stand between chance and that, and where it ends."""

from __future__ import annotations

import math
from dataclasses import field
from typing import TYPE_CHECKING

import numpy as np

from kldeval.dataclass import dataclass
from kldeval.reports.moments import exact_mean
from kldeval.reports.shares import FEWEST, share_between, share_of
from kldeval.reports.significance import bca_intervals, bootstrap_means

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.arrays import NumpyArray as Array
    from kldeval.records import Failure
    from kldeval.reports.documents import Column, Resampling, ShareOfWay

OBSERVERS_SCHEMA = "kldeval.observers/1"

LEFT_OUT, HALVES = "leave-one-out", "split-half"
"""How a metric is measured: n observers predict one other, or n predict n others."""

GOLD, CHANCE = "gold standard", "chance"

LAW = "power law: g(n) = g - a n^-b"
"""What an extrapolation assumes of a mean over n observers."""

EXPONENTS = np.geomspace(0.1, 3.0, 69)
"""The b that are tried; at the least the curve has no end that could be seen."""

FEWEST_COUNTS = 4
"""A law of three parameters is fitted to so many numbers of observers, or more."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ImageCurve:
    """One image: by the key of the metric and the number of observers the gold standard, chance and each model."""

    name: str
    n_observers: int
    n_fixations: int
    values: Mapping[str, Mapping[int, Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class ModelPoint:
    """A model's mean against the same fixations or halves, and its share of the way from chance to n observers."""

    mean: float
    interval: Interval | None
    share: ShareOfWay


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What n observers reach: the mean over images, its interval, chance, and the kernel that was fitted for n."""

    n: int
    gold: float
    interval: Interval | None
    chance: float
    bandwidth: float
    uniform: float
    models: Mapping[str, ModelPoint]


@dataclass(frozen=True, slots=True)
class Limit:
    """Where a curve ends under the law: an extrapolation, no measurement.

    `value` is None where the curve shows no end, and `interval` where it is not known; `reason` says why. `shares` are
    those of the way to it, of models whose mean does not depend on the number of observers.
    """

    law: str
    value: float | None
    interval: Interval | None
    exponent: float | None
    shares: Mapping[str, float | None]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """One metric over the number of observers; `limit` where an extrapolation was asked for."""

    metric: str
    method: str
    column: Column
    signature: str
    points: tuple[CurvePoint, ...]
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class LearningCurves:
    """Curves of metrics over the numbers of observers, all of the same images.

    `statistics` says how splits and intervals were drawn, `chance` what chance is, `sigma` the Gaussian of the ground
    truths of halves in pixels.
    """

    curves: tuple[LearningCurve, ...]
    models: tuple[str, ...]
    chance: str
    sigma: float | None
    statistics: str
    images: tuple[ImageCurve, ...]
    failures: tuple[Failure, ...]
    provenance: Mapping[str, object]
    notes: tuple[str, ...] = field(default=())


def curve_of(
    about: LearningCurve,
    images: Sequence[ImageCurve],
    kernels: Mapping[int, tuple[float, float]],
    resampling: Resampling,
    *,
    extrapolates: bool = False,
) -> LearningCurve:
    """The curve of one metric: the means over images; `about` has no points yet.

    `kernels` are the bandwidth and the uniform part by the number of observers.
    """
    counts = sorted(images[0].values[about.metric]) if images else []
    points = tuple(_point(about, images, n, kernels[n], resampling) for n in counts)
    if not extrapolates:
        return LearningCurve(about.metric, about.method, about.column, about.signature, points)
    limit = limit_of(about, images, points, resampling)
    return LearningCurve(about.metric, about.method, about.column, about.signature, points, limit)


def _point(
    about: LearningCurve, images: Sequence[ImageCurve], n: int, kernel: tuple[float, float], resampling: Resampling
) -> CurvePoint:
    rows = [one.values[about.metric][n] for one in images]
    models = [name for name in rows[0] if name not in (GOLD, CHANCE)]
    columns = {name: [row[name] for row in rows] for name in (GOLD, CHANCE, *models)}
    best = about.column.best
    return CurvePoint(
        n,
        exact_mean(columns[GOLD]),
        _interval(columns[GOLD], resampling),
        exact_mean(columns[CHANCE]),
        *kernel,
        {
            name: ModelPoint(
                exact_mean(columns[name]),
                _interval(columns[name], resampling),
                share_of(list(zip(columns[name], columns[CHANCE], columns[GOLD], strict=True)), best, resampling),
            )
            for name in models
        },
    )


def _interval(values: Sequence[float], resampling: Resampling) -> Interval | None:
    """The BCa interval of a mean; None of fewer than three values, or where one is not finite."""
    if len(values) < FEWEST or not all(map(math.isfinite, values)):
        return None
    column = np.asarray(values, np.float64)[:, None]
    ((low, high),) = bca_intervals(column, resampling.resamples, resampling.seed, resampling.confidence).tolist()
    return low, high


def limit_of(
    about: LearningCurve, images: Sequence[ImageCurve], points: Sequence[CurvePoint], resampling: Resampling
) -> Limit:
    """The end of a curve under the power law, with the central part of those of images drawn anew."""
    counts = [point.n for point in points]
    if len(counts) < FEWEST_COUNTS:
        return Limit(
            LAW, None, None, None, {}, f"{len(counts)} numbers of observers do not fix a law of three parameters"
        )
    table = np.asarray([[one.values[about.metric][n][GOLD] for n in counts] for one in images])
    if not np.isfinite(table).all():
        return Limit(LAW, None, None, None, {}, "a number is not finite")
    (end,), (exponent,), (seen,) = power_law(counts, table.mean(axis=0)[None], about.column.best)
    if not seen:
        return Limit(LAW, None, None, None, {}, "the curve shows no end that could be extrapolated")
    interval, reason = None, "an interval takes three images"
    if len(images) >= FEWEST:
        ends, _, seen_ends = power_law(
            counts, bootstrap_means(table, resampling.resamples, resampling.seed), about.column.best
        )
        tail = (1 - resampling.confidence) / 2
        reason = "images drawn anew do not all show an end"
        if seen_ends.all():  # else the end may lie anywhere
            low, high = np.quantile(ends, [tail, 1 - tail]).tolist()
            interval, reason = (low, high), ""
    last = points[-1]
    shares = {
        name: share_between(model.mean, last.chance, float(end), about.column.best)
        for name, model in last.models.items()
        if about.method == LEFT_OUT
    }
    return Limit(LAW, float(end), interval, float(exponent), shares, reason)


def power_law(counts: Sequence[int], curves: Array, best: str) -> tuple[Array, Array, Array]:
    """The end g of g - a n^-b of curves (N, counts), b, and whether one is seen: the curve improves, b is not least.

    For each b the rest is a straight line in n^-b; the b with the least squares is taken.

    >>> counts = [1, 2, 4, 8]
    >>> ends, exponents, seen = power_law(counts, 2 - 0.5 * np.asarray([counts], float) ** -1.0, "high")
    >>> round(float(ends[0]), 3), bool(seen[0])
    (2.0, True)
    """
    n = np.asarray(counts, np.float64)
    falls = n[None, :] ** -EXPONENTS[:, None]
    centred = falls - falls.mean(axis=1, keepdims=True)
    middle = curves - curves.mean(axis=1, keepdims=True)
    slopes = (middle @ centred.T) / (centred**2).sum(axis=1)
    errors = (middle**2).sum(axis=1)[:, None] - slopes**2 * (centred**2).sum(axis=1)
    place = errors.argmin(axis=1)
    rows = np.arange(len(curves))
    ends = curves.mean(axis=1) - slopes[rows, place] * falls.mean(axis=1)[place]
    improves = slopes[rows, place] < 0 if best == "high" else slopes[rows, place] > 0
    return ends, EXPONENTS[place], improves & (place > 0)
