"""Forked worker processes: the death of one costs nothing but the item that caused it.

Every worker has a pipe of its own, so it is known which chunk a dead worker was at. The items of that chunk are done
once more, each alone in a fresh process with limits on its memory and its time; one that ends this process, too, is
reported as lost. Nothing is done in the parent, which would take all results with it. The standard library's pools
cannot do this: they only know that some worker has died. The parent needs no threads, so it may fork again at any time.
"""

from __future__ import annotations

import math
import os
import pickle
import resource
import signal
import time
import warnings
from collections import deque
from dataclasses import field
from itertools import islice
from multiprocessing import Pipe, get_context
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.dataclass import NamedTuple, dataclass
from kldeval.executors.messages import heed
from kldeval.executors.protocol import parts_of, read_in_order, results_of_lost
from kldeval.process import keep_freed_memory, make_expendable, signals_wait
from kldeval.regular import why

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

    from kldeval.executors.protocol import Item, Result, Work


CHUNKS_AHEAD = 8
"""Chunks per worker that may wait for an earlier one: memory must not grow with the number of items."""

CHUNKS_AT_WORKER = 2
"""Chunks that a worker has at a time: the next one is there already when it has finished one."""

LARGEST_SENT_AHEAD = 1 << 15
"""Bytes of a chunk that is sent to a worker at work. It fits into the pipe: nobody waits for a reader who waits."""

FREE_DESCRIPTORS = 24
"""Open files that this process and every worker keep for the maps themselves when workers are started."""

SECONDS_ALONE = 600
"""Processor time that an item may take when it is done alone, because it ended a worker before."""

SECONDS_TO_END = 2.0
"""How long a worker may take to remove what it is writing before it is killed."""


class _Answer(NamedTuple):
    """What became of a chunk: its results, or the exception that its work raised."""

    results: Sequence[Any]
    error: BaseException | None = None


@dataclass(slots=True)
class _Chunk:
    """Some neighbouring items, as they are sent, and what became of them, once it is known."""

    items: Sequence[Any]
    sent: bytes = b""
    answer: _Answer | None = None

    def results(self) -> Sequence[Any]:
        """The results, or the exception."""
        assert self.answer is not None  # noqa: S101 - for the type checker: asked of answered chunks alone
        if self.answer.error is not None:
            raise self.answer.error
        return self.answer.results


@dataclass(slots=True, eq=False)
class _Worker:
    """A process, the pipe to it, and the chunks that it has, oldest first."""

    process: ForkProcess
    connection: Connection
    chunks: deque[_Chunk] = field(default_factory=deque)


def in_processes(work: Work[Item, Result], chunks: Iterable[Sequence[Item]], count: int) -> Iterator[Result]:
    """The results of all chunks, in their order; see `chunks_in_processes`."""
    for found in chunks_in_processes(work, chunks, count):
        yield from found


def chunks_in_processes(
    work: Work[Item, Result], chunks: Iterable[Sequence[Item]], count: int
) -> Iterator[Sequence[Result]]:
    """The results of each chunk, in their order, computed by at most `count` forked processes.

    There are fewer where the limit on open files or processes allows no more. This process must have a single thread.
    What is to be read in the order of the items is read here, and sent with them.

    Raises:
        OSError: not one process can be started.
        WorkerDied: an item ended its process, and the work has no answer to that.
    """
    pool = _Pool(work, count)
    try:
        yield from pool.results(chunks)
    finally:
        pool.close()


class _Pool:
    def __init__(self, work: Work[Any, Any], count: int) -> None:
        self._work = work
        self._count = count
        self._workers: list[_Worker] = []
        self._to_do: deque[_Chunk] = deque()

    def results(self, chunks: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """The results of each chunk, in their order."""
        coming = iter(chunks)
        waiting: deque[_Chunk] = deque()
        while True:
            taken = [_Chunk(items) for items in islice(coming, max(0, self._count * CHUNKS_AHEAD - len(waiting)))]
            waiting.extend(taken)
            self._to_do.extend(taken)
            self._hand_out()
            if not waiting:
                return
            self._listen(0 if waiting[0].answer else None)
            while waiting and waiting[0].answer:
                yield waiting.popleft().results()

    def close(self) -> None:
        """End all workers; one that is writing a file has time to remove it."""
        for worker in self._workers:
            worker.process.terminate()
            worker.connection.close()
        for worker in self._workers:
            worker.process.join(SECONDS_TO_END)
            _reap(worker)
        self._workers.clear()

    def _hand_out(self) -> None:
        """Give every worker something to do, starting workers as long as there is more than the others can take."""
        while self._to_do and len(self._workers) < self._count and self._has_room():
            self._add_worker()
        for depth in range(CHUNKS_AT_WORKER):
            for worker in [one for one in self._workers if len(one.chunks) == depth]:
                if not self._to_do:
                    return
                self._send(worker)

    def _add_worker(self) -> None:
        try:
            with signals_wait():
                self._workers.append(self._start())
        except OSError as error:
            if not self._workers:
                raise
            self._fewer(f"the system ({why(error)})")

    def _has_room(self) -> bool:
        """Whether the limit on open files allows another worker; the first one is always tried."""
        used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no paths are needed
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if not self._workers or allowed == resource.RLIM_INFINITY or allowed - used > FREE_DESCRIPTORS:
            return True
        self._fewer(f"the limit on open files ({allowed})")
        return False

    def _fewer(self, why: str) -> None:
        warnings.warn(f"{why} allows {len(self._workers)} of {self._count} workers", RuntimeWarning, stacklevel=2)
        self._count = len(self._workers)

    def _send(self, worker: _Worker) -> None:
        chunk = self._to_do[0]
        if not chunk.sent:  # it is kept until there is an answer: what is read in order is not read again
            chunk.sent = pickle.dumps(read_in_order(self._work, chunk.items))
        if worker.chunks and len(chunk.sent) > LARGEST_SENT_AHEAD:
            return
        try:
            worker.connection.send_bytes(chunk.sent)
        except OSError:
            self._died(worker)
        else:
            worker.chunks.append(self._to_do.popleft())

    def _listen(self, seconds: float | None) -> None:
        """Take the answers that have come, waiting for one unless told how long."""
        by_connection = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(by_connection), seconds):
            worker = by_connection[connection]  # type: ignore[index]
            answer = _received(worker)
            if answer is None:
                self._died(worker)
            else:
                chunk = worker.chunks.popleft()
                chunk.answer, chunk.sent = answer, b""

    def _died(self, worker: _Worker) -> None:
        """Do what a dead worker was at in another way; what it had not begun goes back."""
        self._workers.remove(worker)
        how = _how_it_ended(worker)
        suspect = worker.chunks.popleft() if worker.chunks else None
        self._to_do.extendleft(reversed(worker.chunks))
        if suspect is not None:
            warnings.warn(f"a worker process {how}; its maps are done again, each alone", RuntimeWarning, stacklevel=2)
            suspect.answer, suspect.sent = self._one_by_one(suspect.items), b""

    def _one_by_one(self, items: Sequence[Any]) -> _Answer:
        """The answer for items that are done each alone in a process with limits."""
        results: list[Any] = []
        alone: _Worker | None = None
        try:
            for item in [part for whole in items for part in parts_of(self._work, whole)]:
                if alone is None:
                    with signals_wait():
                        alone = self._start(limited=True)
                alone.connection.send_bytes(pickle.dumps([item]))
                answer = _received(alone)
                if answer is None:
                    how, alone = _how_it_ended(alone), None
                    reason = f"the process that worked on it {how}, and another one that did nothing else ended, too"
                    results += results_of_lost(self._work, item, reason)
                elif answer.error is not None:
                    return answer
                else:
                    results += answer.results
        except Exception as error:  # noqa: BLE001 - it is raised when the results are asked for
            return _Answer((), error)
        finally:
            if alone is not None:
                alone.process.terminate()
                _reap(alone)
        return _Answer(results)

    def _start(self, *, limited: bool = False) -> _Worker:
        ours, theirs = Pipe()
        inherited = [ours, *(worker.connection for worker in self._workers)]
        arguments = (self._work, theirs, inherited, os.getpid(), limited)
        process = get_context("fork").Process(target=_serve, args=arguments, daemon=True)
        try:
            process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return _Worker(process, ours)


def _received(worker: _Worker) -> _Answer | None:
    """The worker's next answer; None where it has died."""
    try:
        answer: _Answer = worker.connection.recv()
    except (EOFError, OSError):
        return None
    return answer


def _reap(worker: _Worker) -> None:
    worker.connection.close()
    if worker.process.is_alive():
        worker.process.join(SECONDS_TO_END)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()
    worker.process.close()


def _how_it_ended(worker: _Worker) -> str:
    """How a process that has closed its pipe ended, as the rest of a sentence."""
    worker.process.join(SECONDS_TO_END)
    code = worker.process.exitcode
    _reap(worker)
    return "stopped answering" if code is None else ended(code)


def ended(code: int) -> str:
    """How a process with an exit code ended, as the rest of a sentence."""
    if code == -signal.SIGKILL:
        return "was killed, perhaps for want of memory (fewer --jobs need less)"
    if code == -signal.SIGXCPU:
        return f"took more than {SECONDS_ALONE} s of processor time"
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


# in the worker


def _serve(
    work: Work[Any, Any],
    connection: Connection,
    inherited: Iterable[Connection],
    parent: int,
    limited: bool,  # noqa: FBT001
) -> None:
    """Answer chunks until there are no more, or nobody listens."""
    make_expendable()
    keep_freed_memory()
    for other in inherited:
        other.close()
    heed(parent)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    while True:
        try:
            items = connection.recv()
        except (EOFError, ConnectionResetError):
            return
        if limited:
            limit()
        try:
            connection.send_bytes(_answered(work, items))
        except (BrokenPipeError, ConnectionResetError):
            return


def limit() -> None:
    """Allow this process what memory is free now, and some time from now on."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    numbers = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    seconds = math.ceil(time.process_time()) + SECONDS_ALONE
    limits = {resource.RLIMIT_AS: size + numbers["MemAvailable"], resource.RLIMIT_CPU: seconds}
    for what, most in limits.items():
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _answered(work: Work[Any, Any], items: Sequence[Any]) -> bytes:
    """The pickled answer for a chunk."""
    try:
        return pickle.dumps(_Answer(list(work(items))))
    except Exception as error:  # noqa: BLE001 - it is raised in the parent
        return _pickled(error)


def _pickled(error: Exception) -> bytes:
    """An answer with the exception, or with what it says where it cannot be pickled."""
    try:
        data = pickle.dumps(_Answer((), error))
        pickle.loads(data)  # noqa: S301 - made in the line above
    except Exception:  # noqa: BLE001 - whatever its methods do
        return pickle.dumps(_Answer((), RuntimeError(f"{type(error).__name__}: {error}")))
    return data
