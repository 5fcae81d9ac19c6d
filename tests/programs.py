"""The program as tests start it in a process of its own, without its start-up where that is not what they are about."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent


@cache
def python() -> list[str]:
    """What stands for `python` before `-m kldeval ...` or `-c CODE ...`, as truly as tests/fork_server.py says.

    The process that forks is started by the first of pytest's processes that asks, serves all of them, and ends with
    the first process of pytest. Elsewhere than on Linux, and where a coverage of true processes is asked for, it is
    Python itself.
    """
    if sys.platform != "linux" or "COVERAGE_PROCESS_START" in os.environ:
        return [sys.executable]
    from fcntl import LOCK_EX, flock

    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    folder = Path(tempfile.gettempdir(), f"kldeval-tests-{run}") if run else Path(tempfile.mkdtemp())
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "socket"
    with (folder / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not path.exists():
            start_server(path, os.getppid() if run else os.getpid())
    return [sys.executable, "-I", "-S", str(HERE / "fork_client.py"), str(path), sys.executable]


def start_server(path: Path, owner: int) -> None:
    """Start the process that forks, and wait until it serves; it ends with its owner, and removes the folder."""
    server = subprocess.Popen(
        [sys.executable, HERE / "fork_server.py", path, str(owner)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        cwd=HERE.parent,
    )
    assert server.stdout is not None
    with server.stdout:
        assert server.stdout.readline() == b"ready\n"
    server.returncode = 0  # nobody waits for it


def in_shells(*words: str) -> str:
    """`python` and these words as a shell reads them."""
    return shlex.join([*python(), *words])


def make_kldeval(path: Path) -> None:
    """Write a program that shells find as `kldeval`."""
    path.write_text(f'#!/bin/sh\nexec {in_shells("-m", "kldeval")} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
