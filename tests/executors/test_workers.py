"""Workers: results in the order of the items, a bounded number of them waiting; processes only where that is safe."""

from __future__ import annotations

import itertools
import operator
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from programs import python
from watching import recorded

import kldeval
from kldeval.executors.local import in_order, in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOME = Path(__file__).parents[2]


@pytest.mark.parametrize("workers", [in_order, in_threads])
@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers: Callable[..., Iterator[int]], jobs: int) -> None:
    def slow_when_even(number: int) -> int:
        time.sleep(0.001 * (number % 2 == 0))
        return number * number

    for count in (0, 1, 2, 3, 100):
        assert list(workers(slow_when_even, range(count), jobs)) == [number**2 for number in range(count)]


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_no_more_items_are_taken_than_may_wait(jobs: int) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    results: Any = in_threads(str, items(), jobs)
    for given in range(10):
        assert next(results) == str(given)
        assert taken <= given + 8 * jobs
    results.close()
    assert taken < 100


def test_the_threads_work_at_the_same_time() -> None:
    """Each waits for the other: one thread alone would wait for ever."""
    barrier = threading.Barrier(2, timeout=60)
    assert len(list(in_threads(lambda _: barrier.wait(), range(2), 2))) == 2


@pytest.mark.parametrize("workers", [in_order, in_threads])
@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_of_the_work_reaches_who_asked(workers: Callable[..., Iterator[int]], jobs: int) -> None:
    def fails_at_three(number: int) -> int:
        if number == 3:
            msg = "not this one"
            raise OSError(msg)
        return number

    results = workers(fails_at_three, range(50), jobs)
    with pytest.raises(OSError, match="not this one"):
        assert list(results) == []


def test_who_stops_listening_stops_the_work() -> None:
    done: list[int] = []
    results: Any = in_threads(done.append, range(1000), 2)
    next(results)
    results.close()
    assert len(done) <= 18
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


# processes: numpy's own threads, which this process may have, forbid them here


def alone(code: str) -> subprocess.CompletedProcess[str]:
    """What the code does in a process with one thread."""
    head = "import os, sys, threading, time\nfrom kldeval.executors.local import in_order\n"
    environment = {**os.environ, "PYTHONPATH": str(HOME), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [*python(), "-W", "error", "-c", head + code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


CLOCK = (
    "from kldeval.executors import local\n"
    "clock = [0.0]; local.time = type('Clock', (), {'perf_counter': staticmethod(lambda: clock[0])})\n"
)
"""What the pool takes for the time that the work needs: on a busy machine nothing is quick."""


needs_fork = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the workers are threads")


@needs_fork
@pytest.mark.parametrize(("seconds", "here"), [(0.01, 2), (0.05, 1)])
def test_workers_are_processes_but_for_the_first_items(seconds: float, here: int) -> None:
    """The second is waited for only where the first leaves a doubt whether workers are worth their while."""
    done = alone(
        CLOCK + f"def who(number): clock[0] += {seconds}; time.sleep(0.01); return number, os.getpid()\n"
        "found = list(in_order(who, range(40), 2)); here = os.getpid()\n"
        "assert [number for number, _ in found] == list(range(40))\n"
        "print([pid == here for _, pid in found].count(True), len({pid for _, pid in found}))\n"
    )
    assert (done.stdout, done.stderr) == (f"{here} 3\n", "")


@needs_fork
def test_little_work_is_not_worth_a_process() -> None:
    done = alone(CLOCK + "print({os.getpid()} == set(in_order(lambda _: os.getpid(), range(9), 2)))\n")
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize(
    ("seconds", "sizes"), [(0.001, [1, 11]), (0.01, [1, 1, 10]), (0.2, [1, 1, 5, 2, 1, 1, 1])], ids=str
)
def test_what_is_soon_done_is_done_at_once(
    seconds: float, sizes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of twelve maps, each of which takes so many seconds on a clock that counts the looks at it."""
    now = itertools.count(step=seconds)
    monkeypatch.setattr("kldeval.executors.local.time", SimpleNamespace(perf_counter=lambda: next(now)))
    finished = recorded(monkeypatch, "kldeval.scoring.evaluator.Evaluator.finish")
    for side in ("pred", "gt"):
        np.save(tmp_path / f"{side}.npy", np.random.default_rng(0).random((12, 3, 4)))
    report = kldeval.evaluate(tmp_path / "pred.npy", tmp_path / "gt.npy", stack=True, jobs=1)
    assert [len(pairs) for _, pairs, *_ in finished] == sizes
    assert len(report.scores) == 12


@needs_fork
def test_work_need_not_be_picklable() -> None:
    done = alone(
        CLOCK + "offset = threading.Lock()\n"
        "def work(number): clock[0] += 0.05; return number + offset.locked(), os.getpid() == here\n"
        "here = os.getpid(); print(list(in_order(work, range(4), 2)))\n"
    )
    assert (done.stdout, done.stderr) == ("[(0, True), (1, True), (2, False), (3, False)]\n", "")


@needs_fork
def test_a_process_of_several_threads_is_not_forked() -> None:
    done = alone(
        "end = threading.Event(); threading.Thread(target=end.wait).start()\n"
        "def work(_): time.sleep(0.02); return os.getpid()\n"
        "print({os.getpid()} == set(in_order(work, range(9), 2))); end.set()\n"
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


@needs_fork
def test_an_error_in_a_process_keeps_its_kind() -> None:
    done = alone(
        "from kldeval.errors import MissingDependency\n"
        "def work(number):\n"
        "    time.sleep(0.01)\n"
        "    if number == 5: raise MissingDependency('no such thing')\n"
        "    return number\n"
        "try: list(in_order(work, range(20), 2))\n"
        "except MissingDependency as error: print(error)\n"
    )
    assert (done.stdout, done.stderr) == ("no such thing\n", "")


@needs_fork
def test_a_fork_that_ends_without_a_result_costs_nothing() -> None:
    """Its share is done in the process that forked it; what goes wrong there, too, is raised."""
    done = alone(
        "from kldeval.process import in_forks\nhere = os.getpid()\n"
        "print(in_forks(lambda n: n if os.getpid() == here else sys.exit(3), [1, 2, 3]))\n"
        "print(in_forks(lambda n: n if os.getpid() == here else os.kill(os.getpid(), 9), [1, 2, 3]))\n"
        "print(in_forks(lambda n: (n, os.getpid() == here), [1, 2]))\n"
        "for shares in ([1, 0], [0, 1]):\n"
        "    try: in_forks(lambda n: 1 / n, shares)\n"
        "    except ZeroDivisionError: print('raised', len(os.listdir('/proc/self/fd')))\n"
        "try: os.waitpid(-1, os.WNOHANG)\n"
        "except ChildProcessError: print('none left')\n"
    )
    assert (done.stdout, done.stderr) == (
        "[1, 2, 3]\n[1, 2, 3]\n[(1, True), (2, False)]\nraised 4\nraised 4\nnone left\n",
        "",
    )


def test_a_process_for_items_one_by_one_is_bounded_and_answers_whatever_libraries_print() -> None:
    """It prints where answers are told, ignores Ctrl-C, which is for its parent, and has a limit of processor time."""
    one_by_one = resolve_name("kldeval.executors.one_by_one.one_by_one")
    asked = [
        partial(os.write, 1, b"printed"),
        partial(resource.getrlimit, resource.RLIMIT_CPU),
        partial(signal.getsignal, signal.SIGINT),
        resolve_name("kldeval.process.is_expendable"),
    ]
    written, (soft, _), handler, is_expendable = one_by_one(
        resolve_name("kldeval.executors.local.Each")(operator.call), asked
    )
    assert (written, soft != resource.RLIM_INFINITY) == (7, True)
    assert (handler, is_expendable) == (signal.SIG_IGN, True)


def test_items_are_taken_apart_before_they_are_done_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Child:
        def __init__(self, _work: object) -> None:
            return

        def answer(self, item: str) -> tuple[list[str], None]:
            seen.append(item)
            return [item], None

        def end(self) -> str:
            return ""

    class Work:
        def split(self, item: str) -> list[str]:
            return list(item)

    monkeypatch.setattr("kldeval.executors.one_by_one._Child", Child)
    assert resolve_name("kldeval.executors.one_by_one.one_by_one")(Work(), ["ab", "c"]) == seen == ["a", "b", "c"]
