"""The cores of this machine: a worker per core does some items at a time, and the results come in their order.

Workers are forked processes: of this one where that is safe, which is where it has a single thread, else of a clean
process beside it. Threads are what is left for work that cannot be sent there: numpy gives up Python's lock and takes
it again around every operation, and threads spend a third of their time handing it to each other, processes none.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic

from kldeval.dataclass import NamedTuple, dataclass
from kldeval.executors.protocol import (
    Item,
    Result,
    WorkerDied,
    may_end_process,
    most_at_once,
    parts_of,
    read_in_order,
    reads_in_order,
    results_of_lost,
)
from kldeval.process import expect_large_arrays, is_single_threaded, share_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from kldeval.executors.protocol import Work


AHEAD = 8
"""Chunks per worker that may wait for an earlier one: memory must not grow with the number of maps."""

LARGEST_CHUNK = 32
"""Most items in a chunk, of which each costs half a millisecond. The last chunks are of one: nobody waits long."""

WORTH_WORKERS = 0.05
"""Seconds of work for which workers are forked, which takes about as long as this."""

WORTH_CLEAN_PROCESS = 0.5
"""Seconds of work for which a process is started that forks them: it takes 0.2 s to import what it needs."""


SOON = 1.0
"""Seconds for which results may be waited for: maps that are done together cost less than one by one."""


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class LocalPool:
    """An executor of `workers` processes on this machine, or of threads where forking is not safe."""

    workers: int
    elsewhere: tuple[Mapping[str, str], ...] = ()

    def map(self, work: Work[Item, Result], items: Sequence[Item]) -> Iterator[Result]:
        """The results of all items, in their order; see `Executor`."""
        share_cores(self.workers, len(items))
        expect_large_arrays()
        try:
            yield from self._results(work, items)
        finally:
            share_cores(1, 1)

    def _results(self, work: Work[Item, Result], items: Sequence[Item]) -> Iterator[Result]:
        rest, is_worth_workers, seconds = items, False, math.inf
        # the first is done here, because what it imports need not be imported by every forked worker; that may be what
        # took the time, so in doubt the second is, too
        for doubt in (20, 1):
            is_settled = is_worth_workers or seconds < WORTH_WORKERS
            if not rest or is_settled or (may_end_process(work, rest[:1]) and may_fork()):
                break
            start = time.perf_counter()
            found = work(list(rest[:1]))
            seconds = (time.perf_counter() - start) * (len(rest) - 1)
            yield from found
            rest = rest[1:]
            is_worth_workers = self.workers > 1 and _is_worth_workers(seconds / doubt)
        is_risky = not is_worth_workers and may_end_process(work, rest)
        if (is_worth_workers or is_risky) and may_fork():
            from kldeval.executors.processes import in_processes

            places = self._chunks(work, rest, are_inherited=True)
            yield from in_processes(_Inherited(work, rest), places, self.workers)
        elif is_worth_workers:
            yield from self._in_clean_process(work, rest)
        else:
            largest = most_at_once(work, LARGEST_CHUNK)
            chunks = _equal(rest, largest) if seconds < SOON else _chunks(rest, self.workers, largest)
            for chunk in chunks:
                yield from work(chunk)

    def _chunks(
        self, work: Work[Item, Any], items: Sequence[Item], *, are_inherited: bool = False
    ) -> Iterator[Sequence[Any]]:
        """The chunks, of places where items are inherited.

        Where something is read in order these are single items: their contents are large.
        """
        for chunk in _chunks(range(len(items)), self.workers, most_at_once(work, LARGEST_CHUNK)):
            taken = list(items[chunk[0] : chunk[-1] + 1])
            if reads_in_order(work, taken):
                yield from ([item] for item in taken)
            else:
                yield list(map(_Place, chunk)) if are_inherited else taken

    def _in_clean_process(self, work: Work[Item, Result], items: Sequence[Item]) -> Iterator[Result]:
        """The results of workers that a clean process forks; what cannot be sent there threads do."""
        from kldeval.executors.clean_process import CannotHelp, CleanProcess

        done = 0
        sent: Iterable[Sequence[Item]] | None = None
        try:
            with CleanProcess(work, self.workers, items) as process:
                while not process.is_ready():  # it starts meanwhile
                    yield from work(list(items[done : done + 1]))
                    done += 1
                    if done == len(items):
                        return
                chunks = self._chunks(work, items[done:])
                sent = chain(process.unanswered, chunks)
                for results in process.answers(chunks):
                    yield from results
                return
        except CannotHelp as why:
            _say_threads(why)
        left = self._chunks(work, items[done:]) if sent is None else sent
        yield from _in_threads(work, left, self.workers)


@dataclass(frozen=True, slots=True)
class ThreadPool:
    """An executor of threads, for results that are too large to be sent between processes."""

    workers: int
    elsewhere: tuple[Mapping[str, str], ...] = ()

    def map(self, work: Work[Item, Result], items: Iterable[Item]) -> Iterator[Result]:
        """The results of all items, in their order, one item at a time; see `Executor`."""
        return _in_threads(work, ([item] for item in items), self.workers)


def in_order(work: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """`work` of every item, computed by `jobs` workers, in the order of the items.

    Items and results may be pickled on their way, so they should be small.
    """
    return map(work, items) if jobs == 1 else LocalPool(jobs).map(Each(work), items)


def in_threads(work: Callable[[Item], Result], items: Iterable[Item], jobs: int) -> Iterator[Result]:
    """`work` of every item, computed by `jobs` threads, in the order of the items, for results too large to pickle."""
    return ThreadPool(jobs).map(Each(work), items)


@dataclass(frozen=True, slots=True)
class Each(Generic[Item, Result]):
    """Work that is done on one item at a time."""

    work: Callable[[Item], Result]

    def __call__(self, items: Sequence[Item]) -> list[Result]:
        """The result of each item."""
        return list(map(self.work, items))

    def reads_in_order(self, items: Sequence[Item]) -> bool:
        """Whether something of these items is to be read in their order, as far as the work knows."""
        return reads_in_order(self.work, items)  # type: ignore[arg-type] # work on one item, which may say the same

    def with_contents(self, item: Item) -> Item:
        """The item with what was read of it."""
        read: Callable[[Item], Item] = self.work.with_contents  # type: ignore[attr-defined]
        return read(item)

    def lost(self, item: Item, reason: str) -> list[Result]:
        """The result of an item that ended the process that worked on it, where the work knows one."""
        lost: Callable[[Item, str], Result] | None = getattr(self.work, "lost", None)
        if lost is None:
            raise WorkerDied(reason)
        return [lost(item, reason)]


class _Place(NamedTuple):
    """The place of an item among those that a forked worker has inherited."""

    number: int


@dataclass(frozen=True, slots=True)
class _Inherited(Generic[Item, Result]):
    """Work on items that forked workers have in memory from the start, so that nothing but places is sent to them."""

    work: Work[Item, Result]
    items: Sequence[Item]

    def __call__(self, places: Sequence[_Place | Item]) -> Sequence[Result]:
        """The results of the items; what is no place is an item itself."""
        return self.work(list(map(self._item, places)))

    def split(self, place: _Place | Item) -> Sequence[Item]:
        """The item in the smallest parts, which are items themselves."""
        return parts_of(self.work, self._item(place))

    def lost(self, item: _Place | Item, reason: str) -> Sequence[Result]:
        """The results of an item that ended the process that worked on it."""
        return results_of_lost(self.work, self._item(item), reason)

    def reads_in_order(self, places: Sequence[_Place | Item]) -> bool:
        """Whether something of these is to be read in their order: such items are no places."""
        items: list[Any] = [one for one in places if not isinstance(one, _Place)]
        return bool(items) and reads_in_order(self.work, items)

    def with_contents(self, item: Item) -> Item:
        """The item with what was read of it."""
        read: Callable[[Item], Item] = self.work.with_contents  # type: ignore[attr-defined]
        return read(item)

    def _item(self, place: _Place | Item) -> Item:
        return self.items[place.number] if isinstance(place, _Place) else place


def _chunks(items: Sequence[Item], workers: int, largest: int) -> Iterator[Sequence[Item]]:
    """The items in chunks of at most so many, that become smaller towards the end."""
    start = 0
    while start < len(items):
        size = max(1, min(largest, (len(items) - start) // (2 * workers)))
        yield list(items[start : start + size])
        start += size


def _equal(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """The items in chunks of this size."""
    return (list(items[start : start + size]) for start in range(0, len(items), size))


def _is_worth_workers(seconds: float) -> bool:
    """Whether so much work is worth workers; whether they can be forked is asked last, since it takes milliseconds."""
    return seconds >= WORTH_WORKERS and (seconds >= WORTH_CLEAN_PROCESS or may_fork())


def may_fork() -> bool:
    """Whether no other thread could hold a lock that a forked process would wait for in vain."""
    # a daemonic process, such as a worker of multiprocessing.Pool, may have no children; what is none has not
    # imported that
    module = sys.modules.get("multiprocessing.process")
    return is_single_threaded() and not (module is not None and module.current_process().daemon)


def _say_threads(why: Exception) -> None:
    import logging  # here, because few runs need it

    logging.getLogger("kldeval").debug("the workers are threads of this process, which gain less: %s", why)


def _in_threads(work: Work[Item, Result], chunks: Iterable[Sequence[Item]], workers: int) -> Iterator[Result]:
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[Sequence[Result]]] = deque()
    try:
        for chunk in chunks:
            waiting.append(pool.submit(work, read_in_order(work, chunk)))
            if len(waiting) >= workers * AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
