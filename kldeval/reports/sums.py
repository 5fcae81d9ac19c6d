"""What a report says of all outcomes together, without their rows: it adds up, however the outcomes are divided."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.records import Score
from kldeval.reports.aggregate import RunFacts, finalizer, reference_score, summary_of
from kldeval.reports.moments import Moments, exact_mean, moments_of, order_statistics
from kldeval.reports.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike

    from kldeval.records import Outcome
    from kldeval.reports.aggregate import Means
    from kldeval.reports.documents import Summary


class RunSums:
    """The sums over some outcomes: what is known of them together, and the numbers of the model and of references."""

    def __init__(self) -> None:
        self.facts = RunFacts()
        self.metrics = MetricSums()
        self._references: dict[str, MetricSums] = {}

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Take in some outcomes."""
        self.facts.add(outcomes)
        scores = [one for one in outcomes if isinstance(one, Score)]
        self.metrics.add(scores)
        for name in dict.fromkeys(name for score in scores for name in score.references):
            theirs = [reference_score(score, name) for score in scores if name in score.references]
            self._references.setdefault(name, MetricSums()).add(theirs)

    def join(self, other: RunSums) -> None:
        """Add the sums over other outcomes, which come after these."""
        self.facts.join(other.facts)
        self.metrics.join(other.metrics)
        for name, sums in other._references.items():
            self._references.setdefault(name, MetricSums()).join(sums)

    def references(self) -> Means:
        """The headlines of the reference rows over maps, as `reports.aggregate.summarise_references` makes them."""
        held = self.facts.held
        return {name: self._references[name].means(held.n) for name in held.everywhere}


class MetricSums:
    """The sums that the summaries of metrics are made of."""

    def __init__(self) -> None:
        self._values: dict[str, Moments] = {}
        self._weights: dict[str, Moments] = {}
        self._products: dict[str, Moments] = {}
        self._totals: dict[str, Totals] = {}

    def add(self, scores: Sequence[Score]) -> None:
        """Take in the numbers of some maps."""
        for key in dict.fromkeys(key for score in scores for key in score.values):
            having = [score for score in scores if key in score.values]
            _join(self._values, key, moments_of([score.values[key] for score in having]))
            pooled = [(score.values[key], score.weights[key]) for score in having if key in score.weights]
            if pooled:
                _join(self._weights, key, moments_of([weight for _, weight in pooled]))
                products = [value * weight if weight else 0.0 for value, weight in pooled]
                _join(self._products, key, moments_of(products))
        for score in scores:
            for key, sums in score.statistics.items():
                self._totals.setdefault(key, Totals()).append(key, sums)

    def join(self, other: MetricSums) -> None:
        """Add the sums over other maps."""
        for name in ("_values", "_weights", "_products"):
            for key, moments in getattr(other, name).items():
                _join(getattr(self, name), key, moments)
        for key, totals in other._totals.items():
            self._totals[key] = self._totals.get(key, Totals()).joined(key, totals)

    def summary(self, key: str, parts: Callable[[], Iterable[ArrayLike]]) -> Summary:
        """The summary of a metric, as `reports.aggregate.summarise_scores` makes it.

        `parts` gives all values of it, part by part, whenever it is called: the median needs them.
        """
        moments = self._values.get(key, Moments())
        middle = None
        if moments.n:
            middle = float("nan") if moments.n_nan else _median(moments.n, parts)
        return replace(summary_of(moments, middle), mean=self._mean(key))

    def means(self, n: int) -> dict[str, float]:
        """The mean of each metric that all of `n` maps have."""
        found = {key: self._mean(key) for key, moments in self._values.items() if moments.n == n}
        return {key: mean for key, mean in found.items() if mean is not None}

    def _mean(self, key: str) -> float | None:
        if key in self._totals:
            return finalizer(key)(self._totals[key].sums)
        if key in self._weights:
            total, weight = self._products[key].sum, self._weights[key].sum
            return total / weight if weight else float("nan")
        return self._values.get(key, Moments()).mean


def _join(held: dict[str, Moments], key: str, moments: Moments) -> None:
    held[key] = held[key] + moments if key in held else moments


def _median(n: int, parts: Callable[[], Iterable[ArrayLike]]) -> float:
    """The middle value, or the mean of the two in the middle."""
    places: Sequence[int] = [(n - 1) // 2, n // 2]
    return exact_mean(order_statistics(parts, places))
