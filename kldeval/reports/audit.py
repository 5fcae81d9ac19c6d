"""From the maps of an audit to its outcome: who stands where, who agrees, why not, and which orders flip."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

from kldeval.reports.aggregate import summarise
from kldeval.reports.audit_bounds import mean_bounds_of, order_notes
from kldeval.reports.audit_causes import Evidence, causes
from kldeval.reports.audit_documents import Audit, Curve, Flip, FlipSide, Standing
from kldeval.reports.documents import Column
from kldeval.reports.moments import exact_mean
from kldeval.reports.significance import LARGEST, bca_intervals, max_statistic_p_values, smallest_p_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kldeval.records import Failure
    from kldeval.reports.audit_documents import AuditedMap, Cause, ConventionFacts

    Maps = Mapping[str, Sequence[AuditedMap]]
    Standings = Mapping[str, Mapping[str, Standing]]
    Place = tuple[tuple[str, str], str]
    MapScores = Mapping[str, Sequence[AuditedMap]]


CONFIDENCE, RESAMPLES, SEED = 0.95, 10_000, 0
"""Of the intervals of the flips."""


def summarise_audit(
    conventions: Mapping[str, ConventionFacts],
    maps: Mapping[str, tuple[AuditedMap, ...]],
    failures: Mapping[str, tuple[Failure, ...]],
    reference: str,
    provenance: Mapping[str, object],
    notes: tuple[str, ...],
    *,
    curve: bool = False,
    metric: str = "kld",
    column: Column | None = None,
    rounding: str = "",
) -> Audit:
    """The outcome; `curve` asks for that over epsilon.

    `metric` is what the conventions define differently, `column` its unit and direction; of KLD alone there are causes.
    """
    column = column or Column("nats", "low")
    found = standings(maps, conventions, reference, column.best)
    bounds = mean_bounds_of(maps, conventions) if rounding else {}
    changes = rank_reversals(maps, found, best=column.best, resamples=RESAMPLES, seed=SEED, confidence=CONFIDENCE)
    return Audit(
        models=tuple(maps),
        reference=reference,
        conventions=conventions,
        maps=maps,
        failures=failures,
        standings=found,
        groups=agreeing(found),
        causes=_causes(maps, conventions, found, reference) if metric == "kld" else dict.fromkeys(maps, ()),
        flips=changes,
        agreement=comparability(found),
        provenance=provenance,
        curve=eps_curve(maps) if curve else None,
        notes=(
            *notes,
            *(_negative_note(conventions, found) if metric == "kld" else ()),
            *reach_note(maps, changes, resamples=RESAMPLES, confidence=CONFIDENCE),
            *order_notes(bounds),
        ),
        confidence=CONFIDENCE,
        resamples=RESAMPLES,
        seed=SEED,
        metric=metric,
        column=column,
        rounding=rounding,
        bounds=bounds,
    )


def _causes(
    maps: Mapping[str, tuple[AuditedMap, ...]],
    conventions: Mapping[str, ConventionFacts],
    found: Mapping[str, Mapping[str, Standing]],
    reference: str,
) -> dict[str, tuple[Cause, ...]]:
    """What drives the spread of the conventions, for each model: of the maps and conventions whose means are shown."""
    counted = set(maps_with_values(maps, reference))
    alike = {name: conventions[name] for name in found if set(maps_with_values(maps, name)) == counted}
    return {
        model: causes(
            Evidence(
                [row for row in maps[model] if row.name in counted],
                alike,
                {name: row[model] for name, row in found.items()},
                reference,
            )
        )
        for model in maps
    }


def _negative_note(
    conventions: Mapping[str, ConventionFacts], found: Mapping[str, Mapping[str, Standing]]
) -> tuple[str, ...]:
    """What a number below 0 means under a convention that makes no distributions of the maps."""
    names = [
        name
        for name, row in found.items()
        if not conventions[name].normalised and any(one.mean is not None and one.mean < 0 for one in row.values())
    ]
    if not names:
        return ()
    said = "the values do not sum to 1, so the number may be negative and is no divergence of densities"
    return (f"{', '.join(names)}: {said}",)


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


FEWEST_MAPS = 2
"""An interval needs as many maps."""


def rank_reversals(
    maps: Maps, found: Standings, *, best: str = "low", resamples: int, seed: int, confidence: float
) -> tuple[Flip, ...]:
    """The pairs of models that some conventions order one way and some the other; `best` is `low` or `high`."""
    orders = {pair: _order(found, *pair) for pair in combinations(maps, 2)}
    flipped = {pair: order for pair, order in orders.items() if {-1, 1} <= set(order.values())}
    wanted = [(pair, name) for pair, order in flipped.items() for name, sign in order.items() if sign]
    intervals = _intervals(maps, wanted, resamples=resamples, seed=seed, confidence=confidence)
    drawn = resamples, seed
    p_values = {pair: _p_values(maps, found, pair, *drawn, pairs=len(orders)) for pair in flipped}

    def sides(pair: tuple[str, str], sign: int) -> Iterator[FlipSide]:
        for name, found_sign in flipped[pair].items():
            if found_sign == sign:
                p = p_values[pair].get(name)
                significant = p is not None and p <= 1 - confidence
                yield FlipSide(name, _difference(found[name], *pair), intervals.get((pair, name)), p, significant)

    better = 1 if best == "high" else -1
    return tuple(Flip(*pair, tuple(sides(pair, better)), tuple(sides(pair, -better))) for pair in flipped)


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
    import numpy as np

    values = {model: {one.name: one.values for one in maps[model]} for model in pair}
    columns: dict[str, dict[str, float]] = {}
    for name in found:
        rows = maps_with_values(maps, name)
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


def comparability(found: Standings) -> dict[str, dict[str, float | None]]:
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
    import numpy as np

    values = {model: {one.name: one.values for one in rows} for model, rows in maps.items()}
    columns: defaultdict[tuple[str, ...], dict[Place, list[float]]] = defaultdict(dict)
    for pair, name in wanted:
        names = tuple(maps_with_values(maps, name))
        differences = [values[pair[0]][row][name] - values[pair[1]][row][name] for row in names]
        if len(names) >= FEWEST_MAPS and all(map(math.isfinite, differences)):
            columns[names][pair, name] = differences
    found: dict[Place, tuple[float, float]] = {}
    for alike in columns.values():
        bounds = bca_intervals(np.array(list(alike.values())).T, resamples, seed, confidence)
        found |= {place: (float(low), float(high)) for place, (low, high) in zip(alike, bounds, strict=True)}
    return found


AGREE_RELATIVE, AGREE_ABSOLUTE = 1e-6, 1e-9
"""Two numbers agree when they differ by no more than this share of the larger, or by this (perfect maps score 0)."""


def standings(
    maps: MapScores, conventions: Iterable[str], reference: str, best: str = "low"
) -> dict[str, dict[str, Standing]]:
    """The standing of every model under every convention; `best` says which numbers are: `low` or `high`."""
    values = {model: {one.name: one.values for one in rows} for model, rows in maps.items()}
    found = {}
    for name in conventions:
        common = maps_with_values(maps, name)
        among = set(common)
        shared = [row for row in maps_with_values(maps, reference) if row in among]
        summaries = {model: summarise([values[model][row][name] for row in common]) for model in maps}
        ranks = _ranks({model: _badness(summary.mean, best) for model, summary in summaries.items()})
        found[name] = {
            model: Standing(
                n=summary.n,
                n_nonfinite=summary.n_nonfinite,
                n_refused=sum(name in one.refusals for one in maps[model]),
                mean=summary.mean,
                ratio=_ratio(
                    [values[model][row][name] for row in shared], [values[model][row][reference] for row in shared]
                ),
                rank=ranks[model],
            )
            for model, summary in summaries.items()
        }
    return found


def _badness(mean: float | None, best: str) -> float | None:
    """The mean, or its negative where higher is better: lower is better."""
    return mean if mean is None or best != "high" else -mean


def maps_with_values(maps: MapScores, convention: str) -> list[str]:
    """The maps that have a value under the convention for every model, by name."""
    scored = [{one.name for one in rows if convention in one.values} for rows in maps.values()]
    return sorted(set.intersection(*scored)) if scored else []


def agreeing(found: Mapping[str, Mapping[str, Standing]]) -> tuple[tuple[str, ...], ...]:
    """The conventions in groups that agree for every model on as many maps: lowest first, those without a number last.

    >>> row = lambda mean: {"m": Standing(1, 0, 0, mean, None, 1)}
    >>> agreeing({"a": row(2.0), "b": row(1.0), "c": row(2.0000001)})
    (('b',), ('a', 'c'))
    """
    groups: list[list[str]] = []
    for name in found:
        group = next((some for some in groups if _agree(found[some[0]], found[name])), None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return tuple(tuple(group) for group in sorted(groups, key=lambda group: _place(found[group[0]])))


def is_close(one: float, other: float) -> bool:
    """Whether two numbers agree; inf agrees with inf, and nan with nan.

    >>> is_close(0.9482529, 0.9482536), is_close(6e-7, 0.0), is_close(math.nan, math.nan)
    (True, False, True)
    """
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or math.isclose(one, other, rel_tol=AGREE_RELATIVE, abs_tol=AGREE_ABSOLUTE)


def _agree(one: Mapping[str, Standing], other: Mapping[str, Standing]) -> bool:
    return all(_same(one[model], other[model]) for model in one)


def _same(one: Standing, other: Standing) -> bool:
    if (one.n, one.n_nonfinite, one.n_refused) != (other.n, other.n_nonfinite, other.n_refused):
        return False
    return one.mean is None or (other.mean is not None and is_close(one.mean, other.mean))


def _place(row: Mapping[str, Standing]) -> list[tuple[bool, bool, float]]:
    """A key that sorts numbers first, then nan, then what has no number."""
    means = [standing.mean for standing in row.values()]
    return [
        (mean is None, mean is not None and math.isnan(mean), 0.0 if mean is None or math.isnan(mean) else mean)
        for mean in means
    ]


def _ratio(values: Sequence[float], reference: Sequence[float]) -> float | None:
    mean, base = summarise(values).mean, summarise(reference).mean
    if mean is None or base is None or base == 0 or math.isinf(base):
        return None
    return mean / base


def _ranks(means: Mapping[str, float | None]) -> dict[str, int | None]:
    """1 for the lowest; equals share a rank, and what has no number has none."""
    ordered = [mean for mean in means.values() if mean is not None and not math.isnan(mean)]
    return {
        model: None if mean is None or math.isnan(mean) else 1 + sum(below(other, mean) for other in ordered)
        for model, mean in means.items()
    }


def below(one: float, other: float) -> bool:
    """Whether a number is below another by more than rounding.

    >>> below(0.1, 0.2), below(0.3, 0.1 + 0.2), below(1.0, math.inf)
    (True, False, True)
    """
    return one < other and not math.isclose(one, other, rel_tol=1e-12)
