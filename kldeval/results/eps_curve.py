"""The KLD as a function of its epsilon: what of a number is the map, and what is the constant."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.reports.moments import exact_mean
from kldeval.results.audit import Curve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.results.audit import AuditedMap

EPSILONS = (*(float(f"{digits}e{decade}") for decade in range(-16, -4) for digits in (1, 3)), 1e-4)
"""1e-16 to 1e-4, two steps a decade."""


def eps_curve(maps: Mapping[str, Sequence[AuditedMap]]) -> Curve:
    """The mean of every epsilon's value over the maps that have one for every model.

    For small epsilon d KLD / d ln epsilon is minus the uncovered mass: a decade moves the number by 2.303 times it.
    """
    scored = [{row.name for row in rows if row.uncovered_mass is not None} for rows in maps.values()]
    common = set.intersection(*scored) if scored else set()
    kld = {model: _mean_curve([row.curve for row in rows if row.name in common]) for model, rows in maps.items()}
    masses = {model: [row.uncovered_mass or 0.0 for row in rows if row.name in common] for model, rows in maps.items()}
    return Curve(
        EPSILONS,
        kld,
        {model: slope(EPSILONS, values) for model, values in kld.items()},
        {model: exact_mean(mass) if mass else 0.0 for model, mass in masses.items()},
        len(common),
    )


def slope(epsilons: Sequence[float], values: Sequence[float]) -> tuple[float, ...]:
    """-d value / d ln epsilon at each epsilon, from its neighbours (at the ends from the only one).

    >>> [round(x, 9) for x in slope([1.0, math.e, math.e**2], [5.0, 3.0, 1.0])]
    [2.0, 2.0, 2.0]
    """
    last = len(values) - 1
    places = [(max(0, place - 1), min(last, place + 1)) for place in range(len(values))]
    logs = [math.log(epsilon) for epsilon in epsilons]
    return tuple(-(values[after] - values[before]) / (logs[after] - logs[before]) for before, after in places)


def _mean_curve(curves: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(exact_mean(column) for column in zip(*curves, strict=True))
