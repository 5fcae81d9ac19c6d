"""A worker per core: each reads and scores some pairs at a time, and the outcomes come in the order of the pairs.

Workers are forked processes where forking is safe, which is where this process has a single thread; else threads.
numpy gives up Python's lock and takes it again around every operation: threads spend a third of their time handing it
to each other, processes none.
"""

from __future__ import annotations

import os
import time
import warnings
from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    Work = Callable[[Sequence["Item"]], list["Result"]]


Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 8
"""Tasks per worker that may wait for an earlier one: memory must not grow with the number of maps."""

LARGEST_TASK = 32
"""Most pairs in a task, of which each costs half a millisecond. The last tasks are of one pair: nobody waits long."""

KILLED = "a worker process was killed, perhaps for want of memory (fewer --jobs need less); its maps are done again"

WORTH_WORKERS = 0.05
"""Seconds of work for which workers are started, which takes about as long as this."""

THREADS = Path("/proc/self/task")
"""Where Linux lists the threads of this process, those of C libraries included."""

_work: list[Callable[[Sequence[Any]], Any]] = []
"""What a forked worker does with a task."""


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """`work` of every item, computed by `jobs` workers, in the order of the items.

    Items and results may be pickled on their way, so they should be small; `work` may be anything.
    """
    return map(work, items) if jobs == 1 else in_batches(partial(_each, work), items, jobs)


def in_batches(work: Work[Item, Result], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """What `work` makes of neighbouring items at a time, computed by `jobs` workers, in the order of the items."""
    rest, is_worth_workers = items, False
    # the first is done here, because what it imports need not be imported by every forked worker; that may be what took
    # the time, so in doubt the second is, too
    for worth in (20 * WORTH_WORKERS, WORTH_WORKERS):
        if rest and not is_worth_workers:
            start = time.perf_counter()
            found = work(rest[:1])
            seconds = time.perf_counter() - start
            yield from found
            rest = rest[1:]
            is_worth_workers = jobs > 1 and seconds * len(rest) >= worth
    tasks = _tasks(rest, jobs)
    if not is_worth_workers:
        for task in tasks:
            yield from work(task)
    elif _may_fork():
        yield from _in_processes(work, tasks, jobs)
    else:
        yield from _in_threads(work, tasks, jobs)


def in_threads(work: Callable[[Item], Result], items: Iterable[Item], jobs: int) -> Iterator[Result]:
    """`work` of every item, computed by `jobs` threads, in the order of the items, for results too large to pickle."""
    return _in_threads(partial(_each, work), ([item] for item in items), jobs)


def _each(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    return list(map(work, items))


def _in_threads(work: Work[Item, Result], tasks: Iterable[Sequence[Item]], jobs: int) -> Iterator[Result]:
    from concurrent.futures import ThreadPoolExecutor

    for task in _ahead(ThreadPoolExecutor(jobs), work, tasks, jobs):
        yield from task.found.result()


def _in_processes(work: Work[Item, Result], tasks: Iterable[Sequence[Item]], jobs: int) -> Iterator[Result]:
    """What a killed worker leaves behind is done here: a run of a night is not lost because memory was short once."""
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(jobs, get_context("fork"), _begin, (work,))
    for task in _ahead(pool, _work_on, tasks, jobs):
        try:
            found = task.found.result()
        except BrokenProcessPool:
            warnings.warn(KILLED, RuntimeWarning, stacklevel=2)
            found = work(task.items)
        yield from found


def _tasks(items: Sequence[Item], jobs: int) -> Iterator[Sequence[Item]]:
    """The items in tasks that become smaller towards the end."""
    start = 0
    while start < len(items):
        size = max(1, min(LARGEST_TASK, (len(items) - start) // (2 * jobs)))
        yield items[start : start + size]
        start += size


def _may_fork() -> bool:
    """Whether no other thread could hold a lock that a forked process would wait for in vain."""
    return THREADS.is_dir() and len(tuple(THREADS.iterdir())) == 1


def _begin(work: Callable[[Any], Any]) -> None:
    import signal

    # Ctrl-C ends a worker without a word: its parent, which it reaches too, says what is to be said
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _work.append(work)


def _work_on(task: Sequence[Any]) -> list[Any]:
    found: list[Any] = _work[-1](task)
    return found


class _Task(NamedTuple):
    """Some items, and what is going to be found of them."""

    items: Sequence[Any]
    found: Future[list[Any]]


def _ahead(pool: Executor, work: Work[Item, Result], tasks: Iterable[Sequence[Item]], jobs: int) -> Iterator[_Task]:
    """All tasks in order, begun ahead of who asks for them."""
    waiting: deque[_Task] = deque()
    try:
        for items in tasks:
            waiting.append(_Task(items, _submitted(pool, work, items)))
            if len(waiting) >= jobs * AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        pool.shutdown(cancel_futures=True)


def _submitted(pool: Executor, work: Work[Item, Result], items: Sequence[Item]) -> Future[list[Result]]:
    """The task's future; a pool that has broken meanwhile gives one that says so."""
    from concurrent.futures import BrokenExecutor, Future

    try:
        return pool.submit(work, items)
    except BrokenExecutor as error:
        failed: Future[list[Result]] = Future()
        failed.set_exception(error)
        return failed
