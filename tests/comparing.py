"""Models compared by their values on maps, for tests of the statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.reports.comparison import ModelTable, compare_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def compared(
    values: Mapping[str, Mapping[str, float]],
    best: Any = "low",
    groups: Mapping[str, str] | None = None,
    **options: Any,
) -> Any:
    """Every pair of models on one metric, from the value of each map, and its group, for each model."""
    maps = sorted(next(iter(values.values())))
    table = np.array([[scored[name] for scored in values.values()] for name in maps], np.float64)
    labels = None if groups is None else [groups[name] for name in maps]
    return compare_all(ModelTable(tuple(values), maps, table, labels), best, **options)


def paired(differences: Any, groups: Sequence[str] | None = None, **options: Any) -> Any:
    """What is said of two models of these differences, first minus second, one for each map in the order of names."""
    column = np.asarray(differences, np.float64)
    names = [f"{place:06}x" for place in range(len(column))]
    values = {
        "first": dict(zip(names, column.tolist(), strict=True)),
        "second": dict.fromkeys(names, 0.0),
    }
    grouped = None if groups is None else dict(zip(names, groups, strict=True))
    return compared(values, groups=grouped, **options).pairs[0].result
