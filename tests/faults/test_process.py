"""The program in a hostile environment: signals, full disks, closed streams, few open files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from programs import in_shells, python
from watching import happens, is_running, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full, /proc and forked workers are Linux's")

HOME = Path(__file__).parents[2]
BASH = str(shutil.which("bash"))


def pairs(root: Path, number: int) -> Path:
    """A folder of so many pairs of float maps."""
    rng = np.random.default_rng(0)
    for side in ("pred", "gt"):
        (root / side).mkdir()
        for place in range(number):
            np.save(root / side / f"{place:02}.npy", rng.random((6, 7)))
    return root


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen pairs."""
    return pairs(tmp_path_factory.mktemp("maps"), 12)


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    return {**kept, "PYTHONPATH": str(HOME), **variables}


def shell(maps: Path, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What bash makes of a command in which `kldeval` is the program, run in the folder of the maps."""
    if "ulimit -f" in command:
        variables["PYTHONDONTWRITEBYTECODE"] = "1"  # a compiled module that a full disk has cut would stay
    program = f'kldeval() {{ {in_shells("-m", "kldeval")} "$@"; }}\n'
    return subprocess.run(
        [BASH, "-c", program + command],
        cwd=maps,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# standard streams


@pytest.mark.parametrize("variables", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "arguments", ["pred gt", "pred gt --format json", "pred gt --score-only", "--help", "audit pred gt"]
)
def test_a_full_disk_behind_standard_output_is_said(maps: Path, arguments: str, variables: dict[str, str]) -> None:
    done = shell(maps, f"kldeval {arguments} > /dev/full", **variables)
    assert (done.returncode, done.stderr) == (1, "kldeval: cannot write the result: No space left on device\n")


@pytest.mark.parametrize("variables", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
def test_a_result_of_which_only_a_part_fits_is_an_error(maps: Path, tmp_path: Path, variables: dict[str, str]) -> None:
    """What Python does without a buffer: it writes the part that fits, and says nothing."""
    done = shell(maps, f"ulimit -f 1; kldeval pred gt --format json > {tmp_path}/report.json", **variables)
    assert (done.returncode, done.stderr) == (1, "kldeval: cannot write the result: File too large\n")


@pytest.mark.parametrize("arguments", ["pred gt", "pred gt --score-only", "--version", "check pred gt"])
def test_a_closed_standard_output_is_said(maps: Path, arguments: str) -> None:
    done = shell(maps, f"kldeval {arguments} >&-")
    assert (done.returncode, done.stderr) == (1, "kldeval: cannot write the result: standard output is closed\n")


@pytest.mark.parametrize("stream", ["2>&-", "2>/dev/full", "<&-", "2>&- <&-"])
def test_other_streams_do_not_matter(maps: Path, tmp_path: Path, stream: str) -> None:
    """A closed one is not taken by the file of the report, which messages would then be written into."""
    report = tmp_path / "report.json"
    expected = shell(maps, "kldeval pred gt --score-only").stdout
    done = shell(maps, f"kldeval pred gt --score-only -o {report} {stream}")
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")
    assert len(json.loads(report.read_text())["maps"]) == 12


def test_a_manifest_from_a_closed_standard_input_is_refused(maps: Path) -> None:
    done = shell(maps, "kldeval --manifest - <&-")
    message = "kldeval: cannot read the manifest from standard input: it is closed\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


def test_who_stops_reading_ends_the_program_in_silence(maps: Path) -> None:
    done = shell(maps, "kldeval pred gt --format jsonl | true; echo ${PIPESTATUS[0]}")
    assert (done.stdout, done.stderr) in [("141\n", ""), ("0\n", "")]  # the program may be quicker


# full disks


@pytest.mark.parametrize(
    "command", ["pred gt -o r.json", "pred gt -m kld,ce,cc,sim,jsd,mse,mae -o r.csv", "audit pred gt -o r.json"]
)
def test_a_report_that_does_not_fit_leaves_no_file(maps: Path, tmp_path: Path, command: str) -> None:
    path = tmp_path / command.rsplit(maxsplit=1)[-1]
    done = shell(maps, f"ulimit -f 1; kldeval {command.replace(path.name, str(path))} | cat; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == 2
    assert done.stderr == f"kldeval: cannot write {path}: File too large\n"
    assert not list(tmp_path.iterdir())


def test_maps_that_cannot_be_saved_cost_no_score(maps: Path, tmp_path: Path) -> None:
    """The report has every number, a failure for each map that was not saved, and nothing half-written is left."""
    scored = json.loads(shell(maps, "kldeval pred gt -m kld --format json").stdout)
    command = f"kldeval pred gt -m kld --format json -q --save-maps {tmp_path}/out > {tmp_path}/report.json"
    assert shell(maps, f"ulimit -f 0; {command.rpartition('>')[0]} | cat; exit ${{PIPESTATUS[0]}}").returncode == 1
    done = shell(maps, f"ulimit -f 0; {command.rpartition('>')[0]} | cat")
    report = json.loads(done.stdout)
    assert report["maps"] == scored["maps"]
    assert {row["code"] for row in report["failures"]} == {"not-saved"}
    assert [row["name"] for row in report["failures"]] == [row["name"] for row in scored["maps"]]
    assert f"cannot write {tmp_path}/out/kld/00.npy: " in report["failures"][0]["message"]
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_a_ground_truth_that_cannot_be_written_is_named_and_not_there(maps: Path, tmp_path: Path) -> None:
    (tmp_path / "fixations.csv").write_text("name,x,y\na,1,1\n")
    arguments = f"{tmp_path}/fixations.csv {tmp_path}/out --sigma 1 --size 80x60"
    done = shell(maps, f"ulimit -f 1; kldeval density {arguments}")
    assert done.returncode == 2
    assert done.stderr.startswith(f"kldeval: cannot write {tmp_path}/out/a.npy: ")
    assert list((tmp_path / "out").iterdir()) == []


# descriptors


def test_few_open_files_cost_workers_and_nothing_else(tmp_path: Path) -> None:
    maps = pairs(tmp_path, 60)
    expected = shell(maps, "kldeval pred gt --format jsonl -q").stdout
    done = shell(maps, "ulimit -n 64; kldeval pred gt --format jsonl -q --jobs 64")
    assert (done.returncode, done.stdout) == (0, expected)


# signals


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A folder whose maps keep workers busy: a file name each, and a program that stops at the last ones."""
    rng = np.random.default_rng(0)
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        for number in range(40):
            np.save(tmp_path / side / f"{number:02}.npy", rng.random((60, 70)))
    return tmp_path


SLOW = """
import sys, time, os
from kldeval.engine import worker
original, here = worker.load_pair, os.getpid()
def load_pair(pair, *arguments):
    if os.getpid() == here:
        time.sleep(0.06)
    elif pair.name > "05":
        open(f"{os.environ['STARTED']}/{os.getpid()}", "w").close()
        time.sleep(600)
    return original(pair, *arguments)
worker.load_pair = load_pair
from kldeval.__main__ import main
sys.argv[0] = "kldeval"
main()
"""
"""The program, with workers that stop at the sixth map for ever."""


@pytest.mark.parametrize(
    ("signal_", "code", "said"),
    [
        (signal.SIGINT, 130, "\nkldeval: interrupted\n"),
        (signal.SIGTERM, 143, "kldeval: terminated\n"),
        (signal.SIGHUP, 129, "kldeval: terminated\n"),
    ],
)
def test_a_signal_ends_the_run_in_order(
    slow: Path, tmp_path_factory: pytest.TempPathFactory, signal_: signal.Signals, code: int, said: str
) -> None:
    """No half-written file is left, and no worker."""
    started = tmp_path_factory.mktemp("started")
    arguments = ["pred", "gt", "-o", "report.json", "--save-maps", "maps", "--jobs", "2"]
    with running(
        [sys.executable, "-c", SLOW, *arguments],
        cwd=slow,
        env=environment(STARTED=str(started), OPENBLAS_NUM_THREADS="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        assert happens(lambda: len(list(started.iterdir())) == 2)
        program.send_signal(signal_)
        out, err = program.communicate(timeout=60)
    assert (program.returncode, out, err) == (code, "", said)
    assert not (slow / "report.json").exists()
    assert [path for path in slow.rglob("*") if path.is_file() and path.suffix != ".npy"] == []
    assert happens(lambda: not any(map(is_running, [int(path.name) for path in started.iterdir()])))


SHRINKING = """
import os, sys
from kldeval.engine import worker
original = worker.load_pair
def load_pair(pair, *arguments):
    maps = original(pair, *arguments)
    if pair.name == "b":
        os.truncate(pair.pred, 4096)
    return maps
worker.load_pair = load_pair
from kldeval.__main__ import main
sys.argv[0] = "kldeval"
main()
"""
"""The program, beside another one that writes a file anew while it is scored."""


@pytest.mark.parametrize("names", ["b", "ab"])
def test_a_large_map_that_shrinks_while_it_is_scored_is_a_failure(tmp_path: Path, names: str) -> None:
    """The system kills the process that looks at it, which is never the program itself."""
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        for name in names:
            height = 2**12 if name == "b" else 4
            np.save(tmp_path / side / name, np.ones((1, 1)))
            with (tmp_path / side / f"{name}.npy").open("wb") as file:
                header = {"descr": "<f4", "fortran_order": False, "shape": (height, 2**12)}
                np.lib.format.write_array_header_1_0(file, header)
                file.truncate(file.tell() + 4 * height * 2**12)
    command = [*python(), "-c", SHRINKING, "pred", "gt", "--norm", "flatten-softmax", "--format", "json", "-q"]
    variables = environment(OPENBLAS_NUM_THREADS="1")
    done = subprocess.run(
        command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert [row["name"] for row in report["maps"]] == ["a"][: len(names) - 1]
    assert [(row["name"], row["code"]) for row in report["failures"]] == [("b", "unreadable")]
    assert "truncated" in report["failures"][0]["message"]
    said = "kldeval: warning: a worker process was ended by SIGBUS; its maps are done again, each alone\n"
    assert done.stderr.startswith(said)


def test_workers_end_when_the_program_is_killed(slow: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    started = tmp_path_factory.mktemp("started")
    variables = environment(STARTED=str(started), OPENBLAS_NUM_THREADS="1")
    with running([sys.executable, "-c", SLOW, "pred", "gt", "--jobs", "2"], cwd=slow, env=variables) as program:
        assert happens(lambda: len(list(started.iterdir())) == 2)
        program.kill()
    assert happens(lambda: not any(map(is_running, [int(path.name) for path in started.iterdir()])))
