"""Runs of a few maps that go the way of a run of millions, for tests that both ways find the same."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from kldeval import sequences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def texts(members: Iterable[str] = ()) -> sequences.Texts:
    """Texts in blocks."""
    return sequences.Texts(members)


def in_runs(members: Iterable[str]) -> list[str]:
    """Texts, sorted run by run."""
    return list(sequences.in_sorted_runs(members, sequences.Texts))


def as_many(monkeypatch: pytest.MonkeyPatch, block: int = 2) -> None:
    """Names are sorted and joined `block` at a time, and pairs are made of them whenever they are asked for."""
    for name in ("sequences.RUN", "sequences.BLOCK", "data.names.BLOCK"):
        monkeypatch.setattr(f"kldeval.{name}", block)
    for name in ("containers.packed.BLOCK", "containers.zip_directory.AT_ONCE"):
        monkeypatch.setattr(f"kldeval.data.{name}", block)
    for name, value in (("PIECE", 64 * block), ("LONGEST_END", 99)):
        monkeypatch.setattr(f"kldeval.data.containers.zip_directory.{name}", value)
    for name in ("pairing", "dataset", "stacks", "containers.contents"):
        monkeypatch.setattr(f"kldeval.data.{name}.MOST_KEPT", 0)


@pytest.fixture(scope="module", params=["few", "many"])
def few_or_many(request: pytest.FixtureRequest) -> Iterator[str]:
    """Whether the maps are treated as few, or as many."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "many":
            as_many(patch)
        yield request.param


def peak_of(run: Callable[[], object]) -> int:
    """The bytes that a run takes at most beside what is there before, which tracemalloc has to be tracing."""
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    run()
    return tracemalloc.get_traced_memory()[1] - before


def adds_at_most(most: float, few: Callable[[], object], many: Callable[[], object]) -> bool:
    """Whether the peak of a run of many is no more than so many bytes above that of one of few.

    What is imported and kept at first counts for neither. They are measured again where it is more: Python's table of
    interned names doubles at times, by megabytes, but not twice in a row.
    """
    few()
    tracemalloc.start()
    try:
        few()
        return any(peak_of(many) - peak_of(few) <= most for _ in range(2))
    finally:
        tracemalloc.stop()


def few_in_memory(monkeypatch: pytest.MonkeyPatch, number: int = 3) -> None:
    """Rows of more maps than these go to a temporary file, which is read some at a time."""
    monkeypatch.setattr("kldeval.reports.collected.MOST_IN_MEMORY", number)
    monkeypatch.setattr("kldeval.reports.spool.AT_ONCE", 4)
    monkeypatch.setattr("kldeval.reports.spool.AT_A_PASS", 4)
    monkeypatch.setattr("kldeval.sequences.MOST_KEPT", 0)
    monkeypatch.setattr("kldeval.reports.side_by_side.MOST_KEPT", 0)
