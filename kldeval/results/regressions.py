"""The gate of a comparison: whether a new model is significantly worse than the others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kldeval.errors import UsageProblem
from kldeval.reports.moments import exact_mean
from kldeval.results.gates import GateOutcome
from kldeval.results.resampling import is_enumerated, max_statistic_p_values
from kldeval.results.statistics import group_means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.results.models import Resampling


class Rival(NamedTuple):
    """Another model and a metric: on each map the new model's value minus the other's; `best` is `low` or `high`."""

    key: str
    model: str
    best: str
    differences: Sequence[float]


def worse_than(
    new: str, rivals: Sequence[Rival], groups: Sequence[str] | None, resampling: Resampling
) -> tuple[GateOutcome, ...]:
    """The gate of each metric and rival, in their order; its value is the mean difference, new minus other.

    One that is not finite fires.

    Raises:
        UsageProblem: so few units, or resamples, cannot reach the level.
    """
    level = (1 - resampling.confidence) / 2
    columns = np.array([rival.differences for rival in rivals], dtype=np.float64).T
    finite = np.asarray(np.isfinite(columns).all(axis=0))
    units = columns if groups is None else group_means(columns, groups)
    check_reach(len(units), "maps" if groups is None else "groups", level, resampling.resamples)
    worsening = units * [1.0 if rival.best == "low" else -1.0 for rival in rivals]
    p_values = np.zeros(len(rivals))
    if finite.any():
        drawn = resampling.resamples, resampling.seed
        p_values[finite] = max_statistic_p_values(worsening[:, finite], *drawn, one_sided=True)
    outcomes = []
    for place, rival in enumerate(rivals):
        text = f"{rival.key}: {new} is worse than {rival.model}"
        p = float(p_values[place])
        if finite[place]:
            mean = exact_mean(units[:, place].tolist())
            outcomes.append(GateOutcome(text, mean, fired=p <= level, p_value=p))
        else:
            outcomes.append(GateOutcome(text, None, fired=True))
    return tuple(outcomes)


def check_reach(n: int, unit: str, level: float, resamples: int) -> None:
    """Refuse a gate that could not fire: the smallest one-sided p-value of n units is 2^-n.

    Raises:
        UsageProblem: saying how many units would do, or how many resamples.
    """
    if not is_enumerated(n, resamples) and 1 / (resamples + 1) > level:
        msg = f"--fail-if-worse at {100 * level:.3g} % (one-sided) needs --resamples {math.ceil(1 / level)} at least"
        raise UsageProblem(msg)
    if 2.0 ** -min(n, 1000) > level:
        here = f"{n} {unit if n > 1 else unit.removesuffix('s')}"
        msg = (
            f"--fail-if-worse cannot fire: {here} cannot show at {100 * level:.3g} % (one-sided) that one is worse; "
            f"{math.ceil(-math.log2(level))} do"
        )
        raise UsageProblem(msg)
