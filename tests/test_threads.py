"""Threads that work ahead: results in the order of the items, a bounded number of them waiting."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from kldeval.engine.cpu import AHEAD, cores, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(jobs: int) -> None:
    def slow_when_even(number: int) -> int:
        time.sleep(0.001 * (number % 2 == 0))
        return number * number

    assert list(in_order(slow_when_even, range(100), jobs)) == [number**2 for number in range(100)]
    assert list(in_order(slow_when_even, [], jobs)) == []


@pytest.mark.parametrize(("jobs", "most"), [(1, 2), (2, 2 * AHEAD), (3, 3 * AHEAD)])
def test_no_more_items_are_taken_than_may_wait(jobs: int, most: int) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    results: Any = in_order(str, items(), jobs)
    for given in range(10):
        assert next(results) == str(given)
        assert taken <= given + most
    if jobs > 1:
        results.close()
    assert taken < 100


def test_the_threads_work_at_the_same_time() -> None:
    """Each waits for the other: one thread alone would wait for ever."""
    barrier = threading.Barrier(2, timeout=10)
    assert len(list(in_order(lambda _: barrier.wait(), range(2), 2))) == 2


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_of_the_work_reaches_who_asked(jobs: int) -> None:
    def fails_at_three(number: int) -> int:
        if number == 3:
            msg = "not this one"
            raise OSError(msg)
        return number

    results = in_order(fails_at_three, range(50), jobs)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="not this one"):
        next(results)


def test_who_stops_listening_stops_the_work() -> None:
    done: list[int] = []
    results: Any = in_order(done.append, range(1000), 2)
    next(results)
    results.close()
    assert len(done) <= 2 * AHEAD + 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


def test_there_is_a_core() -> None:
    assert cores() >= 1
