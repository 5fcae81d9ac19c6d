"""The work on a Dask cluster: a real scheduler and two workers on this machine, and what happens when one goes."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import Outcome, kldeval
from looked_at import LookedAt, make_looked_at
from watching import happens, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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


PROGRAM = """
import json, sys, types
import dask
import kldeval.executors.dask as kldeval_dask
from command_line import Outcome, kldeval
from distributed import LocalCluster
import kldeval.provenance as provenance
from kldeval.engine import parts
from kldeval.reports import collected

class Answers(dict):
    def ask(self, name, words, config=None):
        with dask.config.set(config or {}):
            outcome = kldeval(*words)
        self[name] = [outcome.code, outcome.out, outcome.err]

asked, answers = json.load(sys.stdin), Answers()
for name, words in asked["commands"].items():
    answers.ask(name, words)
of_tls = ("ca-file", "client.cert", "client.key")
answers.ask("no certificates", asked["encrypted"], {f"distributed.comm.tls.{name}": None for name in of_tls})
maps = asked["encrypted"][:2]
with LocalCluster(n_workers=0, processes=False, protocol="tcp", dashboard_address=":0", host="127.0.0.1") as nobody:
    answers.ask("no worker", [*maps, "--scheduler", nobody.scheduler_address, "--engine-timeout", "0.2"])
collected.MOST_IN_MEMORY, parts.TASKS_OF_PART = 1, 8
answers.ask("parts", asked["parts"])
provenance.__version__ = "9.9"  # from here on
answers.ask("another version", [*maps, "--scheduler-file", asked["file"]])
def silent(ours=provenance.versions()):
    if "command_line" not in sys.modules:
        raise ConnectionError("gone")
    return ours
kldeval_dask.facts = silent
answers.ask("no answer", [*maps, "--scheduler-file", asked["file"], "--engine-timeout", "0.2"])
only_here = types.ModuleType("only_here")
exec("def facts(): pass", only_here.__dict__)
sys.modules["only_here"], kldeval_dask.facts = only_here, only_here.facts
answers.ask("no kldeval", [*maps, "--scheduler-file", asked["file"]])
json.dump(answers, sys.stdout)
"""
"""Many commands in one process, for what takes long is the import of Dask."""


@dataclass
class Cluster:
    """A scheduler and its workers, as processes of their own."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.root / "scheduler.json"

    @property
    def encrypted(self) -> str:
        """Its second address, which it says in its log alone."""
        found = re.search(r"tls://[0-9.:]+", (self.root / "scheduler.log").read_text())
        assert found is not None
        return found[0]

    def start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{program}", "--scheduler-file", str(self.file)]
        with (self.root / f"{program}.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, "--no-dashboard", *arguments],
                env={**self.environment, "PYTHONPATH": f"{self.root}{os.pathsep}{HOME}"},
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

    def run(self, command: list[str], given: str = "") -> subprocess.CompletedProcess[str]:
        """What a program prints that finds the certificates, if there are any."""
        environment = {**self.environment, "PYTHONPATH": f"{HOME}{os.pathsep}{HOME / 'tests'}"}
        return subprocess.run(
            command, env=environment, input=given, capture_output=True, text=True, timeout=60, check=False
        )


@contextlib.contextmanager
def started(root: Path, protocols: str, *of_worker: str, **environment: str) -> Iterator[Cluster]:
    (root / "sitecustomize.py").write_text(KILLERS, encoding="utf-8")
    calm = {"DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s"}
    cluster = Cluster(root, {**os.environ, **calm, **environment})
    ports = ",".join("0" for _ in protocols.split(","))
    try:
        cluster.start("scheduler", "--host", "127.0.0.1", "--port", ports, "--protocol", protocols)
        if of_worker:
            cluster.start("worker", "--nthreads", "1", "--local-directory", str(root), *of_worker)
        assert happens(cluster.file.is_file), (root / "scheduler.log").read_text()
        yield cluster
    finally:
        cluster.end()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers, whose scheduler listens with and without encryption."""
    root = tmp_path_factory.mktemp("cluster")
    with started(root, "tcp,tls", "--nworkers", "2", **certificates(root)) as found:
        yield found


def certificates(root: Path) -> dict[str, str]:
    """The variables that name them, as Dask's configuration does."""
    from distributed.security import Security

    security = Security.temporary()
    files = {name: root / f"{name}.pem" for name in ("ca", "cert", "key")}
    for name, text in zip(
        files, (security.tls_ca_file, security.tls_client_cert, security.tls_client_key), strict=True
    ):
        files[name].write_text(text, encoding="utf-8")
    place = "DASK_DISTRIBUTED__COMM__TLS"
    variables = {f"{place}__CA_FILE": str(files["ca"])}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        variables |= {f"{place}__{role}__CERT": str(files["cert"]), f"{place}__{role}__KEY": str(files["key"])}
    return variables


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> LookedAt:
    return make_looked_at(tmp_path_factory.mktemp("maps") / "data", dtype=np.float32)


SAME = (
    "{pred} {gt} --format jsonl",
    "{pred} {gt} -m sauc,ig --fixations {fixations} --baseline others --format jsonl",
    "{pred} {gt} {gt} --baselines -m kld,cc --format jsonl",
    "{pred} {gt} --group-by {{name}} --format csv",
    "{pred} {gt} --cache {cache} --format jsonl",
    "audit {pred} {gt}",
    "identify {pred} {gt} --value 0.1234",
)
"""Commands whose output is the same to the byte, wherever the work is done."""

KILLING = tuple(f"{number:02d}{'-killer' * (number == 17)}" for number in range(40))
"""Names of maps, of which one kills."""

DENSITY = ("--sigma", "2", "--size", "24x18")


def words_of(command: str, seen: LookedAt, cache: Path) -> list[str]:
    pred, gt = seen.maps
    return [word.format(pred=pred, gt=gt, fixations=seen.fixations, cache=cache) for word in command.split()]


@pytest.fixture(scope="module")
def answers(cluster: Cluster, seen: LookedAt) -> dict[str, Outcome]:
    """What became of commands on the cluster, by what is asked about them."""
    at, maps = ["--scheduler-file", str(cluster.file), "-q"], [*map(str, seen.maps)]
    commands = {command: [*words_of(command, seen, cluster.root / "cache"), *at] for command in SAME}
    commands["again"] = commands[SAME[4]]
    commands["report"] = [*maps, *at, "-o", str(cluster.root / "report.json")]
    commands["density"] = ["density", str(seen.fixations), str(cluster.root / "densities"), *DENSITY, *at]
    commands["encrypted"] = encrypted = [*maps, "-q", "--format", "jsonl", "--scheduler", cluster.encrypted]
    commands["no scheduler"] = [*maps, "--scheduler", "tcp://127.0.0.1:9", "--engine-timeout", "0.2"]
    commands["killer"] = [*made_maps(cluster.root / "killer", KILLING, (6, 8)), "--format", "json", *at[:2]]
    parts = [*made_maps(cluster.root / "parted", [f"{number:02d}" for number in range(40)], (6, 8)), *at]
    parts += ["--output-dir", str(cluster.root / "rows"), "--cache", str(cluster.root / "rows of parts")]
    asked = {"commands": commands, "encrypted": encrypted, "file": str(cluster.file), "parts": parts}
    done = cluster.run([sys.executable, "-c", PROGRAM], json.dumps(asked))
    assert done.returncode == 0, done.stderr
    return {name: Outcome(*found) for name, found in json.loads(done.stdout).items()}


@pytest.mark.parametrize("command", SAME)
def test_a_cluster_gives_the_bytes_of_this_machine(
    answers: dict[str, Outcome], seen: LookedAt, command: str, tmp_path: Path
) -> None:
    here, there = kldeval(*words_of(command, seen, tmp_path), "-q"), answers[command]
    assert (there.code, there.out) == (here.code, here.out), there.err


def test_rows_of_a_cluster_are_kept(answers: dict[str, Outcome], cluster: Cluster) -> None:
    assert answers["again"] == answers[SAME[4]]
    # a second segment says again what is of files that were younger than two seconds at first
    segments = [path.read_text().splitlines() for path in (cluster.root / "cache").glob("*/*.jsonl")]
    assert len({name for lines in segments for line in lines for name in json.loads(line)["names"]}) == 3


def test_workers_of_a_cluster_write_parts_and_keep_rows(
    answers: dict[str, Outcome], cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts are those of this machine; each worker, and this process, which does little, has its own segment."""
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("kldeval.engine.parts.TASKS_OF_PART", 8)
    maps = (cluster.root / "parted" / "pred", cluster.root / "parted" / "gt")
    here = kldeval(*maps, "-q", "--output-dir", tmp_path / "rows")
    assert (answers["parts"].code, answers["parts"].out) == (here.code, here.out), answers["parts"].err
    found, expected = (
        {path.name: path.read_bytes() for path in at.iterdir()} for at in (cluster.root / "rows", tmp_path / "rows")
    )
    assert found == expected
    assert len(found) == 5
    lines = [line for path in (cluster.root / "rows of parts").glob("*/*") for line in path.read_text().splitlines()]
    assert sorted(name for line in lines for name in json.loads(line)["names"]) == [
        f"{number:02d}" for number in range(40)
    ]


def test_a_cluster_may_be_encrypted(answers: dict[str, Outcome]) -> None:
    """By the certificates of Dask's configuration, here of the environment; without them it is said what lacks."""
    assert answers["encrypted"] == answers[SAME[0]]
    refused = answers["no certificates"]
    assert (refused.code, refused.out) == (2, "")
    assert "needs the certificates of tls (ca-file, client cert and key) in Dask's configuration" in refused.err


def test_a_report_says_what_its_workers_computed_with(
    answers: dict[str, Outcome], cluster: Cluster, seen: LookedAt
) -> None:
    assert answers["report"].code == 0, answers["report"].err
    provenance = json.loads((cluster.root / "report.json").read_text())["provenance"]
    (workers,) = provenance["workers"]
    assert workers == {
        name: provenance[name] for name in ("kldeval", "python", "numpy", "opencv", "scipy", "arithmetic")
    }
    assert kldeval("show", cluster.root / "report.json").code == 0
    assert "workers" not in json.loads(kldeval(*seen.maps, "--format", "json").out)["provenance"]


def test_densities_are_built_on_a_cluster(
    answers: dict[str, Outcome], cluster: Cluster, seen: LookedAt, tmp_path: Path
) -> None:
    assert kldeval("density", seen.fixations, tmp_path, *DENSITY, "-q").code == 0
    assert (answers["density"].code, answers["density"].err) == (0, "")
    assert contents(cluster.root / "densities") == contents(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_another_version_on_the_workers_is_refused(answers: dict[str, Outcome]) -> None:
    refused = answers["another version"]
    assert (refused.code, refused.out) == (2, "")
    assert "has kldeval 0." in refused.err
    assert "this is 9.9: install one version" in refused.err


def test_workers_without_kldeval_are_refused(answers: dict[str, Outcome]) -> None:
    """They do not know a module of this process."""
    refused = answers["no kldeval"]
    assert (refused.code, refused.out) == (2, "")
    assert "has no kldeval that this one can talk to" in refused.err
    assert "No module named 'only_here'" in refused.err


def test_no_scheduler_and_no_worker_are_an_error(answers: dict[str, Outcome]) -> None:
    """Nor are workers that come and go, and answer nothing, such as those that end at their start."""
    nowhere = answers["no scheduler"]
    assert (nowhere.code, nowhere.out) == (1, "")
    assert nowhere.err.startswith("kldeval: there is no Dask scheduler at tcp://127.0.0.1:9: ")
    for nobody in (answers["no worker"], answers["no answer"]):
        assert (nobody.code, nobody.out) == (1, "")
        assert nobody.err.startswith("kldeval: no Dask worker came within 0.2 s (--engine-timeout)")


def test_a_file_that_kills_workers_is_a_failure_and_nothing_else_is_lost(answers: dict[str, Outcome]) -> None:
    done = answers["killer"]
    report = json.loads(done.out)
    assert done.code == 1, done.err
    assert [row["name"] for row in report["maps"]] == [name for name in KILLING if "killer" not in name]
    (failure,) = report["failures"]
    assert (failure["name"], failure["code"]) == ("17-killer", "ended-process")
    assert "was killed" in failure["message"]
    assert "died; the maps that it was at are done again, each alone" in done.err


def made_maps(root: Path, names: Sequence[str], shape: tuple[int, int]) -> list[str]:
    rng = np.random.default_rng(3)
    for side in ("pred", "gt"):
        (root / side).mkdir(parents=True)
        for name in names:
            np.save(root / side / f"{name}.npy", rng.random(shape))
    return [str(root / "pred"), str(root / "gt")]


def test_a_client_is_used_and_left_as_it_was_and_a_killed_worker_costs_its_tasks_alone(
    cluster: Cluster, seen: LookedAt
) -> None:
    """Workers sample themselves a hundred times a second, but not while they work for a run.

    Schedulers remember their last messages: 100 000 names are 25 MB there, if they are no more than sent.
    """
    code = (
        "import os, signal, sys, time, warnings\n"
        "import kldeval\n"
        "from distributed import Client\n"
        "from kldeval.executors.dask import DaskCluster\n"
        "from kldeval.executors.local import Each\n"
        "warnings.simplefilter('ignore')\n"
        "def samplers(dask_worker):\n"
        "    known = dask_worker.periodic_callbacks\n"
        "    return sorted(name for name in ('profile', 'tick') if known[name].is_running())\n"
        "client = Client(scheduler_file=sys.argv[1])\n"
        "client.wait_for_workers(2, timeout=30)\n"
        "there = kldeval.evaluate(sys.argv[2], sys.argv[3], client=client)\n"
        "here = kldeval.evaluate(sys.argv[2], sys.argv[3])\n"
        "print(there.scores == here.scores, len(there.scores), client.status)\n"
        "(_, pid), (survivor, _) = client.run(os.getpid).items()\n"
        "found = []\n"
        "for number in DaskCluster(client=client).map(Each(time.sleep), [0.01] * 50):\n"
        "    found.append(number)\n"
        "    if len(found) == 10:\n"
        "        during = [*client.run(samplers).values()]\n"
        "        os.kill(pid, signal.SIGKILL)\n"
        "print(len(found), client.status, len(client.futures))\n"
        "print(during, client.run(samplers)[survivor])\n"
        "def pages():\n"
        "    return int(open('/proc/self/statm').read().split()[1])\n"
        "before = client.run_on_scheduler(pages)\n"
        "for _ in DaskCluster(client=client).map(Each(len), [f'{number:0200}' for number in range(100000)]):\n"
        "    pass\n"
        "print((client.run_on_scheduler(pages) - before) * os.sysconf('SC_PAGESIZE') >> 20, file=sys.stderr)\n"
        "client.close()\n"
    )
    done = cluster.run([sys.executable, "-c", code, str(cluster.file), *map(str, seen.maps)])
    assert done.stdout.splitlines() == [
        "True 3 running",
        "50 running 0",
        "[[], []] ['profile', 'tick']",
    ], done.stderr
    assert int(done.stderr) < 10


def test_an_interrupt_cancels_and_a_lost_scheduler_ends_the_run_at_once(tmp_path: Path) -> None:
    """The first run waits for the worker, which comes late; what was scored is kept."""
    maps = made_maps(tmp_path, [f"{number:03d}" for number in range(150)], (24, 24))
    words = [*maps, "-m", "emd", "-q"]
    with started(tmp_path, "tcp") as cluster:

        def run_until_kept(cache: str, end: Callable[[subprocess.Popen[str]], None]) -> tuple[int, str, str]:
            command = cluster.command(*words, "--cache", tmp_path / cache)
            environment = {**os.environ, "PYTHONPATH": str(HOME)}
            with running(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                if not cluster.processes[1:]:
                    cluster.start("worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path))
                kept = tmp_path / cache
                assert happens(lambda: any(kept.glob("*/*.jsonl")) or process.poll() is not None)
                end(process)
                out, err = process.communicate(timeout=60)
            assert any(path.stat().st_size for path in kept.glob("*/*.jsonl"))
            return process.returncode, out, err

        assert run_until_kept("a", lambda process: process.send_signal(signal.SIGINT))[:2] == (130, "")
        code, out, err = run_until_kept("b", lambda _: cluster.processes[0].kill())
    assert (code, out) == (1, "")
    assert err == "kldeval: the Dask scheduler is lost; with --cache a further run goes on from here\n"


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
        ("--scheduler http://a:1", "--scheduler http://a:1: an address is tcp://HOST:PORT or tls://HOST:PORT"),
        ("--scheduler tcp://a", "--scheduler tcp://a: an address is tcp://HOST:PORT or tls://HOST:PORT"),
        ("--scheduler tcp://a:x", "--scheduler tcp://a:x: an address is tcp://HOST:PORT or tls://HOST:PORT"),
        ("--scheduler tcp://a:70000", "--scheduler tcp://a:70000: an address is tcp://HOST:PORT or tls://HOST:PORT"),
        ("--scheduler-file nowhere.json", "--scheduler-file nowhere.json: there is no such file"),
        ("--scheduler-file .", "--scheduler-file .: is a directory; is the scheduler running?"),
        ("--scheduler tcp://a:1 --device cuda", "--device cuda is of this machine, and the work is done by Dask"),
    ],
)
def test_what_makes_no_sense_together_is_refused(seen: LookedAt, words: str, message: str) -> None:
    outcome = kldeval(*seen.maps, *words.split())
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"kldeval: {message}")


@pytest.mark.parametrize("text", ["", "nonsense", "[1]", '{"a": 1}'])
def test_a_file_that_no_scheduler_wrote_is_named(
    seen: LookedAt, tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kldeval.executors.scheduler.SECONDS_TO_WRITE", 0.0)
    file = tmp_path / "s.json"
    file.write_text(text)
    outcome = kldeval(*seen.maps, "--scheduler-file", file)
    assert (outcome.code, outcome.out) == (2, "")
    expected = (
        f"kldeval: --scheduler-file {file} holds no address: 'dask scheduler --scheduler-file {file}' writes it\n"
    )
    assert outcome.err == expected


@pytest.mark.parametrize(
    ("is_listening", "reason"),
    [
        (False, "connection refused; is it running?"),
        (True, "there was no answer within 0.05 s; another program, or tls://?"),
    ],
)
def test_what_is_no_scheduler_ends_the_run(seen: LookedAt, tmp_path: Path, *, is_listening: bool, reason: str) -> None:
    """As that of a scheduler that is gone, whose file is still there, and of another program at its port."""
    file = tmp_path / "s.json"
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        file.write_text(json.dumps({"address": address}))
        if not is_listening:
            server.close()
        outcome = kldeval(*seen.maps, "--scheduler-file", file, "--engine-timeout", "0.05")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == f"kldeval: there is no Dask scheduler at {address}: {reason}\n"


def test_the_recipes_for_clusters_are_what_dask_and_python_take() -> None:
    """Every `dask scheduler` and `dask worker` of the page is parsed by the installed program."""
    page = (HOME / "docs" / "scale.md").read_text(encoding="utf-8")
    cluster = page[page.index("## A Dask cluster") : page.index("## Maps that live elsewhere")]
    commands = re.findall(r"dask (scheduler|worker)\b([^&\n`']*)&", cluster)
    assert [program for program, _ in commands] == ["scheduler", "worker", "scheduler", "worker"]
    for program, words in commands:
        main = importlib.import_module(f"distributed.cli.dask_{program}").main
        given = shlex.split(words)
        context = main.make_context(program, list(given))
        assert not set(given) & set(context.args), words
    (operator,) = re.findall(r"```text\n(from dask_kubernetes.*?)```", cluster, re.DOTALL)
    compile(operator, "operator.py", "exec")
    assert len(operator.splitlines()) <= 10
