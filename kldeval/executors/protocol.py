"""What an executor and its work agree on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from kldeval.errors import KldevalError

Item = TypeVar("Item")
Result = TypeVar("Result")

Work = Callable[[Sequence[Item]], Sequence[Result]]
"""What is done with some items at a time: one result or more for each, in their order.

It should pickle, because an executor may do it elsewhere. Work that has a method `lost(item, reason)` says with it what
the results of an item are that ended the process that worked on it, again when it was alone in a process; one that has
`split(item)` gives with it the smaller items that together have the item's results. Work that has
`may_end_process(item)` says with it which items are not done in the calling process where another can be had; one that
has `most_at_once` says with it how many items it is given at most. Work that
has `reads_in_order(items)` says with it whether something of these is read that can only be read in their order, and
`with_contents(item)` is then the item with it: workers of this machine are given that, one item at a time.
"""


class Executor(Protocol):
    """Does work somewhere: on the cores of this machine, or on a cluster."""

    @property
    def workers(self) -> int:
        """How many chunks of items are worked on at the same time."""

    @property
    def elsewhere(self) -> Sequence[Mapping[str, str]]:
        """What other machines, which have done work so far, computed with, each once; nothing of this process's own."""

    def map(self, work: Work[Item, Result], items: Sequence[Item]) -> Iterator[Result]:
        """The results of all items, in their order.

        The executor cuts the items into chunks, because what size is good depends on where the work is done. Closing
        the iterator cancels what has not been done yet. An exception that the work raises reaches the caller.
        """


class WorkerDied(KldevalError, RuntimeError):
    """A worker process ended while it worked on an item, and the work does not say what that means."""


def results_of_lost(work: Work[Any, Result], item: Any, reason: str) -> Sequence[Result]:
    """The results of an item that ended the process that worked on it.

    Raises:
        WorkerDied: the work has no answer to that.
    """
    lost = getattr(work, "lost", None)
    if lost is None:
        raise WorkerDied(reason)
    results: Sequence[Result] = lost(item, reason)
    return results


def parts_of(work: Work[Item, Any], item: Item) -> Sequence[Item]:
    """The smaller items that an item stands for: itself, where the work knows none."""
    split = getattr(work, "split", None)
    parts: Sequence[Item] = [item] if split is None else split(item)
    return parts


def reads_in_order(work: Work[Item, Any], items: Sequence[Item]) -> bool:
    """Whether something of some items is to be read in their order, as far as the work knows."""
    asked: Callable[[Sequence[Item]], bool] | None = getattr(work, "reads_in_order", None)
    return asked is not None and asked(items)


def read_in_order(work: Work[Item, Any], items: Sequence[Item]) -> Sequence[Item]:
    """The items with what is to be read in their order; the others as they are."""
    if not reads_in_order(work, items):
        return items
    read: Callable[[Item], Item] = work.with_contents  # type: ignore[attr-defined]
    return list(map(read, items))


def may_end_process(work: Work[Item, Any], items: Sequence[Item]) -> bool:
    """Whether an item among these should not be worked on in the calling process, as far as the work knows."""
    asked = getattr(work, "may_end_process", None)
    return asked is not None and any(map(asked, items))


def most_at_once(work: Work[Any, Any], largest: int) -> int:
    """How many items the work is given at most: as many as is usual, unless it knows better."""
    most: int = getattr(work, "most_at_once", largest)
    return min(most, largest)
