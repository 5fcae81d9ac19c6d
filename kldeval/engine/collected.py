"""The outcomes of a run: the first are kept, and where there are more the scores go to temporary files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.records import Score, Skipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kldeval.engine.parts import PartedRows
    from kldeval.engine.spool import Spool
    from kldeval.records import Outcome


MOST_IN_MEMORY = 20_000
"""Outcomes that are kept: 20 MB."""


def are_held(number: int) -> bool:
    """Whether so many outcomes are kept in memory."""
    return number <= MOST_IN_MEMORY


class Outcomes:
    """The outcomes of a run, in their order; `scores` are on disk where there are many."""

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self.few: list[Outcome] = []
        self.spool: Spool | PartedRows | None = None
        self.extend(outcomes)

    def append(self, outcome: Outcome) -> None:
        """Keep one more outcome."""
        if self.spool is not None:
            self.spool.add([outcome])
            return
        self.few.append(outcome)
        if not are_held(len(self.few)) and not any(map(_needs_memory, self.few)):
            from kldeval.engine.spool import Spool

            self.take(Spool())

    def take(self, rows: Spool | PartedRows) -> None:
        """Have what is kept, and what comes later, be among these rows."""
        rows.add(self.few)
        self.spool, self.few = rows, []

    def all(self) -> Iterator[Outcome]:
        """All outcomes that were kept: of many the scores first, as they are on disk."""
        if self.spool is None:
            yield from self.few
            return
        yield from self.spool.sums.failures
        for reason, number in self.spool.sums.skipped.items():
            yield from (Skipped("", reason) for _ in range(number))
        yield from self.spool.scores

    def extend(self, outcomes: Iterable[Outcome]) -> None:
        """Keep some more outcomes."""
        for outcome in outcomes:
            self.append(outcome)


def _needs_memory(outcome: Outcome) -> bool:
    """Whether more is made of the outcome than a row and its part in sums: tables per class, reference rows."""
    return isinstance(outcome, Score) and bool(outcome.classes or outcome.references)
