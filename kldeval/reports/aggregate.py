"""From the numbers of single maps to one line per metric; nothing is dropped on the way."""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.grammar import split_call
from kldeval.metrics.registry import LABEL_METRICS, METRICS
from kldeval.records import DensityProvenance, Score, Skipped
from kldeval.reports.documents import ClassRow, Summary
from kldeval.reports.moments import Moments, exact_parts, exact_sum, median, moments_of, weighted_mean
from kldeval.reports.ways import CEILING, PRIOR, REFERENCES, UNIFORM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kldeval.records import ClassSum, Outcome


def summarise_scores(keys: Iterable[str], scores: Sequence[Score]) -> dict[str, Summary]:
    """The summary of each metric of `keys`, in their order, over all `scores`.

    Where maps carry weights their mean is the weighted one: the mean over the pixels of all maps.

    >>> from kldeval.records import Score
    >>> summarise_scores(["kld"], [Score("a", {"kld": 0.5}), Score("b", {"kld": 1.5})])["kld"].mean
    1.0
    """
    found = {key: [score for score in scores if key in score.values] for key in keys}
    return {key: _pooled(key, having, summarise([one.values[key] for one in having])) for key, having in found.items()}


def _pooled(key: str, scores: Sequence[Score], summary: Summary) -> Summary:
    """The summary with the mean over all maps together, where the maps say what they add to it.

    A metric that is made of sums (`Score.statistics`) has the number that the sums over all maps give. One whose maps
    say how many pixels or fixations they count has the mean over all of these: its sums are weight times value, and
    weight.
    """
    sums = [score.statistics[key] for score in scores if key in score.statistics]
    if len({len(one) for one in sums}) > 1:
        raise other_classes(key)
    totals = [exact_sum(column) for column in zip(*sums, strict=True)]
    pairs = [(score.values[key], score.weights[key]) for score in scores if key in score.weights]
    weighted = weighted_mean(*zip(*pairs, strict=True)) if pairs else None
    return replace(summary, mean=headline(key, totals, weighted, summary.mean))


def headline(key: str, sums: Sequence[float], weighted: float | None, mean: float | None) -> float | None:
    """The number of all maps together, whoever added up what it is made of.

    What a metric that is made of sums makes of theirs; or else the mean over all pixels or fixations, where maps say
    how many they count; or else the mean over maps.
    """
    if sums:
        return finalizer(key)(sums)
    return mean if weighted is None else weighted


def other_classes(key: str) -> UsageProblem:
    """What is wrong where maps that are pooled have different numbers of classes."""
    return UsageProblem(
        f"{key}: the maps have different numbers of classes, so there is no number of all pixels together"
    )


def finalizer(key: str) -> Callable[[Sequence[float]], float]:
    """What makes a metric's number of the sums that it is made of; `key` is its name, with parameters where it has any.

    >>> finalizer("bce")([6.0, 4.0])
    1.5

    Raises:
        UsageProblem: no metric has this name.
    """
    name = split_call(key)[0]
    for registry in (METRICS, LABEL_METRICS):
        finalize = registry[name].info.finalize if name in registry else None
        if finalize:
            return finalize
    return _quotient


def _quotient(sums: Sequence[float]) -> float:
    """The first of two sums divided by the second: a weighted mean."""
    total, weight = sums
    return total / weight if weight else math.nan


def summarise_groups(keys: Sequence[str], scores: Iterable[Score]) -> dict[str, dict[str, Summary]]:
    """The summaries of each group's maps, groups in the order of their names; nothing where a map has no group.

    >>> from kldeval.records import Score
    >>> scores = [Score("v/1", {"kld": 0.5}, group="v"), Score("v/2", {"kld": 1.5}, group="v")]
    >>> summarise_groups(["kld"], scores)["v"]["kld"].mean
    1.0
    """
    members: dict[str, dict[str, _Numbers]] = {}
    for score in scores:
        if not score.group:
            return {}
        for key, numbers in members.setdefault(score.group, {key: _Numbers() for key in keys}).items():
            numbers.add(key, score)
    return {name: {key: one.summary(key) for key, one in members[name].items()} for name in sorted(members)}


class _Numbers:
    """The numbers of one metric in a group, 8 bytes each: of millions of maps the rows are not held."""

    __slots__ = ("sums", "values", "weighted", "weights")

    def __init__(self) -> None:
        self.values, self.weighted, self.weights = array("d"), array("d"), array("d")
        self.sums: list[array[float]] = []

    def add(self, key: str, score: Score) -> None:
        """Take in the numbers of a map that has the metric."""
        if key not in score.values:
            return
        self.values.append(score.values[key])
        if key in score.weights:
            self.weighted.append(score.values[key])
            self.weights.append(score.weights[key])
        if key in score.statistics:
            sums = score.statistics[key]
            self.sums = self.sums or [array("d") for _ in sums]
            if len(sums) != len(self.sums):
                raise other_classes(key)
            for column, number in zip(self.sums, sums, strict=True):
                column.append(number)

    def summary(self, key: str) -> Summary:
        """The summary, as `summarise_scores` makes it."""
        found = summarise(self.values)
        weighted = weighted_mean(self.weighted, self.weights) if self.weights else None
        return replace(found, mean=headline(key, [*map(exact_sum, self.sums)], weighted, found.mean))


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

    >>> summary = summarise([1.0, 2.0, 6.0])
    >>> summary.n, summary.mean, summary.std, summary.median
    (3, 3.0, 2.6457513110645907, 2.0)
    >>> summarise([]).mean is None
    True
    """
    moments = moments_of(values)
    return summary_of(moments, median(values) if moments.n else None)


def summary_of(moments: Moments, middle: float | None) -> Summary:
    """The summary of values with these moments and this median."""
    undefined = math.nan if moments.n_nan else None
    return Summary(
        n=moments.n,
        n_nonfinite=moments.n_nonfinite,
        mean=moments.mean,
        std=moments.std,
        median=middle,
        min=moments.min if undefined is None else undefined,
        max=moments.max if undefined is None else undefined,
    )


class ClassSums:
    """The sums of single classes of labels over some maps, and how many maps have them for each metric.

    >>> from kldeval.records import ClassSum, Score
    >>> maps = [Score(name, {}, classes={"ce": (ClassSum(1.0, 2.0, 2), ClassSum(0.0, 0.0, 0))}) for name in "ab"]
    >>> found = ClassSums()
    >>> found.add(maps)
    >>> found.rows(["ce"], sums=False)
    (ClassRow(label=0, n=4, values={'ce': 0.5}), ClassRow(label=1, n=0, values={'ce': nan}))
    """

    def __init__(self) -> None:
        self.n = 0
        self._n_having: Counter[str] = Counter()
        self._sums: dict[str, list[tuple[Moments, Moments, int]]] = {}

    def add(self, scores: Sequence[Score]) -> None:
        """Take in the classes of some maps."""
        self.n += len(scores)
        for key in dict.fromkeys(key for score in scores for key in score.classes):
            rows = [score.classes[key] for score in scores if key in score.classes]
            columns = (
                [row[label] for row in rows if label < len(row)] for label in range(max(map(len, rows), default=0))
            )
            found = [
                (moments_of([one.total for one in column]), moments_of([one.weight for one in column]), _n_of(column))
                for column in columns
            ]
            self._join(key, len(rows), found)

    def join(self, other: ClassSums) -> None:
        """Add the sums over other maps."""
        self.n += other.n
        for key, found in other._sums.items():
            self._join(key, other._n_having[key], found)

    def _join(self, key: str, n: int, found: Sequence[tuple[Moments, Moments, int]]) -> None:
        self._n_having[key] += n
        none = Moments(), Moments(), 0
        both = zip_longest(self._sums.get(key, ()), found, fillvalue=none)
        self._sums[key] = [(one[0] + two[0], one[1] + two[1], one[2] + two[2]) for one, two in both]

    def rows(self, keys: Iterable[str], *, sums: bool) -> tuple[ClassRow, ...]:
        """A row per class: its positions in all maps, and the mean over them (or `sums`) of what all maps have.

        The mean over the positions of a class that no map has is nan.
        """
        found = {key: self._sums[key] for key in keys if self.n and self._n_having[key] == self.n}
        none = Moments(), Moments(), 0
        return tuple(
            _row_of(
                label,
                next(iter(columns))[2],
                {key: (one[0].parts, one[1].parts) for key, one in zip(found, columns, strict=True)},
                sums=sums,
            )
            for label, columns in enumerate(zip_longest(*found.values(), fillvalue=none))
        )


def _n_of(column: Sequence[ClassSum]) -> int:
    return sum(one.n for one in column)


def _row_of(
    label: int, n: int, made: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]], *, sums: bool
) -> ClassRow:
    """The row of exact sums of values and of what they count."""
    found = {key: (exact_sum(totals), exact_sum(weights)) for key, (totals, weights) in made.items()}
    values = {key: total if sums else total / weight if weight else math.nan for key, (total, weight) in found.items()}
    return ClassRow(label, n, values, made)


def merge_classes(tables: Sequence[Sequence[ClassRow]], *, sums: bool) -> tuple[ClassRow, ...]:
    """The rows of all maps, of those of parts of them; see `ClassSums`."""
    of_label: defaultdict[int, list[ClassRow]] = defaultdict(list)
    for row in chain.from_iterable(tables):
        of_label[row.label].append(row)
    merged = []
    for label, rows in sorted(of_label.items()):
        held = {key: [row.sums[key] for row in rows] for key in rows[0].values}
        made = {
            key: (exact_parts(chain(*(one[0] for one in pairs))), exact_parts(chain(*(one[1] for one in pairs))))
            for key, pairs in held.items()
        }
        merged.append(_row_of(label, sum(row.n for row in rows), made, sums=sums))
    return tuple(merged)


Means = dict[str, dict[str, float]]
"""The headline of each metric by its key, for each reference by its name."""


LACKING_REFERENCE = re.compile(r"there is no [\w ]+ row: only \d+ of \d+ maps are those ")
"""How a note begins that says why a reference is missing."""


class ReferencesHeld:
    """How many of some maps have the numbers of each reference row, and which is the first that lacks them."""

    def __init__(self) -> None:
        self.n = self.n_having_fixations = 0
        self.n_having: Counter[str] = Counter()
        self._first_lacking: dict[str, str] = {}

    def add(self, scores: Sequence[Score]) -> None:
        """Take in some maps."""
        self.n += len(scores)
        self.n_having_fixations += sum([score.n_fixations is not None for score in scores])
        for name in REFERENCES if scores else ():
            lacking = [score.name for score in scores if name not in score.references]
            self.n_having[name] += len(scores) - len(lacking)
            if lacking:
                self._lacks(name, min(lacking))

    def join(self, other: ReferencesHeld) -> None:
        """Add what is known of other maps."""
        self.n += other.n
        self.n_having_fixations += other.n_having_fixations
        self.n_having.update(other.n_having)
        for name, first in other._first_lacking.items():
            self._lacks(name, first)

    def _lacks(self, name: str, of_map: str) -> None:
        self._first_lacking[name] = min(of_map, self._first_lacking.get(name, of_map))

    @property
    def everywhere(self) -> list[str]:
        """The references that all maps have."""
        return [name for name in REFERENCES if self.n and self.n_having[name] == self.n]

    def notes(self) -> Iterator[str]:
        """Why a reference is missing that some map has, or could have."""
        wanted = [UNIFORM, PRIOR]
        wanted += [CEILING] if self.n_having_fixations else []
        for name in wanted if self.n_having.total() else ():
            if name in self._first_lacking:
                some = f"{self.n_having[name]} of {self.n} maps are those {_REASONS[name]}"
                yield f"there is no {name} row: only {some} (not {self._first_lacking[name]!r})"


def summarise_references(scores: Sequence[Score], *, over_groups: bool) -> Means:
    """The headlines of the references, averaged as those of the model are; only of references that all maps have.

    >>> from kldeval.records import Score
    >>> scores = [Score(name, {"cc": 0.9}, references={"ceiling": {"cc": 1.0}}) for name in "ab"]
    >>> summarise_references(scores, over_groups=False)
    {'ceiling': {'cc': 1.0}}
    """
    held = ReferencesHeld()
    held.add(scores)
    return {name: _means(scores, name, over_groups=over_groups) for name in held.everywhere}


def _means(scores: Sequence[Score], name: str, *, over_groups: bool) -> dict[str, float]:
    keys = list(next(iter(scores)).references[name])
    for score in scores:
        keys = [key for key in keys if key in score.references[name]]
    theirs = (reference_score(score, name) for score in scores)
    groups = summarise_groups(keys, theirs) if over_groups else {}
    summaries = summarise_means(keys, groups) if over_groups else summarise_scores(keys, tuple(theirs))
    return {key: summary.mean for key, summary in summaries.items() if summary.mean is not None}


def reference_score(score: Score, name: str) -> Score:
    """A map with the numbers of one of its references in place of its own."""
    return replace(score, values=score.references[name])


_REASONS = {
    UNIFORM: "where it can be scored",
    PRIOR: "with another ground truth",
    CEILING: "with fixations of two observers or more",
}


class RunFacts:
    """What is known of some outcomes together beside their numbers; `join` adds that of others, which come after."""

    def __init__(self) -> None:
        self.skipped: Counter[str] = Counter()
        self.remarks: Counter[str] = Counter()
        self.n_made = self.n_fixations = 0
        self.classes = ClassSums()
        self.held = ReferencesHeld()
        self._made: Counter[str] = Counter()

    @property
    def made(self) -> list[DensityProvenance]:
        """How ground truths were made, each way with the number of all its fixations."""
        return [DensityProvenance(text, count) for text, count in self._made.items()]

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Take in some outcomes."""
        scores = [one for one in outcomes if isinstance(one, Score)]
        self.skipped.update([one.reason for one in outcomes if isinstance(one, Skipped)])
        self.remarks.update([remark for score in scores for remark in score.remarks])
        self.n_fixations += sum([score.gt_fixations or 0 for score in scores])
        made = [score.made for score in scores if score.made]
        self.n_made += len(made)
        for one in made:
            self._made[one.text] += one.n_fixations
        self.classes.add(scores)
        self.held.add(scores)

    def join(self, other: RunFacts) -> None:
        """Add what is known of other outcomes."""
        self.n_made += other.n_made
        self.n_fixations += other.n_fixations
        for name in ("skipped", "remarks", "_made"):
            getattr(self, name).update(getattr(other, name))
        self.classes.join(other.classes)
        self.held.join(other.held)
