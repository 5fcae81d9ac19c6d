"""The work on a Dask cluster: a real scheduler and two workers on this machine, and what happens when one goes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from looked_at import LookedAt, make_looked_at
from watching import happens

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

pytest.importorskip("distributed")

HOME = Path(__file__).parents[2]

KILLERS = """
import os, signal, sys
def look(event, given):
    if event == "open" and ".npy" in str(given[0]) and "-killer" in str(given[0]):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(look)
"""
"""What a worker reads at its start: files of this name end whoever reads them."""


@dataclass
class Cluster:
    """A scheduler and its workers, as processes of their own."""

    root: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.root / "scheduler.json"

    def start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{program}", "--scheduler-file", str(self.file)]
        with (self.root / f"{program}.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, "--no-dashboard", *arguments],
                env={**os.environ, "PYTHONPATH": f"{self.root}{os.pathsep}{HOME}"},
                stdout=log,
                stderr=log,
                cwd=self.root,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def end(self) -> None:
        """Nothing is kept of it: it and what it started end at once, where a worker's farewell may take seconds."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self.processes:
            process.wait()

    def command(self, *arguments: Any) -> list[str]:
        return [sys.executable, "-m", "kldeval", *map(str, arguments), "--scheduler-file", str(self.file)]

    def run(self, *arguments: Any) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(HOME)}
        return subprocess.run(
            self.command(*arguments), env=environment, capture_output=True, text=True, timeout=60, check=False
        )


@contextlib.contextmanager
def started(root: Path, workers: int, *of_worker: str, protocol: str = "tcp") -> Iterator[Cluster]:
    (root / "sitecustomize.py").write_text(KILLERS, encoding="utf-8")
    cluster = Cluster(root)
    try:
        cluster.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--protocol", protocol)
        assert happens(cluster.file.is_file)
        for _ in range(workers):
            cluster.start("worker", "--nthreads", "1", "--local-directory", str(root), *of_worker)
        yield cluster
    finally:
        cluster.end()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with started(tmp_path_factory.mktemp("cluster"), workers=2) as found:
        yield found


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> LookedAt:
    return make_looked_at(tmp_path_factory.mktemp("maps") / "data", dtype=np.float32)


@pytest.mark.parametrize(
    "words",
    [
        "{pred} {gt} --format jsonl",
        "{pred} {gt} -m sauc,ig --fixations {fixations} --baseline others --format jsonl",
        "{pred} {gt} {gt} --baselines -m kld,cc --format jsonl",
        "audit {pred} {gt}",
        "identify {pred} {gt} --value 0.1234",
    ],
)
def test_a_cluster_gives_the_bytes_of_this_machine(cluster: Cluster, seen: LookedAt, words: str) -> None:
    pred, gt = seen.maps
    arguments = [word.format(pred=pred, gt=gt, fixations=seen.fixations) for word in words.split()]
    here, there = kldeval(*arguments, "-q"), cluster.run(*arguments, "-q")
    assert (there.returncode, there.stdout) == (here.code, here.out), there.stderr


def test_a_cluster_may_be_encrypted(seen: LookedAt, tmp_path: Path) -> None:
    """By the certificates of Dask's configuration, here of the environment; without them it is said what lacks."""
    from distributed.security import Security

    security = Security.temporary()
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key")}
    for name, text in zip(
        files, (security.tls_ca_file, security.tls_client_cert, security.tls_client_key), strict=True
    ):
        files[name].write_text(text, encoding="utf-8")
    place = "DASK_DISTRIBUTED__COMM__TLS"
    environment = {f"{place}__CA_FILE": str(files["ca"])}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        environment |= {f"{place}__{role}__CERT": str(files["cert"]), f"{place}__{role}__KEY": str(files["key"])}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with started(tmp_path, 1, "--no-nanny", protocol="tls") as cluster:
            there = cluster.run(*seen.maps, "--format", "jsonl", "-q")
            patch.undo()
            refused = cluster.run(*seen.maps)
    assert (there.returncode, there.stdout) == (0, kldeval(*seen.maps, "--format", "jsonl", "-q").out), there.stderr
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "needs the certificates of tls (ca-file, client cert and key) in Dask's configuration" in refused.stderr


def test_a_report_says_what_its_workers_computed_with(cluster: Cluster, seen: LookedAt, tmp_path: Path) -> None:
    done = cluster.run(*seen.maps, "-o", tmp_path / "report.json", "-q")
    assert done.returncode == 0, done.stderr
    provenance = json.loads((tmp_path / "report.json").read_text())["provenance"]
    (workers,) = provenance["workers"]
    assert workers == {
        name: provenance[name] for name in ("kldeval", "python", "numpy", "opencv", "scipy", "arithmetic")
    }
    assert kldeval("show", tmp_path / "report.json").code == 0
    assert "workers" not in json.loads(kldeval(*seen.maps, "--format", "json").out)["provenance"]


def test_densities_are_built_on_a_cluster(cluster: Cluster, seen: LookedAt, tmp_path: Path) -> None:
    words = ("density", seen.fixations, "--sigma", "2", "--size", "24x18", "-q")
    assert kldeval(*words[:2], tmp_path / "here", *words[2:]).code == 0
    there = cluster.run(*words[:2], tmp_path / "there", *words[2:])
    assert (there.returncode, there.stderr) == (0, "")
    files = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "there").iterdir())
    assert all((tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes() for name in files)


def test_a_file_that_kills_workers_is_a_failure_and_nothing_else_is_lost(cluster: Cluster, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    names = [f"{number:02d}{'-killer' * (number == 17)}" for number in range(40)]
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        for name in names:
            np.save(tmp_path / side / f"{name}.npy", rng.random((6, 8)))
    done = cluster.run(tmp_path / "pred", tmp_path / "gt", "--format", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert [row["name"] for row in report["maps"]] == [name for name in names if "killer" not in name]
    (failure,) = report["failures"]
    assert (failure["name"], failure["code"]) == ("17-killer", "ended-process")
    assert "was killed" in failure["message"]
    assert "died; the maps that it was at are done again, each alone" in done.stderr


def test_a_worker_that_is_killed_costs_its_tasks_alone(cluster: Cluster) -> None:
    code = (
        "import os, signal, sys, time, warnings\n"
        "from distributed import Client\n"
        "from kldeval.executors.dask import DaskCluster\n"
        "from kldeval.executors.local import Each\n"
        "warnings.simplefilter('ignore')\n"
        "client = Client(scheduler_file=sys.argv[1])\n"
        "client.wait_for_workers(2, timeout=30)\n"
        "pids = sorted(client.run(os.getpid).values())\n"
        "found = []\n"
        "for number in DaskCluster(client=client).map(Each(time.sleep), [0.01] * 150):\n"
        "    found.append(number)\n"
        "    if len(found) == 10:\n"
        "        os.kill(pids[0], signal.SIGKILL)\n"
        "print(len(found), client.status)\n"
        "client.close()\n"
    )
    command = [sys.executable, "-c", code, str(cluster.file)]
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "150 running\n", done.stderr


def test_interrupting_cancels(cluster: Cluster, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        for number in range(200):
            np.save(tmp_path / side / f"{number:03d}.npy", rng.random((128, 128)))
    command = cluster.command(tmp_path / "pred", tmp_path / "gt", "-m", "emd", "--resize", "both(size=24x24)", "-q")
    process = subprocess.Popen(
        [*command, "--cache", str(tmp_path / "cache")],
        env={**os.environ, "PYTHONPATH": str(HOME)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert happens(lambda: bool(list(tmp_path.glob("cache/*/*.jsonl"))) or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, ""), err


def test_a_client_is_used_and_stays_open(cluster: Cluster, seen: LookedAt) -> None:
    code = (
        "import sys\n"
        "import kldeval\n"
        "from distributed import Client\n"
        "with Client(scheduler_file=sys.argv[1]) as client:\n"
        "    there = kldeval.evaluate(sys.argv[2], sys.argv[3], client=client)\n"
        "    here = kldeval.evaluate(sys.argv[2], sys.argv[3])\n"
        "    print(there.scores == here.scores, len(there.scores), client.status)\n"
    )
    command = [sys.executable, "-c", code, str(cluster.file), *map(str, seen.maps)]
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("True 3 running\n", "")


def test_another_version_on_the_workers_is_refused(cluster: Cluster, seen: LookedAt) -> None:
    code = (
        "import sys, kldeval.provenance\n"
        "kldeval.provenance.__version__ = '9.9'\n"
        "from kldeval.__main__ import main\n"
        "sys.argv[0] = 'kldeval'\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code, *map(str, seen.maps), "--scheduler-file", str(cluster.file)]
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "has kldeval 0." in done.stderr
    assert "this is 9.9: install one version" in done.stderr


def test_no_worker_and_a_lost_scheduler_end_the_run_at_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        for number in range(300):
            np.save(tmp_path / side / f"{number:03d}.npy", rng.random((64, 64)))
    words = (tmp_path / "pred", tmp_path / "gt", "-m", "emd", "--resize", "both(size=24x24)", "-q")
    with started(tmp_path, workers=0) as cluster:
        nobody = cluster.run(*words, "--engine-timeout", "0.5")
        assert (nobody.returncode, nobody.stdout) == (1, "")
        assert nobody.stderr.startswith("kldeval: no Dask worker came within 0.5 s (--engine-timeout)")
        cluster.start("worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path))
        process = subprocess.Popen(
            [*cluster.command(*words), "--cache", str(tmp_path / "cache")],
            env={**os.environ, "PYTHONPATH": str(HOME)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert happens(lambda: bool(list(tmp_path.glob("cache/*/*.jsonl"))))
        cluster.processes[0].kill()
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (1, "")
        assert err == "kldeval: the Dask scheduler is lost; with --cache a further run goes on from here\n"
    assert any(path.stat().st_size for path in tmp_path.glob("cache/*/*.jsonl"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--engine dask", "--engine dask needs a scheduler: start one with 'dask scheduler --scheduler-file s.json'"),
        ("--engine slurm", "--engine slurm: there are local and dask"),
        ("--scheduler localhost:8786", "--scheduler localhost:8786: an address is tcp://HOST:PORT or tls://HOST:PORT"),
        ("--scheduler tcp://a:1 --scheduler-file b", "--scheduler and --scheduler-file both name a Dask scheduler"),
        (
            "--engine local --scheduler tcp://a:1",
            "--scheduler names a Dask scheduler, which --engine local does not use",
        ),
        ("--engine-timeout 5", "--engine-timeout 5 has no effect without --scheduler or --scheduler-file"),
        ("--scheduler-file nowhere.json", "--scheduler-file nowhere.json: there is no such file"),
        ("--scheduler tcp://a:1 --device cuda", "--device cuda is of this machine, and the work is done by Dask"),
    ],
)
def test_what_makes_no_sense_together_is_refused(seen: LookedAt, words: str, message: str) -> None:
    outcome = kldeval(*seen.maps, *words.split())
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"kldeval: {message}")


def test_no_scheduler_is_an_error_at_once(seen: LookedAt) -> None:
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    command = [sys.executable, "-m", "kldeval", *map(str, seen.maps), "--scheduler", "tcp://127.0.0.1:9"]
    done = subprocess.run(
        [*command, "--engine-timeout", "1"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("kldeval: there is no Dask scheduler at tcp://127.0.0.1:9: ")
