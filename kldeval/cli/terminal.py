"""What the command line asks of its terminal and its process: a progress bar, the signals, the standard streams."""

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import contextmanager
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from kldeval.run_options import Progress


@contextmanager
def progress_bar(*, progress: bool | None, quiet: bool = False, label: str = "pairs") -> Iterator[Progress | None]:
    """What to tell every outcome and the number of pairs; nothing where no bar is wanted.

    The bar is labelled with what is scored, pairs per second, and the time that is left.
    """
    is_wanted = not quiet and _is_drawable() if progress is None else progress
    if not is_wanted:
        yield None
        return
    from kldeval.writers.progress import ProgressBar

    bar = ProgressBar(label)
    try:
        yield bar.advance
    finally:
        bar.stop()


def _is_drawable() -> bool:
    """Whether standard error is a terminal whose user minds no control codes, with which a bar is drawn."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown")
    return sys.stderr.isatty() and not plain


class Ended(BaseException):
    """The process was asked to end by a signal; what it was doing ends in order."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number
        """The exit code that a shell gives a process which the signal ends."""


def end_in_order() -> None:
    """Let SIGTERM and SIGHUP raise `Ended`, so that temporary files are removed and workers end.

    A signal that is ignored (nohup) stays so, and a second one changes nothing.
    """
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None)):
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _raise_ended)


def ignore_signals() -> None:
    """Let nothing interrupt the last steps: the outcome is known and written."""
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)):
        if number is not None:
            signal.signal(number, signal.SIG_IGN)


def _raise_ended(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise Ended(number)


class ReaderGone(OSError):
    """Whoever read standard output has enough; an error of its own, because click knows only one exit code for it."""


class _Output(FileIO):
    """Standard output, whose reader may go away."""

    def write(self, data: Any) -> int:
        """Write what can be written at once."""
        try:
            return super().write(data)
        except BrokenPipeError as error:
            raise ReaderGone from error


class _Closed(FileIO):
    """A stream that was closed before the program began; it leads nowhere, and whoever writes to it is told so once."""

    _told = False

    def write(self, data: Any) -> int:
        """Refuse what is written first; what is left in a buffer is lost in silence afterwards."""
        if self._told:
            return len(data)
        self._told = True
        raise OSError(errno.EBADF, "standard output is closed")


class _Lossy(FileIO):
    """A stream that may lose what is written to it: nobody can be told that messages cannot be written."""

    def write(self, data: Any) -> int:
        """Write what can be written."""
        try:
            return super().write(data)
        except OSError:
            return len(data)


def open_streams() -> None:
    """Make standard output and standard error write all that they are given, or fail.

    Without a buffer, which PYTHONUNBUFFERED asks for, Python ignores that a full disk took only a part. A stream that
    is closed is opened on nothing, so that no other file gets its number and the messages that libraries write to it.
    A character that an encoding lacks is written as an escape.
    """
    closed = [_occupied(number) for number in range(3)]
    kinds: tuple[type[FileIO], ...] = (_Closed if closed[1] else _Output, _Lossy)
    streams = []
    for number, kind, before in zip((1, 2), kinds, (sys.stdout, sys.stderr), strict=True):
        raw = kind(number, "w", closefd=False)
        encoding = getattr(before, "encoding", None) or "utf-8"
        at_once = number == 2 or raw.isatty()  # noqa: PLR2004 - standard error
        streams.append(TextIOWrapper(BufferedWriter(raw), encoding, "backslashreplace", line_buffering=at_once))
    sys.stdout, sys.stderr = streams


def _occupied(number: int) -> bool:
    """Whether a standard stream was closed; it leads to nothing then."""
    try:
        os.fstat(number)
    except OSError:
        # the lowest free number is given, and those below are taken
        os.open(os.devnull, os.O_RDWR)
        return True
    return False


def say_warnings() -> None:
    """Show the package's warnings as the program's own messages, a line each."""
    import warnings

    from kldeval.cli.messages import say

    warnings.showwarning = lambda message, *_: say(str(message), "warning")


def discard_output() -> None:
    """Let what is left in the buffer of standard output go nowhere: writing it has failed already."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
