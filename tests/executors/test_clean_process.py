"""A program with threads: its workers are those of a clean process, threads where the work cannot be sent there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from programs import python

HOME = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the workers are threads")

HEAD = """
import ctypes, operator, os, signal, sys, threading, time, warnings
from functools import partial
from pathlib import Path
from kldeval.executors import local
from kldeval.executors.clean_process import CleanProcess
from kldeval.executors.local import in_order

threading.Thread(target=threading.Event().wait, daemon=True).start()
local.WORTH_WORKERS = local.WORTH_CLEAN_PROCESS = 0.0
here = os.getpid()
is_ready = CleanProcess.is_ready

def at_once(process):
    while not is_ready(process):
        time.sleep(0.005)
    return True

CleanProcess.is_ready = at_once

def children():
    return Path(f"/proc/{here}/task/{here}/children").read_text().split()

def workers(of, count=40):
    'Who did the work on so many items, of which the first two are done here.'
    found = list(in_order(of, ["/proc/self"] * count, 2))
    assert len(found) == count and not children()
    return {int(Path(one).name) for one in found[2:]}
"""


def said(code: str, **environment: str) -> str:
    """What a program prints that has a thread beside, and no threads of BLAS unless it is said otherwise."""
    done = subprocess.run(
        [*python(), "-W", "error", "-c", HEAD + code],
        env={**os.environ, "PYTHONPATH": str(HOME), "OPENBLAS_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_workers_are_processes_that_leave_nothing_behind() -> None:
    assert said(
        "done = workers(os.path.realpath)\n"
        "print(len(done), here in done)\n"
        "print(list(in_order(partial(pow, 2), range(100), 3)) == [2**n for n in range(100)])\n"
    ).split() == ["2", "False", "True"]


def test_an_interrupt_is_left_to_the_program_from_the_start() -> None:
    """A notebook's reaches every process of its kernel, one that is still importing as well."""
    assert (
        said(
            "with CleanProcess(partial(pow, 2), 2, [1]) as process:\n"
            "    os.kill(int(children()[0]), signal.SIGINT)\n"
            "    print(at_once(process))\n"
        )
        == "True\n"
    )


def test_an_error_of_the_work_reaches_the_program() -> None:
    assert (
        said(
            "results = in_order(partial(divmod, 6), [1, 2, 3, 0, 2], 2)\n"
            "try: list(results)\n"
            "except ZeroDivisionError as error: print('raised', children())\n"
        )
        == "raised []\n"
    )


def test_who_stops_listening_stops_the_processes() -> None:
    assert said(
        "results = in_order(partial(pow, 2), range(10000), 2)\n"
        "for _ in range(50): next(results)\n"
        "print(len(children())); results.close(); print(children())\n"
    ).split() == ["1", "[]"]


def test_a_worker_that_dies_ends_nobody_else() -> None:
    """The work knows no answer to that; what the clean process warns of, the program is warned of."""
    assert (
        said(
            "warnings.simplefilter('always')\n"
            "with warnings.catch_warnings(record=True) as heard:\n"
            "    try: list(in_order(signal.raise_signal, [*[signal.SIGCHLD] * 9, signal.SIGKILL], 2))\n"
            "    except Exception as error: print(type(error).__name__, children())\n"
            "print(len(heard), 'its maps are done again' in str(heard[0].message))\n"
        )
        == "WorkerDied []\n1 True\n"
    )


def test_threads_finish_what_a_killed_clean_process_has_begun() -> None:
    assert (
        said(
            "results = in_order(partial(pow, 2), range(5000), 2)\n"
            "found = [next(results) for _ in range(50)]\n"
            "os.kill(int(children()[0]), signal.SIGKILL)\n"
            "print([*found, *results] == [2**n for n in range(5000)], children())\n"
        )
        == "True []\n"
    )


@pytest.mark.parametrize(
    "work",
    [
        "def real(path): return os.path.realpath(path)\nprint(workers(real) == {here})",
        "print(workers(lambda path: os.path.realpath(path)) == {here})",
        "print(list(in_order(os.stat, ['/dev/stdin'] * 9, 2))[-1].st_ino == os.stat('/dev/stdin').st_ino)",
        "large = [bytearray(100_000)] * 9\nprint([one is large[0] for one in in_order(iter, large, 2)] and True)",
        "sys.executable = '/bin/true'\nprint(workers(os.path.realpath) == {here})",
        "sys.executable = '/nowhere'\nprint(workers(os.path.realpath) == {here})",
    ],
    ids=["main", "lambda", "open file", "large", "no Python", "nothing"],
)
def test_what_cannot_be_sent_is_done_by_threads(work: str) -> None:
    assert said(work) == "True\n"


def test_a_program_whose_threads_are_those_of_blas_is_forked() -> None:
    """They are ended before, as OpenBLAS ends them at every fork, and come back when they are needed."""
    assert (
        said(
            "import numpy as np\n"
            "one = np.arange(250_000.0).reshape(500, 500); before = one @ one\n"
            "print(local.is_single_threaded(), np.array_equal(before, one @ one))\n",
            OPENBLAS_NUM_THREADS="2",
        )
        == "False True\n"
    )
    forked = (
        "import os, numpy as np\n"
        "from pathlib import Path\n"
        "from kldeval.executors import local\n"
        "local.WORTH_WORKERS = 0\n"
        "one = np.arange(250_000.0).reshape(500, 500); before = one @ one\n"
        "cores = len(os.sched_getaffinity(0))\n"
        "def who(_): return os.getpid(), os.getppid(), bool((one @ one == before).all())\n"
        "found = list(local.in_order(who, range(9), 2)); here = os.getpid()\n"
        "print({parent for pid, parent, _ in found if pid != here} == {here}, {same for *_, same in found})\n"
        "print(np.array_equal(before, one @ one), len(list(Path('/proc/self/task').iterdir())) == min(2, cores))\n"
        "import kldeval\n"
        "wide = np.random.default_rng(6).random((2, 3, 50_000)).astype(np.float32)\n"
        "def score(): kldeval.evaluate([wide[0]], [wide[1]], metric='kld,ce', jobs=1, device='cpu')\n"
        "score(); print(local.is_single_threaded()); score()\n"
        "print('threads of BLAS while maps are scored:', len(list(Path('/proc/self/task').iterdir())) - 1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", forked],
        env={**os.environ, "PYTHONPATH": str(HOME), "OPENBLAS_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr) == (
        "True {True}\nTrue True\nTrue\nthreads of BLAS while maps are scored: 0\n",
        "",
    )


def test_numbers_do_not_depend_on_the_threads_of_blas() -> None:
    code = (
        "import numpy as np, kldeval\n"
        "pred, gt = np.random.default_rng(5).integers(0, 256, (2, 300, 400), np.uint8)\n"
        "report = kldeval.evaluate([pred], [gt], metric='kld,jsd,cc,sim,tv,hellinger,mse,auc', "
        "fixations=[(gt > 250).astype(int)], jobs=1, device='cpu')\n"
        "print(repr(report.scores[0].values))\n"
    )
    assert said(code, OPENBLAS_NUM_THREADS="1") == said(code, OPENBLAS_NUM_THREADS="4")


def test_a_report_is_the_same_whoever_worked_on_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    for side in ("pred", "gt", "other"):
        (tmp_path / side).mkdir()
        for place in range(9):
            np.save(tmp_path / side / f"{place}.npy", rng.random((9, 12)))
    (tmp_path / "pred" / "5.npy").write_bytes(b"\x93NUMPY damaged")
    assert (
        said(
            f"import kldeval, logging\nfolder = {str(tmp_path)!r}\n"
            "said = []\n"
            "logging.getLogger('kldeval').addHandler(logging.StreamHandler(type('To', (), {'write': said.append})))\n"
            "logging.getLogger('kldeval').setLevel(logging.DEBUG)\n"
            "sides = {'a': folder + '/pred', 'b': folder + '/other'}, folder + '/gt'\n"
            "def made(jobs):\n"
            "    board = kldeval.evaluate(*sides, metric='kld,cc', jobs=jobs, device='cpu', on_failure='ignore')\n"
            "    return [(repr(one.scores), one.failures) for one in board.reports.values()]\n"
            "print(made(1) == made(2), said)\n"
        )
        == "True []\n"
    )
