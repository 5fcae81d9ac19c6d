"""A clean process beside one that must not be forked: it has a single thread and settled memory, and forks the workers.

A program that calls the library has threads, those of numpy alone if no others: whoever forked it might wait for a lock
that one of them held. The clean process is a fresh Python that imports kldeval and nothing of the program, so it needs
no `if __name__ == "__main__"` there. It asks for chunks and gives their results; whatever it cannot be given (functions
of the program's main module, files that only the program has open) is work for threads. It ends when the program ends.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kldeval._version import __version__
from kldeval.dataclass import NamedTuple
from kldeval.executors.messages import Message, failure, forward_warnings, heed
from kldeval.process import ONE_THREAD, is_single_threaded, settle_process, share_cores, signals_wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.executors.protocol import Item, Work


STARTED = "import sys; sys.path[:] = sys.argv[3:]; from kldeval.executors.clean_process import main; main()"
"""What the clean process runs. It looks for modules where the program does, not in the folder that it is called in."""

OWN_NAMES = {
    b"__main__": "functions or classes of the program's main module",
    b"/proc/self/": "files of /proc/self",
    b"/dev/fd/": "files of /dev/fd",
    b"/dev/std": "its standard input",
    b"kldeval.data.containers.remote": "URLs, for which the program may have been told credentials",
}
"""What means something else in another process, and how it shows in what is sent."""

WORTH_IMPORTING = ("cv2",)
"""What the workers would import one by one, where the program has needed it so far."""

LARGEST_ITEM = 1 << 16
"""Bytes of an item that are worth sending: to send a map that is an array here takes longer than to score it."""

SECONDS_TO_END = 5.0
"""How long the clean process may take to end its workers before it is killed."""


class CannotHelp(Exception):
    """The work cannot be done in a process of ours; the message says why."""


_LAST = ("failed", "refused", "done")
"""The kinds of messages after which the clean process ends; others are hello, ready, wants, found and warned."""


class _Assignment(NamedTuple):
    """What the clean process has to know at once; `packages` are imported before workers are forked."""

    work: Any
    workers: int
    n_items: int
    packages: Sequence[str]
    is_debugged: bool


def why_none_starts() -> str | None:
    """Why no clean process can be started from this one; None: it can."""
    if sys.platform != "linux":
        return "workers are processes on Linux alone"
    if getattr(sys, "frozen", False) or not sys.executable:
        return "this program is no Python that could be started once more"
    return None


class CleanProcess:
    """A process that forks workers, to be had with `with`; `unanswered` are the chunks whose results did not come."""

    def __init__(self, work: Work[Item, Any], workers: int, items: Sequence[Item]) -> None:
        """Start it; the items are not given to it yet.

        Raises:
            CannotHelp: the work cannot be sent, or no process be started.
        """
        why = why_none_starts()
        if why:
            raise CannotHelp(why)
        packages = [name for name in WORTH_IMPORTING if name in sys.modules]
        if len(_pickled(items[0])) > LARGEST_ITEM:
            msg = "maps that are arrays of this process take longer to send than to score"
            raise CannotHelp(msg)
        self._assignment = _pickled(_Assignment(work, workers, len(items), packages, _is_debugged()))
        self.unanswered: deque[Sequence[Any]] = deque()
        self._connection, self._process = _started()
        self._state = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        if not self._state:  # it has no workers yet
            self._process.kill()
        elif self._state != "done":
            self._process.terminate()
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def is_ready(self) -> bool:
        """Whether the process can be given chunks by now; the work is sent as soon as there is somebody to read it.

        Raises:
            CannotHelp: it cannot do the work.
        """
        try:
            while self._connection.poll(0):
                message: Message = self._connection.recv()
                if message.kind == "refused":
                    raise CannotHelp(message.content)
                if message.kind == "ready":
                    self._state = message.kind
                    return True
                _check_twin(message.content)
                self._connection.send_bytes(self._assignment)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            msg = f"the process that was to fork workers ended as it started ({type(error).__name__})"
            raise CannotHelp(msg) from error
        return False

    def answers(self, chunks: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """The results of each chunk, in their order.

        Raises:
            CannotHelp: a chunk cannot be sent, or the process is gone; chunks are unanswered then.
            Exception: what the work raises.
        """
        cannot = None
        while True:
            try:
                message: Message = self._connection.recv()
                if message.kind == "wants":
                    cannot = self._give(None if cannot else next(chunks, None))
            except (EOFError, OSError) as error:
                msg = "the process that forked the workers is gone"
                raise CannotHelp(msg) from error
            if message.kind == "found":
                self.unanswered.popleft()
                yield message.content
            elif message.kind == "warned":
                warnings.warn(message.content, RuntimeWarning, stacklevel=2)
            elif message.kind in _LAST:
                self._state = "done"
                if message.kind == "failed":
                    raise message.content
                if message.kind == "refused" or cannot:
                    raise cannot or CannotHelp(message.content)
                return

    def _give(self, chunk: Sequence[Any] | None) -> CannotHelp | None:
        """Send a chunk, or that there are no more; why it cannot be sent."""
        cannot, data = None, b""
        if chunk is not None:
            self.unanswered.append(chunk)
            try:
                data = _pickled(chunk)
            except CannotHelp as why:
                cannot = why
        self._connection.send_bytes(data)
        return cannot


def _started() -> tuple[Connection, subprocess.Popen[bytes]]:
    from multiprocessing import Pipe

    ours, theirs = Pipe()
    # our own libraries leave threads to us, whatever the program does
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
    command = [sys.executable, "-c", STARTED, str(theirs.fileno()), str(os.getpid()), *_search_path()]
    nowhere = subprocess.DEVNULL
    try:
        with signals_wait():
            process = subprocess.Popen(  # noqa: S603 - ours
                command, stdin=nowhere, stdout=nowhere, pass_fds=(theirs.fileno(),), env=environment
            )
    except OSError as error:
        ours.close()
        msg = f"no process can be started ({error})"
        raise CannotHelp(msg) from error
    finally:
        theirs.close()
    return ours, process


def _search_path() -> list[str]:
    """Where the program looks for modules; not in a package, where cv2 looks while another thread imports it."""
    return [one for one in map(str, sys.path) if not (Path(one) / "__init__.py").exists()]


def _pickled(what: Any) -> bytes:
    """What is to be sent.

    Raises:
        CannotHelp: it cannot be, or would mean something else where it arrives.
    """
    try:
        data = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        msg = f"the work cannot be sent to another process ({type(error).__name__}: {error})"
        raise CannotHelp(msg) from error
    for name, meaning in OWN_NAMES.items():
        if name in data:
            msg = f"the work has {meaning}, which another process does not have"
            raise CannotHelp(msg)
    return data


def _identity() -> tuple[str, str, str]:
    return sys.version, __version__, __file__


def _check_twin(identity: tuple[str, str, str]) -> None:
    if identity != _identity():
        msg = f"{sys.executable} is another Python, or has another kldeval"
        raise CannotHelp(msg)


def _is_debugged() -> bool:
    if "logging" not in sys.modules:
        return False
    import logging

    return logging.getLogger("kldeval").isEnabledFor(logging.DEBUG)


# in the clean process


def main() -> None:
    """Do the work of the program that started this process; the arguments are its connection and the program's id."""
    connection, program = Connection(int(sys.argv[1])), int(sys.argv[2])
    heed(program)
    settle_process()
    connection.send(Message("hello", _identity()))
    try:
        assignment = pickle.loads(connection.recv_bytes())  # noqa: S301 - of the program that started this one
        _prepare(assignment)
    except Exception as error:  # noqa: BLE001 - threads of the program do the work then
        connection.send(Message("refused", f"{type(error).__name__}: {error}"))
        return
    try:
        _serve(connection, assignment)
    except (EOFError, OSError):
        return  # the program is gone, or wants no more


def _prepare(assignment: _Assignment) -> None:
    """Import what workers need.

    Raises:
        CannotHelp: there are threads now.
    """
    if "cv2" in assignment.packages:
        from kldeval.arrays import opencv

        opencv()
    if assignment.is_debugged:
        import logging

        logging.getLogger("kldeval").addHandler(logging.StreamHandler())
        logging.getLogger("kldeval").setLevel(logging.DEBUG)
    if not is_single_threaded():
        msg = "what it imports starts threads"
        raise CannotHelp(msg)


def _serve(connection: Connection, assignment: _Assignment) -> None:
    from kldeval.executors.processes import chunks_in_processes

    share_cores(assignment.workers, assignment.n_items)
    connection.send(Message("ready"))

    forward_warnings(connection)
    try:
        for found in chunks_in_processes(assignment.work, _requested_chunks(connection), assignment.workers):
            connection.send(Message("found", found))
        last = Message("done")
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except CannotHelp as why:
        last = Message("refused", str(why))
    except Exception as error:  # noqa: BLE001 - the program raises it
        last = failure(error)
    connection.send(last)


def _requested_chunks(connection: Connection) -> Iterator[Sequence[Any]]:
    """The chunks of the program, each asked for when there is room."""
    while True:
        connection.send(Message("wants"))
        data = connection.recv_bytes()
        if not data:
            return
        try:
            chunk = pickle.loads(data)  # noqa: S301 - of the program that started this one
        except Exception as error:
            msg = f"the work cannot be read in another process ({type(error).__name__}: {error})"
            raise CannotHelp(msg) from error
        yield chunk
