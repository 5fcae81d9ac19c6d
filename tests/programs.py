"""The program as tests start it in a process of its own, without its start-up where that is not what they are about."""

from __future__ import annotations

import atexit
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

    The process that forks is started the first time, and ends with the tests. Elsewhere than on Linux, and where a
    coverage of true processes is asked for, it is Python itself.
    """
    if sys.platform != "linux" or "COVERAGE_PROCESS_START" in os.environ:
        return [sys.executable]
    folder = tempfile.TemporaryDirectory(prefix="kldeval-tests-")
    path = Path(folder.name) / "socket"
    server = subprocess.Popen(
        [sys.executable, HERE / "fork_server.py", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        cwd=HERE.parent,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    atexit.register(folder.cleanup)
    atexit.register(server.communicate, b"end")
    assert server.stdout.readline() == b"ready\n"
    return [sys.executable, "-I", "-S", str(HERE / "fork_client.py"), str(path), sys.executable]


def in_shells(*words: str) -> str:
    """`python` and these words as a shell reads them."""
    return shlex.join([*python(), *words])


def make_kldeval(path: Path) -> None:
    """Write a program that shells find as `kldeval`."""
    path.write_text(f'#!/bin/sh\nexec {in_shells("-m", "kldeval")} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
