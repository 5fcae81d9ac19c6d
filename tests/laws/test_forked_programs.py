"""A fork that tests take for a process of its own does, and is, what a fresh one does and is."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from programs import python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every process is a fresh one")

FRESH = [sys.executable]
HOME = Path(__file__).resolve().parents[2]

WHAT_IT_IS = """
import os, resource, signal, sys, warnings
print(sys.argv, __name__, os.getcwd(), sorted(os.environ.items()), os.umask(0), os.getpgid(0) == os.getpid())
print([stream and (stream.name, stream.mode, stream.encoding, stream.errors, stream.line_buffering,
       stream.write_through, stream.isatty(), stream.fileno()) for stream in (sys.stdin, sys.stdout, sys.stderr)])
print([str(signal.getsignal(number)) for number in (1, 2, 3, 13, 15, 25)], sys.dont_write_bytecode)
print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE))
warnings.warn('old', DeprecationWarning)
print(sys.path[0], [path for path in sys.path if path == os.environ.get("PYTHONPATH")], sys.stdin and sys.stdin.read())
"""

PROGRAMS = [
    WHAT_IT_IS,
    "import sys; sys.exit(3)",
    "import sys; sys.exit('a word')",
    "import sys; sys.exit(-1)",
    "1 / 0",
    "raise KeyboardInterrupt",
    "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "import os; os.abort()",
    "import os; print('never seen'); os._exit(5)",
    "import atexit; atexit.register(print, 'after'); print('before')",
    "import threading, time; threading.Timer(0.05, print, ['at last']).start()",
    "import warnings; warnings.warn('careful')",
    "import sys; print('out'); print('err', file=sys.stderr); print('out')",
    "while True: print('y')",
]

SHELLS = [
    "{program} a 'b c' < /dev/null",
    "umask 027; ulimit -n 99; trap '' INT; {program} > /dev/full < /dev/null",
    "{program} <&-",
    "{program} >&- < /dev/null",
    "{program} 2>&- < /dev/null",
    "PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 {program} < /dev/null | cat",
    "echo typed | {program} 2>&1 | head -n 100",
    "{program} < /dev/null & wait $!",
]


def outcome(start: list[str], words: list[str], shell: str, place: Path) -> tuple[int, str, str]:
    """What a shell sees."""
    command = f"{shell.format(program=shlex.join([*start, *words]))}; echo $? ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(HOME), "ANY": "thing"}
    del environment["PYTEST_CURRENT_TEST"]
    done = subprocess.run(
        [str(shutil.which("bash")), "-c", command],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("code", PROGRAMS)
def test_it_ends_as_a_fresh_process_does(code: str, tmp_path: Path) -> None:
    shell = "{program} | head -n 1" if code.startswith("while") else "{program} | cat"
    fresh, forked = (outcome(start, ["-W", "error", "-c", code], shell, tmp_path) for start in (FRESH, python()))
    assert forked == fresh


@pytest.mark.parametrize("shell", SHELLS)
def test_it_is_to_the_system_what_a_fresh_process_is(shell: str, tmp_path: Path) -> None:
    fresh, forked = (outcome(start, ["-c", WHAT_IT_IS], shell, tmp_path) for start in (FRESH, python()))
    assert forked == fresh


@pytest.mark.parametrize("shell", [SHELLS[0], SHELLS[3]])
def test_the_program_is_the_program(shell: str, tmp_path: Path) -> None:
    fresh, forked = (outcome(start, ["-m", "kldeval", "--version"], shell, tmp_path) for start in (FRESH, python()))
    assert forked == fresh


KIND = "import sys; print('numpy' in sys.modules)"


@pytest.mark.parametrize(
    "variable",  # of values that no environment has by itself
    ["PYTHONHASHSEED=34567", "OMP_NUM_THREADS=77", "LC_ALL=xx_XX", "LANG=xx_XX", "PYTHONPATH=."],
)
def test_what_says_how_processes_start_starts_one(variable: str, tmp_path: Path) -> None:
    (tmp_path / "kldeval").mkdir()
    assert outcome(python(), ["-c", KIND], "cd /; {program}", tmp_path)[1] == "True\n0 0\n"
    inside = "{program}" if variable.startswith("PYTHONPATH") else "cd /; {program}"
    assert outcome(python(), ["-c", KIND], f"export {variable}; {inside}", tmp_path)[1] == "False\n0 0\n"


def test_who_kills_the_client_kills_the_program() -> None:
    """It holds the other end of standard output, which is at its end when nobody does."""
    with subprocess.Popen([*python(), "-c", "import time; print(1, flush=True); time.sleep(600)"], stdout=-1) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"1\n"
        client.kill()
        assert client.stdout.read() == b""


def test_a_fork_has_kept_nothing_of_what_was_run_before() -> None:
    """The server scores a pair before it forks: what hangs on a folder or on the environment is asked again."""
    code = """
import sys
modules = [vars(module) for name, module in sys.modules.items() if name.startswith("kldeval")]
caches = {name: value for one in modules for name, value in one.items() if hasattr(value, "cache_info")}
print(len(caches), {name for name, value in caches.items() if value.cache_info().currsize})
"""
    done = subprocess.run([*python(), "-c", code], capture_output=True, text=True, check=True)
    number, _, full = done.stdout.partition(" ")
    assert int(number) > 20
    assert full == "set()\n"
