"""From the numbers of single maps to one line per metric; nothing is dropped on the way."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.reports.moments import median, moments_of, weighted_mean
from kldeval.results.report import Summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kldeval.records import Score


def summarise_scores(keys: Iterable[str], scores: Sequence[Score]) -> dict[str, Summary]:
    """The summary of each metric of `keys`, in their order, over all `scores`.

    Where maps carry weights their mean is the weighted one: the mean over the pixels of all maps.

    >>> from kldeval.records import Score
    >>> summarise_scores(["kld"], [Score("a", {"kld": 0.5}), Score("b", {"kld": 1.5})])["kld"].mean
    1.0
    """
    return {key: _pooled(key, scores, summarise([score.values[key] for score in scores])) for key in keys}


def _pooled(key: str, scores: Sequence[Score], summary: Summary) -> Summary:
    """The summary with the mean over the pixels of all maps, where the maps say how many they count."""
    weighted = [(score.values[key], score.weights[key]) for score in scores if key in score.weights]
    if not weighted:
        return summary
    values, weights = zip(*weighted, strict=True)
    return replace(summary, mean=weighted_mean(values, weights))


def summarise_groups(keys: Sequence[str], scores: Sequence[Score]) -> dict[str, dict[str, Summary]]:
    """The summaries of each group's maps, groups in the order of their names; nothing where a map has no group.

    >>> from kldeval.records import Score
    >>> scores = [Score("v/1", {"kld": 0.5}, group="v"), Score("v/2", {"kld": 1.5}, group="v")]
    >>> summarise_groups(["kld"], scores)["v"]["kld"].mean
    1.0
    """
    if not all(score.group for score in scores):
        return {}
    members: dict[str, list[Score]] = {name: [] for name in sorted({score.group for score in scores})}
    for score in scores:
        members[score.group].append(score)
    return {name: summarise_scores(keys, of_group) for name, of_group in members.items()}


def summarise_means(keys: Iterable[str], groups: Mapping[str, Mapping[str, Summary]]) -> dict[str, Summary]:
    """The summary of each metric over the means of the groups: every group counts the same.

    >>> groups = {"u": {"kld": summarise([0.0])}, "v": {"kld": summarise([3.0, 5.0])}}
    >>> summarise_means(["kld"], groups)["kld"].mean
    2.0
    """
    means = {key: [summaries[key].mean for summaries in groups.values()] for key in keys}
    return {key: summarise([mean for mean in values if mean is not None]) for key, values in means.items()}


def summarise(values: Sequence[float]) -> Summary:
    """Count, mean, standard deviation (n - 1 in the denominator), median, minimum and maximum of one metric.

    Infinite and undefined values count like any other: the mean is inf where one value is, and nan where one is nan or
    where +inf meets -inf; the standard deviation of such values is nan; nan wins in median, minimum and maximum.
    The order of the values does not matter, to the last bit. Numbers that do not exist are None: the standard
    deviation of one value, everything of none.

    >>> summarise([1.0, 2.0, 6.0])
    Summary(n=3, n_nonfinite=0, mean=3.0, std=2.6457513110645907, median=2.0, min=1.0, max=6.0)
    >>> summarise([])
    Summary(n=0, n_nonfinite=0, mean=None, std=None, median=None, min=None, max=None)
    """
    moments = moments_of(values)
    undefined = math.nan if moments.n_nan else None
    return Summary(
        n=moments.n,
        n_nonfinite=moments.n_nonfinite,
        mean=moments.mean,
        std=moments.std,
        median=median(values) if moments.n else None,
        min=moments.min if undefined is None else undefined,
        max=moments.max if undefined is None else undefined,
    )
