"""A worker per core: each reads and scores some pairs at a time, and the outcomes come in the order of the pairs.

Workers are forked processes where forking is safe, which is where this process has a single thread; else threads.
numpy gives up Python's lock and takes it again around every operation: threads spend a third of their time handing it
to each other, processes none.
"""

from __future__ import annotations

import os
from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kldeval.errors import KldevalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 8
"""Tasks per worker that may wait for an earlier one: memory must not grow with the number of maps."""

LARGEST_TASK = 32
"""Most pairs in a task, of which each costs half a millisecond. The last tasks are of one pair: nobody waits long."""

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

    Raises:
        KldevalError: a worker was killed.
    """
    return map(work, items) if jobs == 1 else in_batches(partial(_each, work), items, jobs)


def in_batches(work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """What `work` makes of neighbouring items at a time, computed by `jobs` workers, in the order of the items.

    Raises:
        KldevalError: a worker was killed.
    """
    if not items:
        return
    # here, because what it imports need not be imported by every forked worker
    yield from work(items[:1])
    tasks = _tasks(items[1:], jobs)
    if jobs == 1 or len(items) == 1:
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


def _in_threads(
    work: Callable[[Sequence[Item]], list[Result]], tasks: Iterable[Sequence[Item]], jobs: int
) -> Iterator[Result]:
    from concurrent.futures import ThreadPoolExecutor

    return _stream(ThreadPoolExecutor(jobs), work, tasks, jobs)


def _in_processes(
    work: Callable[[Sequence[Item]], list[Result]], tasks: Iterable[Sequence[Item]], jobs: int
) -> Iterator[Result]:
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(jobs, get_context("fork"), _begin, (work,))
    try:
        yield from _stream(pool, _work_on, tasks, jobs)
    except BrokenProcessPool as error:
        msg = "a worker process was killed, perhaps for want of memory; use fewer --jobs"
        raise KldevalError(msg) from error


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


def _stream(
    pool: Executor, work: Callable[[Sequence[Item]], list[Result]], tasks: Iterable[Sequence[Item]], jobs: int
) -> Iterator[Result]:
    """The results of all tasks, in order."""
    waiting: deque[Future[list[Result]]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(work, task))
            if len(waiting) >= jobs * AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
