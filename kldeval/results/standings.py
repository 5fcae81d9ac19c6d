"""From the values of single maps to one line per convention and model: means, ratios, ranks, and who agrees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.results.audit import Standing
from kldeval.results.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kldeval.results.audit import AuditedMap

    Maps = Mapping[str, Sequence[AuditedMap]]

AGREE_RELATIVE, AGREE_ABSOLUTE = 1e-6, 1e-9
"""Two numbers agree when they differ by no more than this share of the larger, or by this (perfect maps score 0)."""


def standings(maps: Maps, conventions: Iterable[str], reference: str) -> dict[str, dict[str, Standing]]:
    """The standing of every model under every convention."""
    values = {model: {one.name: one.values for one in rows} for model, rows in maps.items()}
    found = {}
    for name in conventions:
        common = common_maps(maps, name)
        among = set(common)
        shared = [row for row in common_maps(maps, reference) if row in among]
        summaries = {model: summarise([values[model][row][name] for row in common]) for model in maps}
        ranks = _ranks({model: summary.mean for model, summary in summaries.items()})
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


def common_maps(maps: Maps, convention: str) -> list[str]:
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
