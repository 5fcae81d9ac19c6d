"""What a report says of all outcomes together, without their rows: it adds up, however the outcomes are divided."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.records import DensityProvenance, Failure, Score, Skipped
from kldeval.reports.aggregate import finalizer, summary_of
from kldeval.reports.moments import Moments, exact_mean, moments_of, order_statistics
from kldeval.reports.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike

    from kldeval.records import Outcome
    from kldeval.reports.documents import Summary


class RunSums:
    """The sums over some outcomes; `join` adds those of others. Failures are few, and kept."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.skipped: Counter[str] = Counter()
        self.remarks: Counter[str] = Counter()
        self.n_made = 0
        self._made: Counter[str] = Counter()
        self._values: dict[str, Moments] = {}
        self._weights: dict[str, Moments] = {}
        self._products: dict[str, Moments] = {}
        self._totals: dict[str, Totals] = {}

    @property
    def made(self) -> list[DensityProvenance]:
        """How ground truths were made, each way with the number of all its fixations."""
        return [DensityProvenance(text, count) for text, count in self._made.items()]

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Take in some outcomes."""
        scores = []
        for outcome in outcomes:
            if isinstance(outcome, Skipped):
                self.skipped[outcome.reason] += 1
            elif isinstance(outcome, Failure):
                self.failures.append(outcome)
            else:
                scores.append(outcome)
                self._add(outcome)
        for key in dict.fromkeys(key for score in scores for key in score.values):
            having = [score for score in scores if key in score.values]
            _join(self._values, key, moments_of([score.values[key] for score in having]))
            pooled = [(score.values[key], score.weights[key]) for score in having if key in score.weights]
            if pooled:
                _join(self._weights, key, moments_of([weight for _, weight in pooled]))
                products = [value * weight if weight else 0.0 for value, weight in pooled]
                _join(self._products, key, moments_of(products))

    def join(self, other: RunSums) -> None:
        """Add the sums over other outcomes, which come after these."""
        self.failures += other.failures
        self.n_made += other.n_made
        for name in ("skipped", "remarks", "_made"):
            getattr(self, name).update(getattr(other, name))
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
        summary = summary_of(moments, middle)
        if key in self._totals:
            return replace(summary, mean=finalizer(key)(self._totals[key].sums))
        if key in self._weights:
            total, weight = self._products[key].sum, self._weights[key].sum
            return replace(summary, mean=total / weight if weight else float("nan"))
        return summary

    def _add(self, score: Score) -> None:
        self.remarks.update(score.remarks)
        self.failures += score.failures
        if score.made:
            self.n_made += 1
            self._made[score.made.text] += score.made.n_fixations
        for key, sums in score.statistics.items():
            self._totals.setdefault(key, Totals()).append(key, sums)


def _join(held: dict[str, Moments], key: str, moments: Moments) -> None:
    held[key] = held[key] + moments if key in held else moments


def _median(n: int, parts: Callable[[], Iterable[ArrayLike]]) -> float:
    """The middle value, or the mean of the two in the middle."""
    places: Sequence[int] = [(n - 1) // 2, n // 2]
    return exact_mean(order_statistics(parts, places)) + 0.0
