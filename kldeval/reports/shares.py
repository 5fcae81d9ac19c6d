"""How far a model goes from chance (0) to the gold standard (1): a ratio of differences of means, with its interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kldeval.dataclass import dataclass
from kldeval.reports.significance import bootstrap_means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.reports.documents import Resampling

FEWEST = 3
"""Of fewer maps the bootstrap knows nothing of a ratio."""


@dataclass(frozen=True, slots=True)
class ShareOfWay:
    """The part of the way that a model goes, and its interval; both None where there is no way, which `reason` says."""

    value: float | None
    interval: tuple[float, float] | None = None
    reason: str = ""


def share_between(model: float, chance: float, gold: float, best: str) -> float | None:
    """(model - chance) / (gold - chance); None where a number is not finite, or gold is no better than chance.

    >>> share_between(1.5, 1.0, 2.0, "high"), share_between(0.2, 1.0, 0.0, "low"), share_between(1.0, 1.0, 1.0, "low")
    (0.5, 0.8, None)
    """
    if not all(map(math.isfinite, (model, chance, gold))) or best not in ("high", "low"):
        return None
    way = gold - chance if best == "high" else chance - gold
    gone = model - chance if best == "high" else chance - model
    return gone / way if way > 0 else None


def share_of(
    units: Sequence[tuple[float, float, float]], best: str, resampling: Resampling, weights: Sequence[float] = ()
) -> ShareOfWay:
    """The share of the means of the model, of chance and of the gold standard over maps, or groups.

    The interval holds the central part of the shares of maps drawn anew. There is none of fewer than three, nor where
    drawing maps anew can turn the gold standard and chance around: then the share can be anything.
    """
    rows = np.asarray(units, np.float64).reshape(-1, 3)
    heavy = np.asarray(weights if len(weights) else np.ones(len(rows)), np.float64)
    if not len(rows) or not np.isfinite(rows).all():
        return ShareOfWay(None, reason="a number is not finite")
    if not heavy.sum() > 0:
        return ShareOfWay(None, reason="there is no map")
    means = [math.fsum(column * heavy) / math.fsum(heavy) for column in rows.T]
    value = share_between(means[0], means[1], means[2], best)
    if value is None:
        return ShareOfWay(None, reason="the gold standard is not better than chance")
    if len(rows) < FEWEST:
        return ShareOfWay(value)
    drawn = bootstrap_means(rows * heavy[:, None], resampling.resamples, resampling.seed)
    way, gone = drawn[:, 2] - drawn[:, 1], drawn[:, 0] - drawn[:, 1]
    if best == "low":
        way, gone = -way, -gone
    if not (way > 0).all():
        return ShareOfWay(value, reason="the maps do not tell the gold standard from chance")
    tail = (1 - resampling.confidence) / 2
    low, high = np.quantile(gone / way, [tail, 1 - tail]).tolist()
    return ShareOfWay(value, (low, high))
