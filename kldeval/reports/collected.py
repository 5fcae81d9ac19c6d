"""The outcomes of a run: the first are kept, and where there are more all of them go to a temporary file."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from kldeval.records import Failure, Score
from kldeval.reports.aggregate import RunFacts, summarise_references, summarise_scores
from kldeval.reports.outcome_rows import as_reported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kldeval.records import Outcome
    from kldeval.reports.aggregate import Means
    from kldeval.reports.documents import Summary


MOST_IN_MEMORY = 20_000
"""Outcomes that are kept, of all models together: 20 MB."""


_name = attrgetter("name")


def are_held(number: int, n_models: int = 1) -> bool:
    """Whether so many outcomes of a model are kept in memory."""
    return number * n_models <= MOST_IN_MEMORY


class Rows(Protocol):
    """What a report is made of, wherever the rows are; `group_of` tells the groups of maps by their names."""

    group_of: Callable[[str], str] | None

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Take in some more outcomes."""

    @property
    def facts(self) -> RunFacts:
        """What is known of all outcomes together."""

    @property
    def scores(self) -> Sequence[Score]:
        """All scores as a report has them, in the order of their names."""

    @property
    def failures(self) -> Sequence[Failure]:
        """All failures, in the order of their names: of each name that of the map before those of its metrics."""

    def summaries(self, keys: Iterable[str]) -> dict[str, Summary]:
        """The summary of each metric."""

    def references(self, *, over_groups: bool) -> Means:
        """The headlines of the reference rows."""


class Outcomes:
    """The outcomes of one of `n_models` models, in their order."""

    def __init__(self, outcomes: Iterable[Outcome] = (), n_models: int = 1) -> None:
        self._few: list[Outcome] = []
        self._rows: Rows | None = None
        self._n_models = n_models
        self.extend(outcomes)

    def append(self, outcome: Outcome) -> None:
        """Keep one more outcome."""
        if self._rows is not None:
            self._rows.add([outcome])
            return
        self._few.append(outcome)
        if not are_held(len(self._few), self._n_models):
            from kldeval.reports.spool import Spool

            self.take(Spool())

    def extend(self, outcomes: Iterable[Outcome]) -> None:
        """Keep some more outcomes."""
        for outcome in outcomes:
            self.append(outcome)

    def take(self, rows: Rows) -> None:
        """Have what is kept, and what comes later, be among these rows."""
        rows.add(self._few)
        self._rows, self._few = rows, []

    def rows(self, group_of: Callable[[str], str] | None = None) -> Rows:
        """The rows of all outcomes; `group_of` tells the group of a map by its name, where maps have groups."""
        rows = self._rows or RowsInMemory(self._few, are_new=True)
        rows.group_of = group_of
        return rows


class RowsInMemory:
    """Outcomes that are kept; what a report does not have is left out where they `are_new`."""

    def __init__(self, outcomes: Iterable[Outcome] = (), *, are_new: bool = False) -> None:
        self._are_new = are_new
        self.group_of: Callable[[str], str] | None = None
        self.facts = RunFacts()
        self._outcomes: list[Outcome] = []
        self.add(outcomes)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Take in some more outcomes."""
        some = list(outcomes)
        self.facts.add(some)
        self._outcomes += some

    @cached_property
    def scores(self) -> tuple[Score, ...]:
        """All scores, in the order of their names."""
        scores = sorted((one for one in self._outcomes if isinstance(one, Score)), key=_name)
        return tuple(map(self._listed, scores))

    @property
    def failures(self) -> tuple[Failure, ...]:
        """All failures, in the order of their names."""
        of_maps = [one for one in self._outcomes if isinstance(one, Failure)]
        of_metrics = [one for score in self._outcomes if isinstance(score, Score) for one in score.failures]
        return tuple(sorted((*of_maps, *of_metrics), key=_name))

    def summaries(self, keys: Iterable[str]) -> dict[str, Summary]:
        """The summary of each metric."""
        return summarise_scores(keys, self.scores)

    def references(self, *, over_groups: bool) -> Means:
        """The headlines of the reference rows."""
        return summarise_references(self.scores, over_groups=over_groups)

    def _listed(self, score: Score) -> Score:
        """The score as a report has it."""
        if self._are_new and (score.remarks or score.classes or score.made or score.failures):
            score = as_reported(score)
        return replace(score, group=self.group_of(score.name)) if self.group_of else score
