"""Files that are read by a process of their own, because C libraries read them that a damaged file might crash.

One child process reads such files for its parent, within bounds of memory and time, and with what its libraries print
thrown away; when a file ends it, that file is refused, and the next one gets a new child.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import importlib.util
import os
import pickle
import selectors
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.data.readers.files import refusals
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.digests import continue_request, current_request
from kldeval.errors import KldevalError, UnreadableMap, printable
from kldeval.packages import check_package
from kldeval.process import leave_interrupts, make_expendable, signals_wait

if TYPE_CHECKING:
    from kldeval.data.readers.stored import Limits
    from kldeval.memory import MapContents

ENDING = 10.0
"""So many seconds a child that has closed its pipe has for its end."""

SECONDS = 120.0
"""How long a file may take; a data set of a thousand images takes a few seconds."""

MEMORY = 2**31
"""Bytes of address space that the child may have beside three copies of the values."""

_LENGTH = struct.Struct("<Q")


class ReaderLost(UnreadableMap):
    """A file ended the process that read it, or took too long."""


@dataclass(slots=True)
class _Child:
    """The process that reads for this one; it ends when its standard input does."""

    process: subprocess.Popen[bytes]


_child: list[_Child] = []
_inherited: list[_Child] = []
_lock = threading.Lock()


def _end_child() -> None:
    """End the child of this process, if it has one."""
    for child in _child:
        child.process.kill()
        _closed(child.process)
    _child.clear()


def _closed(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a process that has ended or is ending, whose pipes are closed."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    return process.wait()


def _forget_child() -> None:
    """After a fork the child is the parent's, and whoever held the lock is not here."""
    global _lock  # noqa: PLW0603 - a lock that another thread held cannot be released
    _inherited.extend(_child)
    _child.clear()
    _lock = threading.Lock()


atexit.register(_end_child)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_child)


def load_apart(module: str, path: MapContents, limits: Limits, function: str = "load", *given: Any) -> Any:
    """What `load(path, limits)` of a module returns, called in the child process; or another function of it.

    Further arguments stand before the path.

    Raises:
        UnreadableMap: damaged, too large, too slow, or it ended the child.
        KldevalError: whatever else `load` raises.
    """
    with _lock:
        child = _started()
        try:
            answer = _answer_of(
                child, pickle.dumps((module, function, given, str(Path.cwd()), current_request(), path, limits))
            )
        except (OSError, EOFError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(ENDING)  # it has closed its pipe: its own exit code tells why
            child.kill()
            code = _closed(child)
            _child.clear()
            what = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
            msg = f"{printable(path)}: damaged: the process that read it ended ({what})"
            raise ReaderLost(msg) from None
        except TimeoutError:
            _end_child()
            msg = f"{printable(path)}: damaged, or too large: reading it took over {SECONDS:g} seconds"
            raise ReaderLost(msg) from None
        except BaseException:
            _end_child()  # Ctrl-C, as an interrupt of a notebook: its answer would be taken for that of the next file
            raise
    if isinstance(answer, KldevalError):
        raise answer
    return answer


class Library(NamedTuple):
    """A library that only the child imports: its name, what needs it, and the command that installs it."""

    name: str
    files: str
    command: str

    def check(self) -> None:
        """Refuse files that need it where it is not installed.

        Raises:
            MissingDependency: it is not.
        """
        check_package(self.name, f"{self.files} need {self.name}", self.command)


def _started() -> subprocess.Popen[bytes]:
    """The child of this process: after a fork the parent's is not ours."""
    if _child and _child[0].process.poll() is not None:
        _end_child()
    if not _child:
        command = [sys.executable, "-m", __spec__.name if __spec__ else __name__]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        with signals_wait():
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere)  # noqa: S603 - this program
            _child.append(_Child(process))
    return _child[0].process


def _answer_of(child: subprocess.Popen[bytes], question: bytes) -> Any:
    if child.stdin is None or child.stdout is None:
        raise EOFError
    child.stdin.write(_LENGTH.pack(len(question)) + question)
    child.stdin.flush()
    deadline = time.monotonic() + SECONDS
    (length,) = _LENGTH.unpack(_received(child.stdout.fileno(), _LENGTH.size, deadline))
    return pickle.loads(_received(child.stdout.fileno(), length, deadline))  # noqa: S301 - our own child wrote it


def _received(pipe: int, n_bytes: int, deadline: float) -> bytearray:
    received = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while len(received) < n_bytes:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            part = os.read(pipe, min(n_bytes - len(received), 2**20))
            if not part:
                raise EOFError
            received += part
    return received


def serve() -> None:
    """Answer the questions on standard input until it ends: what the child process does."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    leave_interrupts()
    make_expendable()
    # files are only read, and may be written meanwhile: HDF5 asks for this when it is loaded
    os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")
    # what libraries print is no answer
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    while len(head := questions.read(_LENGTH.size)) == _LENGTH.size:
        question = pickle.loads(questions.read(*_LENGTH.unpack(head)))  # noqa: S301 - the parent wrote it
        module, function, given, here, asked_for, path, limits = question
        continue_request(asked_for)
        answer: Any
        try:
            reader = importlib.import_module(module)
            _bound_memory(limits)
            with refusals(path):
                os.chdir(here)  # relative paths are those of the process that asks
                answer = getattr(reader, function)(*given, path, limits)
        except KldevalError as error:
            # dask, which xarray imports, has exceptions pickled with their causes, and not every cause can be
            error.__cause__ = error.__context__ = None
            answer = error
        data = pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)
        answers.write(_LENGTH.pack(len(data)) + data)
        answers.flush()


def _bound_memory(limits: Limits) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not every system can
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY + 3 * 8 * limits.max_pixels, hard))


def _address_space() -> int:
    """The bytes that libraries and their threads take before anything is read, which may be gigabytes."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


if __name__ == "__main__":
    serve()
