"""Runs programs and says what they took."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

KILOBYTE = 1024
"""What Linux counts a process's memory in; macOS counts bytes."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Wall-clock seconds, the peak of resident memory, mapped files included, and seconds of the cores, of one run."""

    seconds: float
    peak_bytes: int
    cpu_seconds: float = 0.0


class ProgramFailed(RuntimeError):
    """A program did not end with 0: there is nothing to compare."""


def run(command: Sequence[str]) -> Usage:
    """What one run of a program took.

    Raises:
        ProgramFailed: it ended with another exit code than 0.
    """
    start = time.perf_counter()
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    message = process.stderr.read() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        msg = f"{' '.join(command)} ended with {process.returncode}: {message.strip()}"
        raise ProgramFailed(msg)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else KILOBYTE)
    return Usage(seconds, peak, usage.ru_utime + usage.ru_stime)
