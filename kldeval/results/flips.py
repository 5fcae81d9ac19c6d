"""Where the order of two models depends on the convention, and how far conventions agree on all models."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from kldeval.results.audit import Flip, Side
from kldeval.results.resampling import bca_intervals, max_statistic_p_values, smallest_p_value
from kldeval.results.standings import below, common_maps
from kldeval.results.statistics import LARGEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.results.audit import AuditedMap, Standing

    Maps = Mapping[str, Sequence[AuditedMap]]
    Standings = Mapping[str, Mapping[str, Standing]]
    Place = tuple[tuple[str, str], str]

FEWEST_MAPS = 2
"""An interval needs as many maps."""


def flips(maps: Maps, found: Standings, *, resamples: int, seed: int, confidence: float) -> tuple[Flip, ...]:
    """The pairs of models that some conventions order one way and some the other."""
    orders = {pair: _order(found, *pair) for pair in combinations(maps, 2)}
    flipped = {pair: order for pair, order in orders.items() if {-1, 1} <= set(order.values())}
    wanted = [(pair, name) for pair, order in flipped.items() for name, sign in order.items() if sign]
    intervals = _intervals(maps, wanted, resamples=resamples, seed=seed, confidence=confidence)
    drawn = resamples, seed
    p_values = {pair: _p_values(maps, found, pair, *drawn, pairs=len(orders)) for pair in flipped}

    def sides(pair: tuple[str, str], sign: int) -> Iterator[Side]:
        for name, found_sign in flipped[pair].items():
            if found_sign == sign:
                p = p_values[pair].get(name)
                significant = p is not None and p <= 1 - confidence
                yield Side(name, _difference(found[name], *pair), intervals.get((pair, name)), p, significant)

    return tuple(Flip(*pair, tuple(sides(pair, -1)), tuple(sides(pair, 1))) for pair in flipped)


def reach_note(maps: Maps, found: Sequence[Flip], *, resamples: int, confidence: float) -> tuple[str, ...]:
    """A note where there are flips, and so few maps that none of them could be significant."""
    n = len(set().union(*({row.name for row in rows} for rows in maps.values())))
    smallest = min(1.0, math.comb(len(maps), 2) * smallest_p_value(n, resamples)) if n else 1.0
    if not found or smallest <= 1 - confidence:
        return ()
    few = f"{n} maps" if n > 1 else "one map"
    return (f"{few} cannot show that an order is significant: the adjusted p is never below {smallest:.3g}",)


def _p_values(
    maps: Maps, found: Standings, pair: tuple[str, str], resamples: int, seed: int, *, pairs: int
) -> dict[str, float]:
    """By convention the p-value of two models' paired differences, where these are finite on every map.

    Signs are flipped map by map, the same under all conventions, of which the largest studentised mean adjusts for
    their number; Bonferroni's factor does for the number of pairs. A star in an audit is therefore one in `compare`.
    """
    values = {model: {one.name: one.values for one in maps[model]} for model in pair}
    columns: dict[str, dict[str, float]] = {}
    for name in found:
        rows = common_maps(maps, name)
        differences = {row: values[pair[0]][row][name] - values[pair[1]][row][name] for row in rows}
        if len(rows) >= FEWEST_MAPS and all(abs(value) <= LARGEST for value in differences.values()):
            columns[name] = differences
    if not columns:
        return {}
    rows = sorted(set().union(*columns.values()))
    units = np.array([[column.get(row, 0.0) for column in columns.values()] for row in rows])
    adjusted = max_statistic_p_values(units, resamples, seed)
    return {name: min(1.0, pairs * float(p)) for name, p in zip(columns, adjusted, strict=True)}


def kendall_tau(one: Sequence[float | None], other: Sequence[float | None]) -> float | None:
    """Kendall's tau-b of two lists of numbers of the same models; None where a list orders no pair of them.

    Source: M. G. Kendall (1945), https://doi.org/10.1093/biomet/33.3.239.

    >>> kendall_tau([1.0, 2.0, 3.0], [1.0, 3.0, 2.0])
    0.3333333333333333
    """
    pairs = [(_sign(one[i], one[j]), _sign(other[i], other[j])) for i, j in combinations(range(len(one)), 2)]
    defined = [(first, second) for first, second in pairs if first is not None and second is not None]
    untied = sum(first != 0 for first, _ in defined) * sum(second != 0 for _, second in defined)
    return sum(first * second for first, second in defined) / math.sqrt(untied) if untied else None


def agreement(found: Standings) -> dict[str, dict[str, float | None]]:
    """Kendall's tau of every two conventions over the models."""
    means = {name: [standing.mean for standing in row.values()] for name, row in found.items()}
    return {name: {other: kendall_tau(means[name], means[other]) for other in means} for name in means}


def _order(found: Standings, first: str, second: str) -> dict[str, int]:
    """By convention: -1 where the first model is better, 1 where the second is, 0 where neither."""
    return {name: _sign(row[first].mean, row[second].mean) or 0 for name, row in found.items()}


def _sign(one: float | None, other: float | None) -> int | None:
    if one is None or other is None or math.isnan(one) or math.isnan(other):
        return None
    return -1 if below(one, other) else 1 if below(other, one) else 0


def _difference(row: Mapping[str, Standing], first: str, second: str) -> float:
    one, other = row[first].mean, row[second].mean
    return math.nan if one is None or other is None else one - other


def _intervals(
    maps: Maps, wanted: Sequence[Place], *, resamples: int, seed: int, confidence: float
) -> dict[Place, tuple[float, float]]:
    """The interval of each mean paired difference that is finite on every map; equal sets of maps share their draws."""
    values = {model: {one.name: one.values for one in rows} for model, rows in maps.items()}
    columns: defaultdict[tuple[str, ...], dict[Place, list[float]]] = defaultdict(dict)
    for pair, name in wanted:
        names = tuple(common_maps(maps, name))
        differences = [values[pair[0]][row][name] - values[pair[1]][row][name] for row in names]
        if len(names) >= FEWEST_MAPS and all(map(math.isfinite, differences)):
            columns[names][pair, name] = differences
    found: dict[Place, tuple[float, float]] = {}
    for alike in columns.values():
        bounds = bca_intervals(np.array(list(alike.values())).T, resamples, seed, confidence)
        found |= {place: (float(low), float(high)) for place, (low, high) in zip(alike, bounds, strict=True)}
    return found
