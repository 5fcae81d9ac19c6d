"""The outcomes of a run: the first are kept, and where there are more the scores go to temporary files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.records import Score, Skipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kldeval.engine.spool import Spool
    from kldeval.records import Outcome


MOST_IN_MEMORY = 20_000
"""Outcomes that are kept: 20 MB."""


class Outcomes:
    """The outcomes of a run, in their order; `scores` are on disk where there are many."""

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self.few: list[Outcome] = []
        self.spool: Spool | None = None
        self.extend(outcomes)

    def append(self, outcome: Outcome) -> None:
        """Keep one more outcome."""
        if self.spool is not None:
            self.spool.append(outcome)
            return
        self.few.append(outcome)
        if len(self.few) > MOST_IN_MEMORY and not any(map(_needs_memory, self.few)):
            from kldeval.engine.spool import Spool

            self.spool = Spool()
            for one in self.few:
                self.spool.append(one)
            self.few = []

    def all(self) -> Iterator[Outcome]:
        """All outcomes that were kept: of many the scores first, as they are on disk."""
        if self.spool is None:
            yield from self.few
            return
        yield from self.spool.failures
        for reason, number in self.spool.skipped.items():
            yield from (Skipped("", reason) for _ in range(number))
        yield from self.spool.scores

    def extend(self, outcomes: Iterable[Outcome]) -> None:
        """Keep some more outcomes."""
        for outcome in outcomes:
            self.append(outcome)


def _needs_memory(outcome: Outcome) -> bool:
    """Whether more is made of the outcome than a row and its part in sums: tables per class, reference rows."""
    return isinstance(outcome, Score) and bool(outcome.classes or outcome.references)
