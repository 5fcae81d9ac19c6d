"""Workers of a process that is forked before this one has threads: what they give, and that nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from programs import python
from watching import happens, is_running, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the workers are threads")

HOME = Path(__file__).parents[2]

HEAD = """
import os, signal, sys, warnings
import numpy as np
from kldeval.executors.forked_ahead import ForkedAhead
from kldeval.executors.local import LocalPool
from kldeval.executors.shared_memory import BLOCK_BYTES, SharedBlocks

here = os.getpid()

class Work:
    def __init__(self, fault=None): self.fault = fault
    def __call__(self, numbers): return [self.one(number) for number in numbers]
    def one(self, number):
        import time
        time.sleep(0.001)
        if self.fault: self.fault(number)
        return number, np.full((100, 200 + number), number % 256, np.uint8), np.full(number % 99 * 1000, 0.5)
    def lost(self, number, reason): return [(number, reason)]

class Place:
    def __call__(self, numbers): return [os.getpid()] * len(numbers)

def kill(number):
    if number == 30: os.kill(os.getpid(), signal.SIGSEGV)

def fail(number):
    if number == 30: raise OSError("not this one")

def results(executor, work, count=60):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        return list(executor.map(work, range(count))), sorted({str(one.message) for one in said})
"""


def alone(code: str) -> str:
    """What the code prints in a process with one thread."""
    environment = {**os.environ, "PYTHONPATH": str(HOME), "OPENBLAS_NUM_THREADS": "1"}
    command = [*python(), "-W", "error", "-c", HEAD + code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_forked_workers_give_what_the_workers_of_a_run_on_the_cpu_give() -> None:
    """In order, item after item, of one work after another; also of an item that ends whoever works on it."""
    alone(
        "ahead, local = ForkedAhead(2), LocalPool(2)\n"
        "ahead.fork()\n"
        "assert ahead.is_forked\n"
        "assert here not in list(ahead.map(Place(), range(9)))\n"
        "for work in (Work(), Work(kill)):\n"
        "    (found, said), (expected, known) = results(ahead, work), results(local, work)\n"
        "    assert said == known, (said, known)\n"
        "    assert len(found) == len(expected) == 60\n"
        "    for one, other in zip(found, expected):\n"
        "        assert len(one) == len(other)\n"
        "        assert all(np.array_equal(a, b) for a, b in zip(one, other)), (one, other)\n"
        "assert found[30] == expected[30] and said, found[30]\n"
        "try:\n"
        "    results(ahead, Work(fail))\n"
        "except OSError as error:\n"
        "    assert str(error) == 'not this one'\n"
        "else:\n"
        "    raise AssertionError\n"
        "ahead.close()\n"
    )


def test_what_does_not_fit_into_the_shared_memory_goes_by_the_pipe() -> None:
    """And blocks are free again once a result is there, whose arrays are its own."""
    alone(
        "blocks = SharedBlocks(4 * BLOCK_BYTES)\n"
        "small, large = np.arange(3 * BLOCK_BYTES, dtype=np.uint8), np.ones(5 * BLOCK_BYTES, np.uint8)\n"
        "for _ in range(3):\n"
        "    packed = blocks.pack([small, 'a', None])\n"
        "    assert len(packed.data) < 1000 and packed.sizes == (small.nbytes,)\n"
        "    beside = blocks.pack(small + 1)\n"
        "    assert not beside.sizes and np.array_equal(blocks.unpack(beside), small + 1)\n"
        "    found = blocks.unpack(packed)\n"
        "    assert np.array_equal(found[0], small) and found[1:] == ['a', None]\n"
        "    blocks.pack(large)\n"
        "    blocks.unpack(blocks.pack(0 * small))\n"
        "    assert np.array_equal(found[0], small)\n"
        "turned = np.asfortranarray(np.arange(70_000.0).reshape(7, -1))\n"
        "assert np.array_equal(blocks.unpack(blocks.pack(turned)), turned)\n"
        "assert np.array_equal(blocks.unpack(blocks.pack(turned[:, ::2])), turned[:, ::2])\n"
    )


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("os.kill(ahead._process.pid, signal.SIGKILL)", "EngineLost the process that reads the files was killed"),
        ("ahead.stop()", "nothing"),
        ("coming.close()", "nothing"),
    ],
)
def test_who_waits_for_a_process_that_is_gone_waits_no_more(end: str, expected: str) -> None:
    said = alone(
        "ahead = ForkedAhead(2)\n"
        "ahead.fork()\n"
        "coming = ahead.map(Work(), range(10**4))\n"
        "next(coming)\n"
        f"{end}\n"
        "try:\n"
        "    for one in coming: pass\n"
        "    print('nothing')\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
        "ahead.close()\n"
    )
    assert said.startswith(expected)


def test_a_worker_that_is_ended_as_it_is_forked_ends() -> None:
    """A signal that comes then must wait: lost, the worker, the process that forked it and the program would hang."""
    alone(
        "for _ in range(40):\n"
        "    ahead = ForkedAhead(2)\n"
        "    ahead.fork()\n"
        "    coming = ahead.map(Work(), range(10**4))\n"
        "    next(coming)\n"
        "    ahead.stop()\n"
        "    assert len(list(coming)) < 9000\n"
        "    ahead.close()\n"
    )


def test_threads_do_what_cannot_be_sent_or_need_not_be_read() -> None:
    alone(
        "ahead = ForkedAhead(2)\n"
        "ahead.fork()\n"
        "assert [one[0] for one in ahead.map(Work(lambda _: None), range(20))] == list(range(20))\n"
        "coming = ahead.map(Work(), range(9))\n"
        "assert [(one[0], [two[0] for two in ahead.map(Work(), range(3))]) for one in coming] == [\n"
        "    (number, [0, 1, 2]) for number in range(9)]\n"
        "arrays = [np.full(10**5, number) for number in range(5)]\n"
        "assert list(ahead.map(lambda items: [(one[0], os.getpid()) for one in items], arrays)) == [\n"
        "    (number, here) for number in range(5)]\n"
        "ahead.close()\n"
    )


PRETENDING = """
from kldeval.process import settle_process
settle_process()
import sys
from kldeval.engine import computing
from kldeval.engine.device import Device

def find_device(*_, before_torch, **__):
    assert "torch" not in sys.modules
    before_torch()
    import torch
    return Device("cpu:0", "cpu:0 (pretended)")

computing.find_device = find_device
from kldeval.__main__ import main
main()
"""
"""The command line on a device that is torch's CPU."""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_on_a_device_ends_with_all_its_processes(number: int, code: int, tmp_path: Path) -> None:
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        np.save(tmp_path / f"{side}.npy", np.random.default_rng(1).random((600, 800)))
        for place in range(1000):
            (tmp_path / side / f"{place}.npy").symlink_to(tmp_path / f"{side}.npy")
    arguments = ["pred", "gt", "--jobs", "2", "--batch-bytes", "8000000", "--debug"]
    with running(
        [sys.executable, "-c", PRETENDING, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HOME)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as program:
        assert happens(lambda: len(_descendants(program.pid)) == 3)
        below = _descendants(program.pid)
        program.send_signal(number)
        assert program.wait(30) == code
        assert happens(lambda: not any(map(is_running, below)))
        assert program.stderr is not None
        assert "processes that are forked before torch is imported read the files, 2 at most" in program.stderr.read()


def _descendants(process: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    tasks = Path(f"/proc/{process}/task/{process}/children")
    children = [int(one) for one in tasks.read_text().split()] if tasks.exists() else []
    return [*children, *(one for child in children for one in _descendants(child))]


@pytest.mark.slow
def test_a_run_on_a_device_scores_as_on_the_cpu(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        for place in range(40):
            kind = (np.uint8, np.float32)[place % 2]
            np.save(tmp_path / side / f"{place}.npy", (rng.random((300, 250 + place % 3)) * 255).astype(kind))
    (tmp_path / "gt" / "5.npy").write_bytes(b"no array")
    said = []
    for start in ([*python(), "-c", PRETENDING], [*python(), "-m", "kldeval", "--device", "cpu"]):
        command = [*start, "pred", "gt", "--metric", "kld,ce,cc,jsd", "--jobs", "2", "--format", "csv"]
        environment = {**os.environ, "PYTHONPATH": str(HOME)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1, done.stderr
        said.append((done.stderr, [line.split(",") for line in done.stdout.splitlines()]))
    assert said[0][0] == said[1][0]
    for found, expected in zip(*(rows for _, rows in said), strict=True):
        for one, other in zip(found, expected, strict=True):
            try:
                assert float(one) == pytest.approx(float(other), rel=1e-9)
            except ValueError:
                assert one == other
