"""What a report says of all outcomes together, without their rows: it adds up, however the outcomes are divided."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from kldeval.records import Score
from kldeval.reports.aggregate import RunFacts, headline, reference_score, summary_of
from kldeval.reports.moments import Moments, exact_mean, moments_of, order_statistics
from kldeval.reports.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

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
        """Add the sums over other maps.

        Raises:
            UsageProblem: these have other classes; nothing was added.
        """
        totals = {key: self._totals.get(key, Totals()).joined(key, theirs) for key, theirs in other._totals.items()}
        self._totals |= totals
        for name in _MOMENTS.values():
            for key, moments in getattr(other, name).items():
                _join(getattr(self, name), key, moments)

    @property
    def state(self) -> dict[str, Any]:
        """What was added up, as plain values, from which `of_state` goes on; the moments, and what else there is."""
        held: dict[str, dict[str, Any]] = {
            what: {key: asdict(one) for key, one in getattr(self, name).items()} for what, name in _MOMENTS.items()
        }
        held["totals"] = {key: one.state for key, one in self._totals.items()}
        return {what: rows for what, rows in held.items() if rows or what == "moments"}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> MetricSums:
        """The sums that a state holds."""
        made = cls()
        for what, name in _MOMENTS.items():
            setattr(made, name, {key: Moments(**one) for key, one in state.get(what, {}).items()})
        totals = state.get("totals", {})
        made._totals = {key: Totals([Moments(**one) for one in rows]) for key, rows in totals.items()}
        return made

    def n(self, key: str) -> int:
        """How many maps have a metric."""
        return self._values.get(key, Moments()).n

    def summary(self, key: str, parts: Callable[[], Iterable[ArrayLike]]) -> Summary:
        """The summary of a metric, as `reports.aggregate.summarise_scores` makes it.

        `parts` gives all values of it, part by part, whenever it is called: the median needs them.
        """
        moments = self._values.get(key, Moments())
        middle = None
        if moments.n:
            middle = math.nan if moments.n_nan else _median(moments.n, parts)
        return replace(summary_of(moments, middle), mean=self.mean(key))

    def means(self, n: int) -> dict[str, float]:
        """The mean of each metric that all of `n` maps have."""
        found = {key: self.mean(key) for key, moments in self._values.items() if moments.n == n}
        return {key: mean for key, mean in found.items() if mean is not None}

    def mean(self, key: str) -> float | None:
        """The number of all maps together; None before the first."""
        weighted = None
        if key in self._weights:
            total, weight = self._products[key].sum, self._weights[key].sum
            weighted = total / weight if weight else math.nan
        sums = self._totals[key].sums if key in self._totals else ()
        return headline(key, sums, weighted, self._values.get(key, Moments()).mean)


_MOMENTS = {"moments": "_values", "weights": "_weights", "products": "_products"}
"""The sums by what a state calls them: of values, of what these count, and of both multiplied."""


def _join(held: dict[str, Moments], key: str, moments: Moments) -> None:
    held[key] = held[key] + moments if key in held else moments


def _median(n: int, parts: Callable[[], Iterable[ArrayLike]]) -> float:
    """The middle value, or the mean of the two in the middle."""
    places: Sequence[int] = [(n - 1) // 2, n // 2]
    return exact_mean(order_statistics(parts, places))
