"""A Dask cluster: its workers do some items at a time, and the results come in their order.

What all items have in common goes to every worker once, as a plugin, because data that was scattered dies with its
worker. Each task is meant for one worker: only so is it known which items a worker was at when it died, and those are
done again at once, each alone in a process, before they can end another worker.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import time
import uuid
import warnings
import zlib
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any

from distributed import Client, Worker, WorkerPlugin, get_worker

from kldeval._version import __version__
from kldeval.dataclass import dataclass
from kldeval.errors import EngineLost, UsageProblem
from kldeval.executors import local
from kldeval.executors.one_by_one import one_by_one
from kldeval.executors.protocol import most_at_once
from kldeval.executors.scheduler import wait_for_scheduler
from kldeval.process import settle_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.executors.protocol import Item, Result, Work


SECONDS_OF_TASK = 1.5
"""How long a task is to take: a tenth of a second less than this is lost between two of them."""

TASKS_AHEAD = 4
"""Tasks of each thread that are with the cluster, or wait for an earlier one to be done."""

LARGEST_TASK = 4096
"""Most items of a task."""

SECONDS_TO_LISTEN = 0.5
"""How often it is looked whether there is a scheduler at all, and a worker where there is none."""

SECONDS_TO_LOOK = 10
"""How often the scheduler is asked for all its workers, although it tells who comes and who goes."""

SAMPLERS = ("profile", "tick")
"""What a worker does 100 and 50 times a second to watch itself: 2 % of a core, and a lock taken from who computes."""

SECONDS_TO_FETCH = 1
"""How long the results of a task may take to arrive before it is asked what else is new."""

SECONDS_TO_GREET = 5
"""How long a scheduler that answers may take at least to tell of itself."""

SECONDS_TO_CLOSE = 2
"""How long a connection may take to close."""

LOST = "the Dask scheduler is lost; with --cache a further run goes on from here"

TLS = "https://distributed.dask.org/en/stable/tls.html"
"""Where Dask says how certificates are named."""

LOGGERS = (
    "distributed",
    "distributed.client",
    "distributed.core",
    "distributed.comm",
    "tornado.application",
    "asyncio",
)
"""Who writes to standard error when a connection is lost."""


@dataclass(frozen=True, slots=True)
class DaskCluster:
    """An executor of the workers of a scheduler: that of `client`, which stays open, or at an address.

    `timeout` is how many seconds may pass without any worker.
    """

    address: str | None = None
    client: Client | None = None
    timeout: float = 60.0
    workers: int = 1
    elsewhere: list[dict[str, str]] = field(default_factory=list)

    def map(self, work: Work[Item, Result], items: Sequence[Item]) -> Iterator[Result]:
        """The results of all items, in their order; see `Executor`.

        Raises:
            EngineLost: there is no scheduler or no worker, or no longer.
            UsageProblem: the workers have another version of kldeval, or none.
        """
        with self._connected() as client:
            run = _Run(client, work, self.timeout, self.elsewhere)
            try:
                yield from run.results(items)
            finally:
                run.close()

    @contextmanager
    def _connected(self) -> Iterator[Client]:
        if self.client is not None:
            yield self.client
            return
        assert self.address is not None  # noqa: S101 - for the type checker
        with _silent():
            client = self._client(self.address)
            try:
                yield client
            finally:
                with suppress(Exception):
                    client.close(timeout=SECONDS_TO_CLOSE)

    def _client(self, address: str) -> Client:
        wait_for_scheduler(address, self.timeout)
        try:
            return Client(address, timeout=max(self.timeout, SECONDS_TO_GREET), set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            msg = f"there is no Dask scheduler at {address}: {str(error).partition(chr(10))[0]}"
            raise EngineLost(msg) from error
        except TypeError as error:  # what Dask raises where an encrypted address has no certificates
            needs = "needs the certificates of tls (ca-file, client cert and key) in Dask's configuration"
            msg = f"{address} {needs}: {TLS}"
            raise UsageProblem(msg) from error


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing that Dask says of lost connections is printed: it is said in our words."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@dataclass(slots=True, eq=False)
class _Task:
    """Some neighbouring items, who is at them, and what became of them, once it is known."""

    items: Sequence[Any]
    is_alone: bool = False
    worker: str = ""
    future: Any = None
    is_finished: bool = False
    results: Sequence[Any] | None = None
    error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self.results is not None or self.error is not None


@dataclass(slots=True)
class _Crew:
    """The workers by their addresses, each with its number of threads; and since when there has been none."""

    threads: dict[str, int] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)
    absent_since: float = field(default_factory=time.monotonic)


class _Run:
    def __init__(self, client: Client, work: Work[Any, Any], timeout: float, seen: list[dict[str, str]]) -> None:
        self._seen = seen
        self._client = client
        self._timeout = timeout
        self._name = f"kldeval-{uuid.uuid4().hex}"
        self._news: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._crew = _Crew()
        self._to_do: deque[_Task] = deque()
        self._waiting: deque[_Task] = deque()
        self._largest = most_at_once(work, LARGEST_TASK)
        self._seconds_per_item = 0.0
        self._looked = 0.0
        client.subscribe_topic("all", self._noted)
        self._look_for_workers()
        client.register_plugin(WorkOfRun(pickle.dumps(work), os.getcwd()), name=self._name)  # noqa: PTH109 - a text

    def results(self, items: Sequence[Any]) -> Iterator[Any]:
        """The results of all items, in their order."""
        start = 0
        while True:
            while len(self._waiting) < TASKS_AHEAD * sum(self._crew.threads.values()) and start < len(items):
                size = self._size(len(items) - start)
                task = _Task(list(items[start : start + size]))
                start += size
                self._waiting.append(task)
                self._to_do.append(task)
            self._hand_out()
            if not self._waiting and start >= len(items):
                return
            if not (self._waiting and self._waiting[0].is_done):
                self._listen()
            while self._waiting and self._waiting[0].is_done:
                task = self._waiting.popleft()
                if task.error is not None:
                    raise task.error
                yield from task.results or ()

    def close(self) -> None:
        """Leave the cluster as it was."""
        futures = [task.future for task in self._waiting if task.future is not None]
        with suppress(Exception):
            self._client.unsubscribe_topic("all")
        if self._client.status != "running":
            return
        with suppress(Exception):
            self._client.cancel(futures, force=True)
            self._client.unregister_worker_plugin(self._name)

    def _size(self, left: int) -> int:
        """How many items a task has: few at first and at the end."""
        if not self._seconds_per_item:
            return 1
        threads = sum(self._crew.threads.values()) or 1
        size = min(int(SECONDS_OF_TASK / self._seconds_per_item), left // (2 * threads), self._largest)
        return max(1, size)

    def _hand_out(self) -> None:
        """Give every worker something to do, the least busy first."""
        busy = dict.fromkeys(self._crew.threads, 0)
        for task in self._waiting:
            if task.future is not None and task.worker in busy:
                busy[task.worker] += 1
        while self._to_do and busy:
            address = min(busy, key=lambda one: busy[one] / self._crew.threads[one])
            if busy[address] >= TASKS_AHEAD * self._crew.threads[address]:
                return
            self._submit(self._to_do.popleft(), address)
            busy[address] += 1

    def _submit(self, task: _Task, address: str) -> None:
        key = f"{self._name}-{uuid.uuid4().hex}"
        task.worker = address
        task.future = self._client.submit(
            work_on, self._name, _packed(task.items), task.is_alone, key=key, workers=[address], pure=False
        )
        task.is_finished = False
        task.future.add_done_callback(partial(self._noted_end, task))

    def _noted_end(self, task: _Task, future: Any) -> None:
        if future is task.future:
            task.is_finished = future.status == "finished"
        self._news.put(("done", (task, future)))

    def _noted(self, event: tuple[Any, Any]) -> None:
        """Take note of what the scheduler tells of its workers."""
        message = event[1]
        action = message.get("action") if isinstance(message, dict) else None
        if action == "remove-worker":
            self._news.put(("removed", (message["worker"], bool(message.get("expected")))))
        elif action == "add-worker":
            self._news.put(("added", None))

    def _listen(self) -> None:
        """Take the next news, waiting a while for them.

        Raises:
            EngineLost: there is no scheduler any more, or has been no worker for too long.
        """
        try:
            kind, what = self._news.get(timeout=SECONDS_TO_LISTEN)
        except queue.Empty:
            kind, what = "", None
        if self._client.status != "running":
            raise EngineLost(LOST)
        if kind == "done":
            self._take(*what)
        elif kind == "removed":
            self._lose(*what)
        self._look_for_workers(is_due=kind == "added")

    def _take(self, task: _Task, future: Any) -> None:
        """The results of a task that is done, unless it was given to another worker meanwhile."""
        if future is not task.future or task.is_done:
            return
        if future.status == "finished":
            found = self._fetched(future)
            if not found:
                self._news.put(("done", (task, future)))
                return
            task.results, seconds = found[0]
            self._seconds_per_item = seconds / max(1, len(task.items)) if not task.is_alone else self._seconds_per_item
        elif future.status == "error":
            task.error = future.exception()
        elif future.status == "cancelled":  # by a scheduler that goes, or starts anew
            return
        else:  # its results could not be had, and are asked of the scheduler again
            future.add_done_callback(partial(self._noted_end, task))
            return
        future.release()
        task.future = None

    def _fetched(self, future: Any) -> Sequence[Any]:
        """What a future that is done holds; nothing where that does not come in time.

        Those that come no longer are left out: `Future.result` would leave something in Dask's loop that waits for
        them, and is an error that nobody takes when they are given up.
        """
        gather = partial(self._client.gather, asynchronous=True)
        try:
            found: list[Any] = self._client.sync(gather, [future], errors="skip", callback_timeout=SECONDS_TO_FETCH)
        except Exception as error:
            logging.getLogger("kldeval").debug("results of a Dask task were not there", exc_info=error)
            return []
        return found

    def _lose(self, address: str, is_expected: bool) -> None:  # noqa: FBT001
        """Do again what a worker had when it went: what it may have been at each alone, unless it was sent away."""
        if self._crew.threads:
            self._crew.absent_since = time.monotonic()
        self._crew.threads.pop(address, None)
        lost = [
            task for task in self._waiting if task.worker == address and not task.is_done and task.future is not None
        ]
        if lost and not is_expected:
            msg = f"a Dask worker ({address}) died; the maps that it was at are done again, each alone"
            warnings.warn(msg, RuntimeWarning, stacklevel=2)
        for task in lost:
            task.future.release()
            task.future = None
            # a worker says a little later that it has done a task: it may have been at any that is not known to be done
            task.is_alone = task.is_alone or not (is_expected or task.is_finished)
        self._to_do.extend(lost)

    def _look_for_workers(self, *, is_due: bool = False) -> None:
        """Find out who is there, where that is due or now and then; new workers are asked what they have.

        Raises:
            EngineLost: there has been none for too long.
            UsageProblem: as `_check`.
        """
        now = time.monotonic()
        if self._crew.threads and not is_due and now - self._looked < SECONDS_TO_LOOK:
            return
        self._looked = now
        found = self._client.scheduler_info(n_workers=-1)["workers"]
        threads = {address: int(worker["nthreads"]) for address, worker in found.items()}
        new = sorted(threads.keys() - self._crew.checked)
        if new:
            try:
                found_facts = self._client.run(facts, workers=new, on_error="return")
            except OSError as error:  # there is nobody to ask them
                raise EngineLost(LOST) from error
            _check(found_facts)
            answers = {address: one for address, one in found_facts.items() if isinstance(one, dict)}
            for one in answers.values():
                if one not in self._seen:
                    self._seen.append(one)
            self._crew.checked |= answers.keys()
        # who does not answer is on the way out, or ends again and again at its start: nobody to wait for
        had_some = bool(self._crew.threads)
        self._crew.threads = {address: count for address, count in threads.items() if address in self._crew.checked}
        if self._crew.threads or had_some:
            self._crew.absent_since = now
        elif now - self._crew.absent_since > self._timeout:
            nobody = f"no Dask worker came within {self._timeout:g} s (--engine-timeout)"
            msg = f"{nobody}; start some with 'dask worker', where kldeval is installed: without it they end at once"
            raise EngineLost(msg)
        else:
            time.sleep(min(0.1, self._timeout))


def _check(found: dict[str, Any]) -> None:
    """Refuse workers with another kldeval; note what else moves bits.

    Raises:
        UsageProblem: naming a worker and its version.
    """
    ours = facts()
    for address, theirs in found.items():
        if isinstance(theirs, BaseException):
            if isinstance(theirs, ImportError) or "ModuleNotFoundError" in str(theirs):  # Dask may tell it as a text
                lacks = f"the Dask worker {address} has no kldeval that this one can talk to ({theirs})"
                msg = f"{lacks}: install {__version__} there"
                raise UsageProblem(msg)
            continue  # it went while it was asked, which is noticed by itself
        if theirs["kldeval"] != ours["kldeval"]:
            has = f"the Dask worker {address} has kldeval {theirs['kldeval']}, this is {ours['kldeval']}"
            msg = f"{has}: install one version"
            raise UsageProblem(msg)
    different = sorted(
        {
            f"{name} {theirs.get(name, 'none')}, here {ours.get(name, 'none')}"
            for theirs in found.values()
            if isinstance(theirs, dict)
            for name in ours.keys() | theirs.keys()
            if name != "python" and theirs.get(name) != ours.get(name)
        }
    )
    if different:
        msg = f"Dask workers differ from this process, so last bits of numbers may: {'; '.join(different)}"
        warnings.warn(msg, RuntimeWarning, stacklevel=2)


def _packed(items: Sequence[Any]) -> bytes:
    """The items of a task, made small: schedulers and clients keep the last 1000 messages that they sent to each."""
    return zlib.compress(pickle.dumps(items), level=1)


# on the workers


def facts() -> dict[str, str]:
    """What a process computes with."""
    from kldeval.provenance import versions

    return versions()


class WorkOfRun(WorkerPlugin):  # type: ignore[misc]  # the library has no types
    """The work of a run on a worker, which finds its files as the client does: in its working directory."""

    def __init__(self, work: bytes, folder: str) -> None:
        self._pickled = work
        self._folder = folder
        self._work: Any = None
        self._problem: Exception | None = None
        self._stopped: list[Any] = []

    def setup(self, worker: Worker) -> None:
        """Make the process fit for work; what goes wrong is raised by the first task, which has somebody to tell."""
        try:
            self._stopped = _stop_samplers(worker)
            settle_process()
            _pin_opencv()
            if os.path.isdir(self._folder):  # noqa: PTH112 - a text
                os.chdir(self._folder)
            self._work = pickle.loads(self._pickled)  # noqa: S301 - made by the client
        except Exception as error:  # noqa: BLE001 - an error here would keep the worker from starting
            self._problem = error

    def teardown(self, worker: Worker) -> None:
        """Let the worker watch itself again."""
        del worker
        for sampler in self._stopped:
            sampler.start()

    def __call__(self, items: Sequence[Any], *, is_alone: bool) -> list[Any]:
        """The results of some items.

        Raises:
            Exception: what the work raises, or what went wrong before.
        """
        if self._problem is not None:
            raise self._problem
        if is_alone:
            return one_by_one(self._work, items)
        size = most_at_once(self._work, local.LARGEST_CHUNK)  # what is begun together is held together
        return [one for start in range(0, len(items), size) for one in self._work(items[start : start + size])]


def work_on(name: str, packed: bytes, is_alone: bool) -> tuple[list[Any], float]:  # noqa: FBT001
    """The results of some items and how many seconds they took, by the work of a run."""
    start = time.perf_counter()
    items = pickle.loads(zlib.decompress(packed))  # noqa: S301 - made by the client
    results = get_worker().plugins[name](items, is_alone=is_alone)
    return results, time.perf_counter() - start


def _stop_samplers(worker: Worker) -> list[Any]:
    """Stop the diagnostics for a dashboard, without which everything works; returns those that were stopped."""
    found = [worker.periodic_callbacks[name] for name in SAMPLERS if name in worker.periodic_callbacks]
    running = [one for one in found if one.is_running()]
    for sampler in running:
        sampler.stop()
    return running


def _pin_opencv() -> None:
    import sys

    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)
