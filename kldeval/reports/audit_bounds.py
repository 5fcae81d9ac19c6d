"""From what rounding leaves open of every map to what it leaves open of means, and of the order of models."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from kldeval.reports.audit_documents import RoundingBounds
from kldeval.reports.moments import exact_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kldeval.reports.audit_documents import AuditedMap

    ByConvention = Mapping[str, Mapping[str, RoundingBounds]]


def mean_bounds_of(maps: Mapping[str, Sequence[AuditedMap]], conventions: Iterable[str]) -> ByConvention:
    """By convention and model the bounds of the mean over the maps that the convention scores for every model."""
    found = {}
    for name in conventions:
        scored = [{row.name for row in rows if name in row.values} for rows in maps.values()]
        common = set.intersection(*scored) if scored else set()
        found[name] = {
            model: _mean([row.bounds[name] for row in rows if row.name in common]) for model, rows in maps.items()
        }
    return found


def _mean(each: Sequence[RoundingBounds]) -> RoundingBounds:
    """The bounds of a mean: maps are rounded independently of each other."""
    if not each:
        return RoundingBounds("none", reason="no map has a number")
    ranges = [one.dither for one in each if one.dither]
    dither = None
    if len(ranges) == len(each):
        dither = exact_mean(low for low, _ in ranges), exact_mean(high for _, high in ranges)
    without = [one for one in each if one.kind == "none"]
    if without:
        some = "" if len(without) == len(each) else f"{len(without)} of {len(each)} maps: "
        return RoundingBounds("none", dither=dither, reason=f"{some}{without[0].reason}")
    low, high, outer = (exact_mean(getattr(one, end) for one in each) for end in ("low", "high", "outer"))
    kind = "exact" if all(one.kind == "exact" for one in each) else "outer"
    return RoundingBounds(kind, low, high, outer, dither)


def order_notes(bounds: ByConvention) -> Iterator[str]:
    """Which models have no guaranteed order in the worst case of rounding, and under which conventions."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name, row in bounds.items():
        known = {model: one for model, one in row.items() if one.low is not None and one.outer is not None}
        for first, second in combinations(known, 2):
            if _overlap(known[first], known[second]):
                alike.setdefault((first, second), []).append(name)
    for (first, second), names in alike.items():
        yield (
            f"{first} and {second}: the order is not guaranteed in the worst case of rounding, where bounds overlap, "
            f"under {', '.join(names)}"
        )


def _overlap(one: RoundingBounds, other: RoundingBounds) -> bool:
    ends = [(bounds.low or 0.0, bounds.outer or 0.0) for bounds in (one, other)]
    return ends[0][0] <= ends[1][1] and ends[1][0] <= ends[0][1]
