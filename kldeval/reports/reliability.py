"""Reliability diagrams: the share that occurred in each bin of predicted probabilities, over all maps of a report.

They are made of the sums that calibration metrics keep of each map (`Score.statistics`), so a saved or merged report
has them as a run does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass
from kldeval.grammar import split_call
from kldeval.metrics.calibration import forecasts_of
from kldeval.metrics.registry import LABEL_METRICS, METRICS
from kldeval.reports.moments import exact_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from kldeval.metrics.calibration import Forecasts
    from kldeval.metrics.registry import MetricInfo
    from kldeval.reports.documents import Report

NORMAL = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""

FEWEST = 2
"""Spread between maps takes as many."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """A bin (low, high] that is not empty: its weight, the mean probability, and the share that occurred.

    `band` is where the share would be in 95 % of cases if the probabilities were calibrated. `low` and `high` are None
    where bins hold equal numbers of forecasts.
    """

    n: float
    probability: float
    share: float
    band: tuple[float, float]
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class ReliabilityDiagram:
    """The bins of one event (`top label`, `class 3`, `pixel`), and their expected calibration error."""

    event: str
    error: float
    bins: tuple[ReliabilityBin, ...]


def reliability_of(report: Report) -> dict[str, tuple[ReliabilityDiagram, ...]]:
    """The diagrams of a report by the key of the first metric that each is of; empty without calibration metrics."""
    found: dict[str, tuple[ReliabilityDiagram, ...]] = {}
    known = set()
    for key in report.summaries:
        rows = [score.statistics[key] for score in report.scores if key in score.statistics]
        info = _info(key)
        # metrics that are made of the same sums have the same diagram
        kind = (info and info.statistics, len(rows[0]) if rows else 0)
        if rows and info and kind not in known:
            known.add(kind)
            found[key] = _diagrams(rows, info)
    return found


def _info(key: str) -> MetricInfo | None:
    name = split_call(key)[0]
    for registry in (METRICS, LABEL_METRICS):
        if name in registry and registry[name].info.statistics is not None:
            return registry[name].info
    return None


def _diagrams(rows: Sequence[Sequence[float]], info: MetricInfo) -> tuple[ReliabilityDiagram, ...]:
    import numpy as np

    total = forecasts_of([exact_sum(column) for column in zip(*rows, strict=True)])
    squares = np.zeros(total.n.shape)
    for row in rows:
        one = forecasts_of(row)
        squares += (one.o - one.p) ** 2
    n_events, n_bins = total.n.shape
    of_pixels, is_adaptive = info.on == "pixels", info.forecasts is not None
    of_classes = not of_pixels and "class" in getattr(info.statistics, "__name__", "")
    names = [f"class {event}" if of_classes else "pixel" if of_pixels else "top label" for event in range(n_events)]
    spread = squares if len(rows) >= FEWEST else np.zeros_like(squares)
    return tuple(
        ReliabilityDiagram(
            names[event],
            float(total.gaps[event].sum() / total.total) if total.total else math.nan,
            tuple(
                _bin(total, spread, (event, place), None if is_adaptive else n_bins)
                for place in range(n_bins)
                if total.n[event, place] > 0
            ),
        )
        for event in range(n_events)
    )


def _bin(total: Forecasts, squares: NDArray[np.float64], at: tuple[int, int], n_bins: int | None) -> ReliabilityBin:
    """A bin with its band: the mean probability and two standard deviations of the share around it.

    Pixels of a map are alike, so that deviations vary more between maps than between as many independent pixels: the
    variance is the larger one of the sum of the maps' squared deviations, and that of independent pixels.
    """
    n, p = float(total.n[at]), float(total.p[at])
    independent = max(0.0, p - float(total.pp[at])) * float(total.ww[at]) / n
    deviation = NORMAL * math.sqrt(max(float(squares[at]), independent)) / n
    mean = p / n
    band = max(0.0, mean - deviation), min(1.0, mean + deviation)
    edges = (None, None) if n_bins is None else (at[1] / n_bins, (at[1] + 1) / n_bins)
    return ReliabilityBin(n, mean, float(total.o[at]) / n, band, *edges)
