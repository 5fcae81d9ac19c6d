"""The metrics of single classes of labels, over all maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.reports.moments import exact_sum
from kldeval.results.report import ClassRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kldeval.records import ClassSum, Score


def summarise_classes(keys: Iterable[str], scores: Sequence[Score], *, sums: bool = False) -> tuple[ClassRow, ...]:
    """A row per class of label: its positions in all maps, and each metric's mean over them (or `sums`: its sum).

    The mean over the positions of a class that no map has is nan.

    >>> from kldeval.records import ClassSum, Score
    >>> maps = [Score(name, {}, classes={"ce": (ClassSum(1.0, 2.0, 2), ClassSum(0.0, 0.0, 0))}) for name in "ab"]
    >>> summarise_classes(["ce"], maps)
    (ClassRow(label=0, n=4, values={'ce': 0.5}), ClassRow(label=1, n=0, values={'ce': nan}))
    """
    keys = [key for key in keys if all(key in score.classes for score in scores)]
    n_classes = max((len(score.classes[key]) for score in scores for key in keys), default=0)
    return tuple(_row(label, keys, scores, sums=sums) for label in range(n_classes))


def _row(label: int, keys: Sequence[str], scores: Sequence[Score], *, sums: bool) -> ClassRow:
    of_class = {key: [score.classes[key][label] for score in scores if label < len(score.classes[key])] for key in keys}
    n = sum(item.n for item in of_class[keys[0]])
    return ClassRow(label, n, {key: _value(items, sums=sums) for key, items in of_class.items()})


def _value(items: Sequence[ClassSum], *, sums: bool) -> float:
    total, weight = exact_sum(item.total for item in items), exact_sum(item.weight for item in items)
    if sums:
        return total
    return total / weight if weight else math.nan
