"""A worker per core: each reads and scores some pairs at a time, and the outcomes come in the order of the pairs.

Workers are forked processes where forking is safe, which is where this process has a single thread; else threads.
numpy gives up Python's lock and takes it again around every operation: threads spend a third of their time handing it
to each other, processes none.
"""

from __future__ import annotations

import os
import signal
from collections import deque
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

LARGEST_TASK = 8
"""Most pairs in a task: a task costs a tenth of a millisecond, and the last one should not keep the others waiting."""

THREADS = Path("/proc/self/task")
"""Where Linux lists the threads of this process, those of C libraries included."""

_work: list[Callable[[Any], Any]] = []
"""What a forked worker does with every item."""


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[Item], Result], items: Iterable[Item], jobs: int) -> Iterator[Result]:
    """`work` of every item, computed by `jobs` workers, in the order of the items. Results are pickled on their way.

    Raises:
        KldevalError: a worker was killed.
    """
    items = list(items)
    if jobs == 1 or len(items) <= 1:
        yield from map(work, items)
        return
    # here, because what it imports need not be imported by every forked worker
    yield work(items[0])
    size = max(1, min(LARGEST_TASK, len(items) // (jobs * AHEAD)))
    if not _may_fork():
        yield from in_threads(work, items[1:], jobs, size)
        return
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(jobs, get_context("fork"), _begin, (work,))
    try:
        yield from _stream(pool, _each, items[1:], jobs, size)
    except BrokenProcessPool as error:
        msg = "a worker process was killed, perhaps for want of memory; use fewer --jobs"
        raise KldevalError(msg) from error


def in_threads(work: Callable[[Item], Result], items: Iterable[Item], jobs: int, size: int = 1) -> Iterator[Result]:
    """`work` of every item, computed by `jobs` threads, in the order of the items."""
    from concurrent.futures import ThreadPoolExecutor

    return _stream(ThreadPoolExecutor(jobs), lambda task: list(map(work, task)), list(items), jobs, size)


def _may_fork() -> bool:
    """Whether no other thread could hold a lock that a forked process would wait for in vain."""
    return THREADS.is_dir() and len(os.listdir(THREADS)) == 1


def _begin(work: Callable[[Any], Any]) -> None:
    # Ctrl-C is for the parent, which ends the workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _work.append(work)


def _each(task: Sequence[Any]) -> list[Any]:
    return list(map(_work[-1], task))


def _stream(
    pool: Executor, work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], jobs: int, size: int
) -> Iterator[Result]:
    """The results of all items, of which each task takes `size`."""
    waiting: deque[Future[list[Result]]] = deque()
    try:
        for start in range(0, len(items), size):
            waiting.append(pool.submit(work, items[start : start + size]))
            if len(waiting) >= jobs * AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
