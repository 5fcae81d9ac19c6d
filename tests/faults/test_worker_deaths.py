"""Workers that die: only the item that kills them is lost, nobody is left behind, and what is scarce is not needed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from programs import python
from watching import happens, is_running, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the workers are threads")

HOME = Path(__file__).parents[2]

HEAD = """
import json, os, resource, signal, sys, time, warnings
from kldeval.executors.local import LocalPool
from kldeval.executors.protocol import WorkerDied
here, folder = os.getpid(), os.environ.get("FOLDER", "")

class Work:
    def __init__(self, fault): self.fault = fault
    def __call__(self, numbers): return [self.one(number) for number in numbers]
    def one(self, number):
        time.sleep(0.01 if number < 2 else 0.0004)  # the first say whether workers are worth while
        self.fault(number, os.getpid() == here)
        return number
    def lost(self, number, reason): return [f"{number} {reason}"]

def results(work, count=300, workers=2):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = list(LocalPool(workers).map(work, range(count)))
    return found, sorted({str(one.message) for one in said})
"""


def alone(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What the code does in a process with one thread."""
    environment = {**os.environ, "PYTHONPATH": str(HOME), "OPENBLAS_NUM_THREADS": "1", **variables}
    command = [*python(), "-W", "error", "-c", HEAD + code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("ignored", [True, False])
def test_a_hang_up_ends_workers_unless_the_program_ignores_it(ignored: bool) -> None:  # noqa: FBT001
    """As under nohup, where the terminal hangs up on every process of the run."""
    done = alone(
        f"signal.signal(signal.SIGHUP, signal.{'SIG_IGN' if ignored else 'SIG_DFL'})\n"
        "def fault(number, is_parent):\n"
        "    if number == 30 and not is_parent: os.kill(os.getpid(), signal.SIGHUP)\n"
        "found, said = results(Work(fault), 60)\n"
        "print(found == list(range(60)), len(said))\n"
    )
    assert (done.stdout, done.stderr) == ("True 0\n" if ignored else "False 1\n", "")


@pytest.mark.parametrize(
    ("death", "how"),
    [
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            "was killed, perhaps for want of memory (fewer --jobs need less)",
        ),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGBUS)", "was ended by SIGBUS"),
        ("os._exit(7)", "ended with exit code 7"),
    ],
)
def test_an_item_that_always_kills_is_lost_and_nothing_else(death: str, how: str) -> None:
    """It is never done in the parent, whatever it does to a worker."""
    done = alone(
        "def fault(number, is_parent):\n"
        "    if number == 30:\n"
        "        assert not is_parent\n"
        f"        {death}\n"
        "found, said = results(Work(fault))\n"
        "print(found[:30] + found[31:] == [number for number in range(300) if number != 30])\n"
        "print(found[30]); print(said)\n"
    )
    reason = f"the process that worked on it {how}, and another one that did nothing else ended, too"
    said = [f"a worker process {how}; its maps are done again, each alone"]
    assert (done.stdout, done.stderr) == (f"True\n30 {reason}\n{said}\n", "")


def test_an_item_that_kills_once_is_not_lost(tmp_path: Path) -> None:
    """A run of a night is not lost because memory was short once."""
    done = alone(
        "def fault(number, is_parent):\n"
        "    if number == 30 and not os.path.exists(folder + '/once'):\n"
        "        open(folder + '/once', 'w').close(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "print(results(Work(fault))[0] == list(range(300)))\n",
        FOLDER=str(tmp_path),
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_many_items_may_kill() -> None:
    done = alone(
        "def fault(number, is_parent):\n"
        "    if number % 7 == 6: os._exit(1)\n"
        "found, _ = results(Work(fault), 100, 3)\n"
        "print([one for one in found if isinstance(one, int)] == [one for one in range(100) if one % 7 != 6])\n"
        "print([int(one.split()[0]) for one in found if isinstance(one, str)] == list(range(6, 100, 7)))\n"
    )
    assert (done.stdout, done.stderr) == ("True\nTrue\n", "")


def test_work_that_knows_no_answer_raises() -> None:
    done = alone(
        "def work(numbers):\n"
        "    time.sleep(0.01)\n"
        "    if 30 in numbers: os._exit(1)\n"
        "    return numbers\n"
        "try: results(work, 60)\n"
        "except WorkerDied as error: print(error)\n"
    )
    expected = (
        "the process that worked on it ended with exit code 1, and another one that did nothing else ended, too\n"
    )
    assert (done.stdout, done.stderr) == (expected, "")


def test_an_item_alone_has_limits() -> None:
    """It cannot take more memory than is free: it is told so, instead of ending others."""
    done = alone(
        "def fault(number, is_parent):\n"
        "    if number == 30:\n"
        "        unlimited = resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY\n"
        "        if unlimited: os._exit(1)\n"
        "        try: bytes(1 << 46)\n"
        "        except MemoryError: pass\n"
        "        else: os._exit(1)\n"
        "print(results(Work(fault))[0] == list(range(300)))\n"
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_few_open_files_mean_few_workers() -> None:
    """64 workers do not fit into 64 open files; those that do can still open files of their own."""
    done = alone(
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "def fault(number, is_parent): [os.close(one) for one in [os.open(os.devnull, 0) for _ in range(10)]]\n"
        "found, said = results(Work(fault), 500, 64)\n"
        "print(found == list(range(500))); print(len(said), said[0][:37])\n"
    )
    assert (done.stdout, done.stderr) == ("True\n1 the limit on open files (64) allows 1\n", "")


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path: Path, signal_: signal.Signals) -> None:
    """However it ends, and whatever they do."""
    code = (
        "def fault(number, is_parent):\n"
        "    if not is_parent:\n"
        "        open(f'{folder}/{os.getpid()}', 'w').close(); time.sleep(60)\n"
        "    time.sleep(0.02)\n"
        "results(Work(fault))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(HOME), "OPENBLAS_NUM_THREADS": "1", "FOLDER": str(tmp_path)}
    with running([sys.executable, "-c", HEAD + code], env=environment, stderr=subprocess.DEVNULL) as parent:
        assert happens(lambda: len(list(tmp_path.iterdir())) == 2)
        parent.send_signal(signal_)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    assert happens(lambda: not any(map(is_running, workers)))
