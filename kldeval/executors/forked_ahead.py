"""Workers that a process beside this one forks, itself forked before this one has threads: for runs on a GPU.

torch starts threads as it is imported, and a process with threads cannot be forked safely. So the process that starts
workers is forked before, gets the work when it is known, and does it as `LocalPool` does, with all that one does about
workers that die. What they give comes back through shared memory. A process that has threads already has no such
helper: threads do the work.
"""

from __future__ import annotations

import os
import pickle
import warnings
from multiprocessing import Pipe, get_context
from typing import TYPE_CHECKING, Any

from kldeval.errors import EngineLost
from kldeval.executors.local import LocalPool, ThreadPool, may_fork
from kldeval.executors.messages import Message, failure, forward_warnings, heed
from kldeval.executors.processes import ended
from kldeval.executors.protocol import may_end_process, parts_of, reads_in_order, results_of_lost
from kldeval.executors.shared_memory import Packed, SharedBlocks
from kldeval.process import signals_wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

    from kldeval.executors.protocol import Item, Result, Work


LARGEST_ITEM = 1 << 16
"""Bytes of an item that are worth sending: a map that is an array here need not be read."""

SECONDS_TO_END = 5.0
"""How long the process may take to end its workers before it is killed."""


class ForkedAhead:
    """An executor of processes that were forked ahead of the threads of this one; of threads where none were."""

    elsewhere: tuple[Mapping[str, str], ...] = ()

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._process: ForkProcess | None = None
        self._connection: Connection | None = None
        self._blocks: SharedBlocks | None = None
        self._is_stopped = False
        self._is_busy = False

    @property
    def is_forked(self) -> bool:
        """Whether processes do the work."""
        return self._process is not None and not self._is_stopped

    def fork(self) -> None:
        """Fork the process that starts workers, where that is safe and possible."""
        if self._process is not None:
            return
        if not may_fork():
            _say("threads read the files, because this process has threads already")
            return
        try:
            self._blocks = SharedBlocks()
            ours, theirs = Pipe()
        except OSError:
            return  # threads do the work
        arguments = (theirs, ours, os.getpid(), self.workers, self._blocks)
        process = get_context("fork").Process(target=_serve, args=arguments, daemon=False)
        try:
            with signals_wait():
                process.start()
                self._process, self._connection = process, ours
        except OSError:
            ours.close()
            return
        finally:
            theirs.close()
        _say(f"processes that are forked before torch is imported read the files, {self.workers} at most")

    def map(self, work: Work[Item, Result], items: Sequence[Item]) -> Iterator[Result]:
        """The results of all items, in their order; see `Executor`. They are begun at once."""
        data = self._pickled(work, items)
        if data is None or self._connection is None:
            return ThreadPool(self.workers).map(work, items)
        self._is_busy = True
        self._connection.send_bytes(data)
        return self._results(self._connection)

    def stop(self) -> None:
        """End all work: whoever waits for a result of it, in whichever thread, waits no more."""
        if self._process is not None and not self._is_stopped:
            self._is_stopped = True
            self._process.terminate()

    def close(self) -> None:
        """End the process and its workers, and give up what it took."""
        if self._process is None or self._connection is None or self._blocks is None:
            return
        self.stop()
        self._process.join(SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()
        self._connection.close()
        self._blocks.close()
        self._process = self._connection = self._blocks = None

    def _pickled(self, work: Work[Item, Any], items: Sequence[Item]) -> bytes | None:
        """The work and its items as they are sent; None where threads do it."""
        # work within the results of other work is done by threads
        if not self.is_forked or self._is_busy or not items:
            return None
        try:
            if len(pickle.dumps(items[0])) > LARGEST_ITEM:
                return None
            return pickle.dumps((work, items))
        except Exception:  # noqa: BLE001 - whatever cannot be sent, threads can do
            return None

    def _results(self, connection: Connection) -> Iterator[Any]:
        is_done = False
        try:
            while True:
                try:
                    message = connection.recv()
                except (EOFError, OSError):
                    is_done = True
                    if self._is_stopped:
                        return
                    raise self._lost() from None
                if isinstance(message, Packed) and self._blocks is not None:
                    yield self._blocks.unpack(message)
                elif message.kind == "warned":
                    warnings.warn(message.content, RuntimeWarning, stacklevel=2)
                else:
                    is_done = True
                    if message.kind == "failed":
                        raise message.content
                    return
        finally:
            self._is_busy = False
            if not is_done:  # who stops listening stops the work
                self.stop()

    def _lost(self) -> EngineLost:
        """What is said of a process that is gone."""
        assert self._process is not None  # noqa: S101 - for the type checker
        self._process.join(SECONDS_TO_END)
        code = self._process.exitcode
        how = "stopped answering" if code is None else ended(code)
        self._is_stopped = True
        return EngineLost(f"the process that reads the files {how}")


def _say(what: str) -> None:
    import logging  # here, because only runs on a GPU need it

    logging.getLogger("kldeval").debug("%s", what)


# in the process that starts workers


def _serve(connection: Connection, other: Connection, parent: int, workers: int, blocks: SharedBlocks) -> None:
    """Do work as it comes until there is no more."""
    other.close()
    heed(parent)
    forward_warnings(connection)
    while True:
        try:
            work, items = pickle.loads(connection.recv_bytes())  # noqa: S301 - of the process that forked this one
        except EOFError:
            return
        except Exception as error:  # noqa: BLE001 - it is raised in the parent
            connection.send(failure(error))
            continue
        try:
            packing: Work[Any, Packed] = _Packing(work, blocks)
            for packed in LocalPool(workers).map(packing, items):
                connection.send(packed)
        except BrokenPipeError:
            return
        except Exception as error:  # noqa: BLE001 - it is raised in the parent
            connection.send(failure(error))
        else:
            connection.send(Message("done"))


class _Packing:
    """Work whose results are packed where they are made; the process that starts workers only passes them on."""

    most_at_once = 1
    """Results wait for earlier ones, and are large."""

    def __init__(self, work: Any, blocks: SharedBlocks) -> None:
        self.work = work
        self.blocks = blocks

    def __call__(self, items: Sequence[Any]) -> list[Packed]:
        """The packed results."""
        return list(map(self.blocks.pack, self.work(items)))

    def split(self, item: Any) -> Sequence[Any]:
        """The item in the smallest parts."""
        return parts_of(self.work, item)

    def may_end_process(self, item: Any) -> bool:
        """Whether the item should be done by a worker alone."""
        return may_end_process(self.work, [item])

    def reads_in_order(self, items: Sequence[Any]) -> bool:
        """Whether something of these is read in their order."""
        return reads_in_order(self.work, items)

    def with_contents(self, item: Any) -> Any:
        """The item with what was read of it."""
        return self.work.with_contents(item)

    def lost(self, item: Any, reason: str) -> list[Packed]:
        """The results of an item that ended the process that worked on it."""
        return list(map(self.blocks.pack, results_of_lost(self.work, item, reason)))
