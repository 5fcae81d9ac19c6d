"""What the work on a Dask cluster does when workers die, leave, are late, or differ: of a client that is played.

How a real cluster behaves is in `test_dask`; here every moment is chosen, and the clock stands until it is moved.
"""

from __future__ import annotations

import pickle
import re
import sys
import time
import warnings
import zlib
from dataclasses import dataclass, field
from importlib.util import find_spec
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import kldeval
from kldeval.errors import EngineLost, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

if find_spec("distributed") is None:
    pytest.skip("distributed is not installed", allow_module_level=True)

MOST_LOOKS = 2000
"""How often a run of few maps looks at the clock at most."""

NAMES = [f"{number:02d}" for number in range(24)]


@dataclass
class Clock:
    """The time of the executor's file, which sleeping moves."""

    now: float = field(default_factory=time.monotonic)
    seconds_of_map: float = 0.0
    looks: int = 0

    def monotonic(self) -> float:
        self.looks += 1
        assert self.looks < MOST_LOOKS, "the run does not end"
        return self.now

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass(eq=False)
class Future:
    """A task as its client holds it."""

    client: Client
    worker: str
    names: list[str]
    is_alone: bool
    do: Callable[[], Any]
    status: str = "pending"
    is_released: bool = False
    callback: Callable[[Future], None] = lambda _future: None
    fails_to_come: int = 0
    is_undone_by_failing: bool = False
    found: Any = None

    def add_done_callback(self, callback: Callable[[Future], None]) -> None:
        self.callback = callback
        self.client.reacts(self)

    def finish(self) -> None:
        """Do what it asks for, and end."""
        try:
            self.found, self.status = self.do(), "finished"
        except Exception as error:  # noqa: BLE001 - as Dask does
            self.found, self.status = error, "error"
        self.callback(self)

    def cancel(self) -> None:
        """End as all tasks do whose scheduler goes."""
        self.status = "cancelled"
        self.callback(self)

    def result(self) -> Any:
        """What the task gave."""
        if self.is_released:
            self.client.in_vain.append(self)
        if self.fails_to_come:
            self.fails_to_come -= 1
            if self.is_undone_by_failing:
                self.status = "pending"
            raise TimeoutError
        return self.found

    def exception(self) -> Any:
        """What went wrong."""
        return self.found

    def release(self) -> None:
        self.is_released = True


@dataclass(eq=False)
class Client:
    """A client of workers that are not there: `reacts` says what becomes of a task when it is given to one."""

    clock: Clock
    workers: dict[str, int] = field(default_factory=lambda: {"one": 1, "two": 1})
    reacts: Callable[[Future], None] = Future.finish
    differences: dict[str, dict[str, str] | Exception] = field(default_factory=dict)
    status: str = "running"
    submitted: list[Future] = field(default_factory=list)
    most_ahead: dict[str, int] = field(default_factory=dict)
    cancelled: list[Future] = field(default_factory=list)
    in_vain: list[Future] = field(default_factory=list)
    lost: list[Future] = field(default_factory=list)
    plugins: dict[str, Any] = field(default_factory=dict)
    topics: dict[str, Any] = field(default_factory=dict)

    def subscribe_topic(self, topic: str, handler: Any) -> None:
        self.topics[topic] = handler

    def unsubscribe_topic(self, topic: str) -> None:
        del self.topics[topic]

    def register_plugin(self, plugin: Any, name: str) -> None:
        plugin.setup(SimpleNamespace(periodic_callbacks={}))
        self.plugins[name] = plugin

    def unregister_worker_plugin(self, name: str) -> None:
        del self.plugins[name]

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        del n_workers
        return {"workers": {name: {"nthreads": threads} for name, threads in self.workers.items()}}

    def run(self, function: Callable[[], dict[str, str]], workers: list[str], on_error: str) -> dict[str, Any]:
        del on_error
        others = {name: self.differences.get(name, {}) for name in workers}
        return {name: one if isinstance(one, Exception) else {**function(), **one} for name, one in others.items()}

    def submit(self, function: Any, name: str, packed: bytes, is_alone: bool, **where: Any) -> Future:  # noqa: FBT001
        (worker,) = where["workers"]
        tasks = pickle.loads(zlib.decompress(packed))  # noqa: S301 - of the product
        names = [pair.name for task in tasks for pair in task.values()]
        future = Future(self, worker, names, is_alone, lambda: self._done(function, name, packed, is_alone))
        self.submitted.append(future)
        self.most_ahead[worker] = max(self.most_ahead.get(worker, 0), len(self.held_by(worker)))
        return future

    def _done(self, function: Any, name: str, packed: bytes, is_alone: bool) -> Any:  # noqa: FBT001
        results, seconds = function(name, packed, is_alone)
        return results, seconds + self.clock.seconds_of_map * len(results)

    def held_by(self, worker: str) -> list[Future]:
        """The tasks of a worker that have not been released."""
        return [future for future in self.submitted if future.worker == worker and not future.is_released]

    def gather(self, futures: list[Future], *, errors: str, asynchronous: bool) -> list[Any]:
        assert (errors, asynchronous) == ("skip", True)
        return [future.result() for future in futures]

    def sync(self, function: Callable[..., Any], *given: Any, callback_timeout: float, **options: Any) -> Any:
        assert callback_timeout > 0
        return function(*given, **options)

    def cancel(self, futures: list[Future], force: bool) -> None:  # noqa: FBT001
        assert force
        self.cancelled += futures

    def goes(self, worker: str, *, is_expected: bool = False) -> None:
        """Have a worker leave, which the scheduler tells."""
        del self.workers[worker]
        self.tells(worker, is_expected=is_expected)

    def tells(self, worker: str, *, is_expected: bool = False) -> None:
        """Have the scheduler tell that a worker has left."""
        self.topics["all"]((0.0, {"action": "remove-worker", "worker": worker, "expected": is_expected}))

    def comes(self, worker: str) -> None:
        """Have a worker come, which the scheduler tells."""
        self.workers[worker] = 1
        self.topics["all"]((0.0, {"action": "add-worker", "worker": worker}))


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("maps")
    rng = np.random.default_rng(5)
    for side in ("pred", "gt"):
        (root / side).mkdir()
        for name in NAMES:
            np.save(root / side / f"{name}.npy", rng.random((4, 5)))
    return root / "pred", root / "gt"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    pytest.importorskip("distributed")
    clock = Clock()
    played = Client(clock)
    monkeypatch.setattr("kldeval.executors.dask.time", clock)
    monkeypatch.setattr("kldeval.executors.dask.get_worker", lambda: played)
    monkeypatch.setattr("kldeval.executors.dask.settle_process", lambda: None)
    monkeypatch.setattr("kldeval.executors.dask.one_by_one", lambda work, items: list(work(items)))
    monkeypatch.setattr("kldeval.executors.dask.SECONDS_TO_LISTEN", 0.001)
    return played


def scored(client: Client, maps: tuple[Path, Path]) -> list[str]:
    """The warnings of a run, which gives all that a run of this machine gives, and leaves the client as it was."""
    told: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = kldeval.evaluate(
            *maps, client=client, engine_timeout=5, progress=lambda outcome, _total: told.append(outcome.name)
        )
    assert (told, client.in_vain) == (NAMES, [])
    assert found.scores == kldeval.evaluate(*maps, jobs=1).scores
    assert (client.status, client.plugins, client.topics) == ("running", {}, {})
    return [str(one.message) for one in caught]


def died(worker: str) -> str:
    return f"a Dask worker ({worker}) died; the maps that it was at are done again, each alone"


def after(number: int, react: Callable[[Future], None]) -> Callable[[Future], None]:
    """Do so with the task of this number, and finish all others."""
    return lambda future: react(future) if len(future.client.submitted) == number else future.finish()


def held_by_one(future: Future, act: Callable[[Client], None]) -> None:
    """Have the worker `one` hold its tasks until it has four, and then something happen, once."""
    client = future.client
    if future.worker != "one":
        future.finish()
    elif len(client.held_by("one")) == 4:
        act(client)


def test_each_task_is_released_and_no_thread_has_more_than_four_ahead(client: Client, maps: tuple[Path, Path]) -> None:
    client.workers = {"one": 1, "three": 3}
    assert scored(client, maps) == []
    assert all(future.is_released for future in client.submitted)
    assert client.most_ahead["one"] <= 4
    assert 8 < client.most_ahead["three"] <= 12


def test_whatever_a_dead_worker_may_have_been_at_is_done_again_alone(client: Client, maps: tuple[Path, Path]) -> None:
    """Any of its tasks: that it had done the first of them may not have been said when it died at the next."""
    client.reacts = lambda future: held_by_one(future, lambda client: client.goes("one"))
    assert scored(client, maps) == [died("one")]
    given = [future.names for future in client.submitted if future.worker == "one"]
    assert len(given) == 4
    assert [future.names for future in client.submitted if future.is_alone] == given
    assert all(future.is_released for future in client.submitted)


def test_a_worker_that_is_sent_away_was_at_no_fault(client: Client, maps: tuple[Path, Path]) -> None:
    client.reacts = lambda future: held_by_one(future, lambda client: client.goes("one", is_expected=True))
    assert scored(client, maps) == []
    assert not any(future.is_alone for future in client.submitted)


def test_what_a_dead_worker_had_done_is_not_done_alone(client: Client, maps: tuple[Path, Path]) -> None:
    """Its results died with it, but it was at another task when it did."""

    def act(client: Client) -> None:
        first = client.held_by("one")[0]
        first.fails_to_come = sys.maxsize
        first.finish()
        client.goes("one")

    client.reacts = lambda future: held_by_one(future, act)
    assert scored(client, maps) == [died("one")]
    given = [future.names for future in client.submitted if future.worker == "one"]
    assert [future.names for future in client.submitted if future.is_alone] == given[1:]


def test_what_a_dead_worker_says_afterwards_is_not_heard(client: Client, maps: tuple[Path, Path]) -> None:
    """The results of its first task are there twice, those of the worker that was given it last count."""

    def act(client: Client) -> None:
        late = client.held_by("one")
        client.goes("one")
        for future in late:
            future.finish()

    client.reacts = lambda future: held_by_one(future, act)
    assert scored(client, maps) == [died("one")]


def test_a_task_that_ends_workers_is_alone_from_the_first_death_on(client: Client, maps: tuple[Path, Path]) -> None:
    """Each death costs one worker: the next one does it in a process of its own, and lives."""

    def kills(future: Future) -> None:
        if "07" in future.names and not future.is_alone:
            client.goes(future.worker)
        else:
            future.finish()

    client.workers = {"one": 1, "two": 1, "three": 1}
    client.reacts = kills
    assert len(scored(client, maps)) == 1
    assert len(client.workers) == 2
    assert [future.is_alone for future in client.submitted if "07" in future.names] == [False, True]


def test_results_that_are_slow_to_come_are_asked_for_again(client: Client, maps: tuple[Path, Path]) -> None:
    def late(future: Future) -> None:
        future.fails_to_come = 2
        future.finish()

    client.reacts = late
    assert scored(client, maps) == []


def test_results_that_could_not_be_had_are_waited_for_anew(client: Client, maps: tuple[Path, Path]) -> None:
    """Dask takes such a task for one that has not been done, and tells its end again."""

    def lost_on_the_way(future: Future) -> None:
        future.is_undone_by_failing = future.fails_to_come = not client.lost.count(future)
        client.lost.append(future)
        future.finish()

    client.reacts = lost_on_the_way
    assert scored(client, maps) == []
    assert len(client.lost) == 2 * len(client.submitted)


def test_an_error_of_the_work_is_that_of_the_run(client: Client, maps: tuple[Path, Path]) -> None:
    def fails(future: Future) -> None:
        future.do = lambda: 1 // 0
        future.finish()

    client.reacts = after(5, fails)
    with pytest.raises(ZeroDivisionError, match="by zero"):
        scored(client, maps)
    assert (client.plugins, client.topics) == ({}, {})


def test_a_scheduler_that_goes_ends_the_run(client: Client, maps: tuple[Path, Path]) -> None:
    def goes(future: Future) -> None:
        client.status = "closed"
        future.cancel()

    client.reacts = after(5, goes)
    with pytest.raises(EngineLost, match=r"^the Dask scheduler is lost; with cache a further run goes on from here$"):
        scored(client, maps)
    assert client.cancelled == []  # nobody is there to be told


def test_a_scheduler_that_goes_while_workers_are_asked_ends_the_run(client: Client, maps: tuple[Path, Path]) -> None:
    def goes(*_given: Any, **_where: Any) -> Any:
        msg = "the connection is closed"
        raise OSError(msg)

    client.run = goes  # type: ignore[method-assign]
    with pytest.raises(EngineLost, match="the Dask scheduler is lost"):
        scored(client, maps)


@pytest.mark.parametrize("is_told_first", [True, False])
def test_workers_may_be_gone_for_a_while(client: Client, maps: tuple[Path, Path], *, is_told_first: bool) -> None:
    """As long as `--engine-timeout`, which counts from when the last one went and not from when one was seen last."""
    ask, start = client.scheduler_info, client.clock.now

    def asked(n_workers: int) -> dict[str, Any]:
        if client.clock.now >= start + 104 and "two" not in client.workers:
            if not is_told_first:
                client.tells("one")
            client.comes("two")
        return ask(n_workers)

    def all_gone(_future: Future) -> None:
        client.clock.now = start + 100
        client.scheduler_info = asked  # type: ignore[method-assign]
        client.workers.clear()
        if is_told_first:
            client.tells("one")

    client.workers = {"one": 1}
    client.reacts = after(5, all_gone)
    assert scored(client, maps)


def test_a_cluster_may_be_started_again(client: Client, maps: tuple[Path, Path]) -> None:
    """By somebody else: its tasks are cancelled, and its workers are replaced."""

    def again(future: Future) -> None:
        future.cancel()
        for old, new in (("one", "three"), ("two", "four")):
            client.goes(old, is_expected=True)
            client.comes(new)

    client.reacts = after(5, again)
    assert scored(client, maps) == []


def test_what_is_to_be_done_alone_stays_so_when_the_next_worker_dies(client: Client, maps: tuple[Path, Path]) -> None:
    """Here at another map, which is alone from then on as well."""

    def dies(future: Future) -> None:
        if future.worker == "one" and len(client.held_by("one")) == 2:
            client.goes("one")
        elif future.worker == "two" and future.is_alone and "two" in client.workers:
            client.goes("two")
            client.comes("three")
        elif future.worker == "three" or (future.worker == "two" and future.names != ["01"]):
            future.finish()

    client.reacts = dies
    assert scored(client, maps) == [died("one"), died("two")]
    lost = [future.names for future in client.submitted if future.worker == "one"]
    alone = [future.names for future in client.submitted if future.worker == "three" and future.is_alone]
    assert sorted(alone) == sorted([*lost, ["01"]])


def test_no_worker_for_too_long_ends_the_run(client: Client, maps: tuple[Path, Path]) -> None:
    start = client.clock.now

    def gone(future: Future) -> None:
        client.goes("one")
        client.goes("two")
        del future

    client.reacts = after(5, gone)
    with pytest.warns(RuntimeWarning, match="died"), pytest.raises(EngineLost, match=re.escape("5 s (engine_timeout)")):
        kldeval.evaluate(*maps, client=client, engine_timeout=5)
    assert 5 < client.clock.now - start < 6


def test_an_interrupt_cancels_what_is_with_the_cluster(client: Client, maps: tuple[Path, Path]) -> None:
    def interrupts(_future: Future) -> None:
        if len(client.submitted) == 6:
            raise KeyboardInterrupt

    client.reacts = interrupts
    with pytest.raises(KeyboardInterrupt):
        kldeval.evaluate(*maps, client=client)
    assert client.cancelled == client.submitted
    assert (client.status, client.plugins, client.topics) == ("running", {}, {})


@pytest.mark.parametrize(("seconds", "largest"), [(0.001, 4), (0.5, 3), (3.0, 1)])
def test_tasks_take_a_second_or_two(client: Client, maps: tuple[Path, Path], seconds: float, largest: int) -> None:
    """As soon as it is known how long a map takes; and the last ones are small, so that no worker waits for another."""
    client.clock.seconds_of_map = seconds
    assert scored(client, maps) == []
    sizes = [len(future.names) for future in client.submitted]
    assert max(sizes) == largest
    assert sizes[0] == sizes[-1] == 1


def test_a_worker_holds_few_maps_of_a_task_at_a_time(
    client: Client, maps: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was counted of tiny maps is larger than these, and thousands of them are a task."""
    finish, sizes = resolve_name("kldeval.engine.worker:Scoring.finish"), set()

    def noted(self: Any, begun: Any) -> Any:
        sizes.add(len(begun))
        return finish(self, begun)

    monkeypatch.setattr("kldeval.engine.worker.Scoring.finish", noted)
    monkeypatch.setattr("kldeval.executors.local.LARGEST_CHUNK", 2)
    client.clock.seconds_of_map = 0.001
    assert scored(client, maps) == []
    assert max(len(future.names) for future in client.submitted) == 4
    assert sizes == {1, 2}


def test_workers_of_another_version_are_refused_and_of_other_arithmetic_noted(
    client: Client, maps: tuple[Path, Path]
) -> None:
    client.differences = {"two": {"python": "3.99"}}
    assert scored(client, maps) == []
    client.differences = {"two": {"numpy": "9.9", "opencv": "8.8", "arithmetic": "77"}}
    (note,) = scored(client, maps)
    assert note.startswith("Dask workers differ from this process, so last bits of numbers may: arithmetic 77, here ")
    assert re.search(r"; numpy 9\.9, here \S+; opencv 8\.8, here \S+$", note)
    client.differences = {"two": {"kldeval": "9.9"}}
    with pytest.raises(UsageProblem, match=r"the Dask worker two has kldeval 9\.9, this is .*: install one version"):
        scored(client, maps)


def test_a_worker_that_does_not_answer_is_given_nothing(client: Client, maps: tuple[Path, Path]) -> None:
    """It is on its way out, or ends again and again at its start."""
    client.differences = {"two": OSError("gone")}
    assert scored(client, maps) == []
    assert {future.worker for future in client.submitted} == {"one"}


def test_a_worker_that_comes_later_is_asked_as_well(client: Client, maps: tuple[Path, Path]) -> None:
    def another(future: Future) -> None:
        client.comes("three")
        future.finish()

    client.differences = {"three": {"kldeval": "9.9"}}
    client.reacts = after(3, another)
    with pytest.raises(UsageProblem, match=r"the Dask worker three has kldeval 9\.9"):
        scored(client, maps)


def test_a_worker_is_settled_first_and_nothing_that_fails_there_keeps_it_from_starting(
    client: Client, maps: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went wrong is the error of the first task."""

    def settle() -> None:
        msg = "no threads here"
        raise OSError(msg)

    monkeypatch.setattr("kldeval.executors.dask.settle_process", settle)
    with pytest.raises(OSError, match="no threads here"):
        scored(client, maps)
    assert len(client.submitted) > 1
