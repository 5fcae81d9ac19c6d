"""How far a model goes from chance (0) to the gold standard (1): a ratio of differences of means, with its interval."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from kldeval.reports.documents import ShareOfWay
from kldeval.reports.significance import bootstrap_means

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.arrays import NumpyArray as Floats
    from kldeval.reports.documents import Resampling

Key = TypeVar("Key")

Triple = tuple[float, float, float]
"""What the model, chance and the gold standard have on a map."""

Table = tuple["Sequence[Triple] | Floats", "Sequence[float] | Floats", str]
"""The numbers of every map, what each counts, and which direction is better."""

FEWEST = 3
"""Of fewer maps the bootstrap knows nothing of a ratio."""


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


def share_of(units: Sequence[Triple], best: str, resampling: Resampling) -> ShareOfWay:
    """The share of the means of the model, of chance and of the gold standard over maps; see `shares_of`."""
    return shares_of({"": (units, (1.0,) * len(units), best)}, resampling)[""]


def shares_of(tables: Mapping[Key, Table], resampling: Resampling) -> dict[Key, ShareOfWay]:
    """The shares of several metrics: of the weighted means of the model, of chance and of the gold standard.

    The interval holds the central part of the shares of maps, or groups, drawn anew, the same for all metrics that have
    as many. There is none of fewer than three, nor where drawing anew can turn the gold standard and chance around:
    then the share can be anything.
    """
    import numpy as np

    found: dict[Key, ShareOfWay] = {}
    drawn: defaultdict[int, dict[Key, Floats]] = defaultdict(dict)
    for key, (units, weights, best) in tables.items():
        rows, heavy = np.asarray(units, np.float64).reshape(-1, 3), np.asarray(weights, np.float64)
        found[key] = _share(rows, heavy, best)
        if found[key].value is not None and len(rows) >= FEWEST:
            drawn[len(rows)][key] = rows * heavy[:, None]
    for alike in drawn.values():
        means = bootstrap_means(np.hstack(list(alike.values())), resampling.resamples, resampling.seed)
        for place, key in enumerate(alike):
            columns = means[:, 3 * place : 3 * place + 3]
            found[key] = _with_interval(found[key], columns, tables[key][2], resampling.confidence)
    return found


def _share(rows: Floats, heavy: Floats, best: str) -> ShareOfWay:
    import numpy as np

    if not len(rows) or not heavy.sum() > 0:
        return ShareOfWay(None, reason="there is no map")
    if not np.isfinite(rows).all():
        return ShareOfWay(None, reason="a number is not finite")
    means = [math.fsum(column * heavy) / math.fsum(heavy) for column in rows.T]
    value = share_between(means[0], means[1], means[2], best)
    if value is None:
        return ShareOfWay(None, reason="the gold standard is not better than chance")
    return ShareOfWay(value)


def _with_interval(share: ShareOfWay, drawn: Floats, best: str, confidence: float) -> ShareOfWay:
    import numpy as np

    sign = 1 if best == "high" else -1
    way, gone = sign * (drawn[:, 2] - drawn[:, 1]), sign * (drawn[:, 0] - drawn[:, 1])
    if not (way > 0).all():
        return ShareOfWay(share.value, reason="the maps do not tell the gold standard from chance")
    tail = (1 - confidence) / 2
    low, high = np.quantile(gone / way, [tail, 1 - tail]).tolist()
    return ShareOfWay(share.value, (low, high))
