"""Items that may end whoever works on them, each in a process that does nothing else: for workers with many threads.

`python -m kldeval.executors.one_by_one` reads pickles from its standard input, the work and then items one by one, and
answers each on its standard output.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from kldeval.executors.protocol import parts_of, results_of_lost
from kldeval.process import leave_interrupts, make_expendable, settle_process, signals_wait

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

    from kldeval.executors.protocol import Work

_LENGTH = struct.Struct("<Q")


def one_by_one(work: Work[Any, Any], items: Sequence[Any]) -> list[Any]:
    """The results of all items; of one that ends its process what the work says of it.

    Raises:
        Exception: what the work raises.
        WorkerDied: an item ended its process, and the work has no answer to that.
    """
    results: list[Any] = []
    child: _Child | None = None
    try:
        for item in [part for whole in items for part in parts_of(work, whole)]:
            child = child or _Child(work)
            answer = child.answer(item)
            if answer is None:
                how, child = child.end(), None
                reason = f"the process that worked on it {how}, as one did before that worked on others, too"
                results += results_of_lost(work, item, reason)
                continue
            found, error = answer
            if error is not None:
                raise error
            results += found
    finally:
        if child is not None:
            child.end()
    return results


class _Child:
    def __init__(self, work: Work[Any, Any]) -> None:
        command = [sys.executable, "-m", "kldeval.executors.one_by_one"]
        with signals_wait():
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - ours
        self._is_sent = False
        self._work = pickle.dumps(work)

    def answer(self, item: Any) -> Any:
        """The results and the error of an item; None where the process has ended."""
        to, back = self._process.stdin, self._process.stdout
        assert to is not None  # noqa: S101 - for the type checker
        assert back is not None  # noqa: S101 - for the type checker
        try:
            if not self._is_sent:
                _send(to, self._work)
                self._is_sent = True
            _send(to, pickle.dumps(item))
            data = _received(back)
        except OSError:
            return None
        return None if data is None else pickle.loads(data)  # noqa: S301 - made by our own process

    def end(self) -> str:
        """End the process, and say how it ended, as the rest of a sentence."""
        from kldeval.executors.processes import ended

        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        return ended(code)


def _send(stream: IO[bytes], data: bytes) -> None:
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def _received(stream: IO[bytes]) -> bytes | None:
    """The next message; None where there is no whole one."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    return data if len(data) == length else None


def main() -> None:
    """Answer items until there are no more."""
    from kldeval.executors.processes import limit

    leave_interrupts()
    settle_process()
    make_expendable()
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # whatever libraries print is no answer
        whole = _received(sys.stdin.buffer)
        work = pickle.loads(whole) if whole else None  # noqa: S301 - made by our own process
        while (data := _received(sys.stdin.buffer)) is not None:
            limit()
            _send(answers, _answered(work, data))


def _answered(work: Any, data: bytes) -> bytes:
    try:
        return pickle.dumps((list(work([pickle.loads(data)])), None))  # noqa: S301 - made by our own process
    except Exception as error:  # noqa: BLE001 - it is raised by who asked
        try:
            return pickle.dumps((None, error))
        except Exception:  # noqa: BLE001 - whatever its methods do
            return pickle.dumps((None, RuntimeError(f"{type(error).__name__}: {error}")))


if __name__ == "__main__":
    main()
