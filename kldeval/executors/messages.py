"""What a process that does work for a program tells it beside results, and what it heeds of the program's signals."""

from __future__ import annotations

import os
import pickle
import signal
import warnings
from typing import TYPE_CHECKING, Any

from kldeval.dataclass import NamedTuple
from kldeval.process import end_with, let_signals_come

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


class Message(NamedTuple):
    """What a process tells its program; `kind` is a word that both know, such as warned, failed or done."""

    kind: str
    content: Any = None


def failure(error: Exception) -> Message:
    """The message that work failed, with the exception, or with what it says where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    except Exception:  # noqa: BLE001 - whatever its methods do
        return Message("failed", RuntimeError(f"{type(error).__name__}: {error}"))
    return Message("failed", error)


def forward_warnings(connection: Connection) -> None:
    """Have the program told what this process warns of; its workers have no part in the connection."""
    own, show = os.getpid(), warnings.showwarning

    def tell(message: Warning | str, *where: Any, **more: Any) -> None:
        if os.getpid() == own:
            connection.send(Message("warned", str(message)))
        else:
            show(message, *where, **more)

    warnings.simplefilter("always", RuntimeWarning)
    warnings.showwarning = tell


def heed(program: int) -> None:
    """End with the program or when it says so: not at Ctrl-C, which reaches it, too, nor at a hang-up that it ignores.

    A run under nohup goes on when its terminal is closed, and so do its workers.
    """
    end_with(program)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, leave)
    let_signals_come()


def leave(_number: int, _frame: Any) -> None:
    """End in order: files that are being written are removed on the way."""
    raise SystemExit(128 + signal.SIGTERM)
