"""The work on a Dask cluster: a real scheduler and two workers on this machine, and what happens when one goes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import Outcome, kldeval
from looked_at import LookedAt, make_looked_at
from watching import happens, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.slow

if find_spec("distributed") is None:  # to import it takes a third of a second, here of every process of the suite
    pytest.skip("distributed is not installed", allow_module_level=True)

HOME = Path(__file__).parents[2]

KILLERS = """
import os, signal, sys
def look(event, given):
    if event == "open" and ".npy" in str(given[0]) and "-killer" in str(given[0]):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(look)
"""
"""What a worker reads at its start: files of this name end whoever reads them."""


SCHEDULER = """
import sys
import dask
from distributed.security import Security
security = Security.temporary()
place = "distributed.comm.tls"
for file, text in (("ca", security.tls_ca_file), ("cert", security.tls_client_cert), ("key", security.tls_client_key)):
    open(f"{file}.pem", "w").write(text)
for role in ("scheduler", "worker", "client"):
    dask.config.set({f"{place}.{role}.cert": "cert.pem", f"{place}.{role}.key": "key.pem"})
dask.config.set({f"{place}.ca-file": "ca.pem"})
from distributed.cli.dask_scheduler import main
main()
"""
"""A scheduler that makes the certificates for all others first."""

PROGRAM = """
import ctypes, faulthandler, json, logging, os, signal, sys, threading, time, types, warnings
faulthandler.dump_traceback_later(120, exit=True)  # what hangs says where
from pathlib import Path
import dask
import kldeval as library
import kldeval.executors.dask as kldeval_dask
from command_line import Outcome, kldeval
from distributed import Client, LocalCluster
from distributed.cli import dask_scheduler, dask_worker
import kldeval.provenance as provenance
from kldeval.executors.local import Each
from kldeval.reports import collected
from kldeval.engine import parts

class Answers(dict):
    def ask(self, name, words, config=None, patches=()):
        before = [(module, attribute, getattr(module, attribute)) for module, attribute, _ in patches]
        for module, attribute, value in patches:
            setattr(module, attribute, value)
        with dask.config.set(config or {}):
            outcome = kldeval(*words)
        for one in before:
            setattr(*one)
        self[name] = [outcome.code, outcome.out, outcome.err]

    def ask_and_end(self, name, words, cache, process, number):
        # as soon as something is kept, a process gets a signal
        def watch():
            while not any(path.stat().st_size for path in Path(cache).glob("*/*.jsonl")):
                time.sleep(0.01)
            os.kill(process, number)
        watcher = threading.Thread(target=watch)
        watcher.start()
        self.ask(name, [*words, "--cache", cache])
        watcher.join()

asked, answers = json.load(sys.stdin), Answers()
print("2 workers", file=sys.stderr, flush=True)  # are asked for, and come some time later
levels = [logging.getLogger(name).level for name in kldeval_dask.LOGGERS]
for name, words in asked["commands"].items():
    answers.ask(name, words)
assert levels == [logging.getLogger(name).level for name in kldeval_dask.LOGGERS]
of_tls = ("ca-file", "client.cert", "client.key")
answers.ask("no certificates", asked["encrypted"], {f"distributed.comm.tls.{name}": None for name in of_tls})
maps = asked["encrypted"][:2]
with LocalCluster(n_workers=0, processes=False, protocol="tcp", dashboard_address=":0", host="127.0.0.1") as nobody:
    answers.ask("no worker", [*maps, "--scheduler", nobody.scheduler_address, "--engine-timeout", "0.2"])
small = (collected, "MOST_IN_MEMORY", 1), (parts, "TASKS_OF_PART", 8)
answers.ask("parts", asked["parts"], patches=small)
at = ["--scheduler-file", asked["file"]]
answers.ask("another version", [*maps, *at], patches=[(provenance, "__version__", "9.9")])
def silent(ours=provenance.versions()):
    if "command_line" not in sys.modules:
        raise ConnectionError("gone")
    return ours
answers.ask("no answer", [*maps, *at, "--engine-timeout", "0.2"], patches=[(kldeval_dask, "facts", silent)])
only_here = types.ModuleType("only_here")
exec("def facts(): pass", only_here.__dict__)
sys.modules["only_here"] = only_here
answers.ask("no kldeval", [*maps, *at], patches=[(kldeval_dask, "facts", only_here.facts)])

def samplers(dask_worker):
    known = dask_worker.periodic_callbacks
    return sorted(name for name in ("profile", "tick") if known[name].is_running())

def pages():
    return int(open("/proc/self/statm").read().split()[1])

def let_loose():
    import cv2
    cv2.setNumThreads(2)

def settled():
    # the threads of OpenCV, how many arrays of 24 MB the system was asked for, and whether one has its pages: freed
    # memory is kept for them
    import cv2, resource
    libc = ctypes.CDLL(None)
    fields = [(f"of{number}", ctypes.c_size_t) for number in range(10)]
    libc.mallinfo2.restype = type("Info", (ctypes.Structure,), {"_fields_": fields})
    before = libc.mallinfo2().of3
    array = bytearray(b"1") * (24 << 20)
    n_blocks, array = libc.mallinfo2().of3 - before, None
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    array = bytearray(b"1") * (24 << 20)
    n_new = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return [cv2.getNumThreads(), n_blocks, n_new < 1000]

class Unknown:
    # work that a worker has no module for
    def __call__(self, items):
        return items

    def __reduce__(self):
        return __import__, ("nowhere_at_all",)

def plugins(dask_worker):
    return sorted(name for name in dask_worker.plugins if name.startswith("kldeval"))

def of_client():
    client = Client(scheduler_file=asked["file"])
    client.wait_for_workers(2, timeout=60)
    there, here = library.evaluate(*maps, client=client), library.evaluate(*maps)
    yield [there.scores == here.scores, len(there.scores), client.status]
    (_, pid), (survivor, _) = client.run(os.getpid).items()
    try:
        list(kldeval_dask.DaskCluster(client=client).map(Unknown(), [1, 2]))
    except ModuleNotFoundError as error:
        yield [str(error), sorted(client.scheduler_info()["workers"]) == sorted([*client.run(os.getpid)])]
    client.run(let_loose)
    found, ahead = [], 0
    for number in kldeval_dask.DaskCluster(client=client).map(Each(time.sleep), [0.01] * 50):
        found.append(number)
        ahead = max(ahead, len(client.futures))
        if len(found) == 10:
            yield [[*client.run(samplers).values()], sorted(client.run(settled).values())]
            os.kill(pid, signal.SIGKILL)
    yield [len(found), client.status, len(client.futures), ahead <= 8]
    yield [client.run(samplers)[survivor], client.run(plugins)[survivor]]
    before = client.run_on_scheduler(pages)
    for _ in kldeval_dask.DaskCluster(client=client).map(Each(len), [f"{number:0200}" for number in range(100000)]):
        pass
    yield (client.run_on_scheduler(pages) - before) * os.sysconf("SC_PAGESIZE") >> 20
    client.close()

print("1 workers", file=sys.stderr, flush=True)  # instead of the one that died
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    answers["client"] = list(of_client())

def unknown(program, words):
    context = {"scheduler": dask_scheduler, "worker": dask_worker}[program].main.make_context(program, list(words))
    return sorted(set(words) & set(context.args))

answers["recipes"] = [unknown(*recipe) for recipe in asked["recipes"]]
answers.ask_and_end("interrupt", asked["long"], asked["kept"][0], os.getpid(), signal.SIGINT)
answers.ask_and_end("lost", asked["long"], asked["kept"][1], asked["scheduler"], signal.SIGKILL)
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
    def is_deserted(self) -> bool:
        """Whether there is a scheduler, and not one worker left of those that were started."""
        scheduler, *workers = (process.poll() is None for process in self.processes)
        return scheduler and bool(workers) and not any(workers)

    @property
    def file(self) -> Path:
        return self.root / "scheduler.json"

    @property
    def log(self) -> str:
        """What all of them have printed."""
        return (self.root / "cluster.log").read_text()

    @property
    def encrypted(self) -> str:
        """Its second address, which it says in its log alone."""
        found = re.search(r"tls://[0-9.:]+", self.log)
        assert found is not None
        return found[0]

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.root / "cluster.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *words, "--scheduler-file", str(self.file), "--no-dashboard"],
                env=self.environment,
                stdout=log,
                stderr=log,
                cwd=self.root,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def start_worker(self) -> None:
        """Without a nanny, which would start another one for each that dies, and takes a process itself."""
        words = ("--no-nanny", "--nthreads", "1", "--local-directory", ".", "--host", "127.0.0.1")
        self.start("-m", "distributed.cli.dask_worker", *words)

    def end(self) -> None:
        """Nothing is kept of it: it and what it started end at once, where a worker's farewell may take seconds."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self.processes:
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler that listens with and without encryption."""
    root = tmp_path_factory.mktemp("cluster")
    (root / "sitecustomize.py").write_text(KILLERS, encoding="utf-8")
    place = "DASK_DISTRIBUTED__COMM__TLS"
    variables = {"DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s", f"{place}__CA_FILE": str(root / "ca.pem")}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        variables |= {f"{place}__{role}__CERT": str(root / "cert.pem"), f"{place}__{role}__KEY": str(root / "key.pem")}
    found = Cluster(root, {**os.environ, **variables, "PYTHONPATH": f"{root}{os.pathsep}{HOME}"})
    try:
        found.start("-c", SCHEDULER, "--host", "127.0.0.1", "--port", "0,0", "--protocol", "tcp,tls")
        assert happens(found.file.is_file), found.log
        yield found
    finally:
        found.end()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> LookedAt:
    return make_looked_at(tmp_path_factory.mktemp("maps") / "data", dtype=np.float32)


SAME = (
    "{pred} {gt} --format jsonl",
    "{pred} {gt} -m sauc,ig --fixations {fixations} --baseline others --format jsonl",
    "{pred} {gt} {gt} --baselines -m kld,cc --resamples 100 --format jsonl",
    "{pred} {gt} --group-by {{name}} --format csv",
    "{pred} {gt} --cache {cache} --format jsonl",
    "audit {pred} {gt} --cache {cache}",
    "identify {pred} {gt} --value 0.1234 --cache {cache}",
)
"""Commands whose output is the same to the byte, wherever the work is done."""

KILLING = tuple(f"{number:02d}{'-killer' * (number == 17)}" for number in range(40))
"""Names of maps, of which one kills."""

DENSITY = ("--sigma", "2", "--size", "24x18")


def words_of(command: str, seen: LookedAt, cache: Path) -> list[str]:
    pred, gt = seen.maps
    return [word.format(pred=pred, gt=gt, fixations=seen.fixations, cache=cache) for word in command.split()]


@contextlib.contextmanager
def ended_without_workers(process: subprocess.Popen[str], cluster: Cluster) -> Iterator[None]:
    """End a program as soon as no worker is left, because it would wait a minute for one with each command."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.2):
            if cluster.is_deserted:
                process.kill()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


@pytest.fixture(scope="module")
def answers(cluster: Cluster, seen: LookedAt) -> dict[str, Any]:
    """What became of commands on the cluster, by what is asked about them; the first of them waits for a worker."""
    at, maps = ["--scheduler-file", str(cluster.file), "-q"], [*map(str, seen.maps)]
    commands = {command: [*words_of(command, seen, cluster.root / "cache"), *at] for command in SAME}
    commands["again"] = commands[SAME[4]]
    commands["report"] = [*maps, *at, "-o", str(cluster.root / "report.json")]
    commands["density"] = ["density", str(seen.fixations), str(cluster.root / "densities"), *DENSITY, *at]
    from_here = map(os.path.relpath, seen.maps)  # where the command runs, which workers do not
    commands["encrypted"] = encrypted = [*from_here, "-q", "--format", "jsonl", "--scheduler", cluster.encrypted]
    commands["no scheduler"] = [*maps, "--scheduler", "tcp://127.0.0.1:9", "--engine-timeout", "0.2"]
    commands["killer"] = [*made_maps(cluster.root / "killer", KILLING, (6, 8)), "--format", "json", *at[:2]]
    parts = [*made_maps(cluster.root / "parted", [f"{number:02d}" for number in range(40)], (6, 8)), *at]
    parts += ["--output-dir", str(cluster.root / "rows"), "--cache", str(cluster.root / "rows of parts")]
    long = [*made_maps(cluster.root / "long", [f"{number:03d}" for number in range(400)], (24, 24)), "-m", "emd", *at]
    asked = {
        "commands": commands,
        "encrypted": encrypted,
        "file": str(cluster.file),
        "parts": parts,
        "recipes": recipes(),
        "long": long,
        "kept": [str(cluster.root / f"kept{number}") for number in range(2)],
        "scheduler": cluster.processes[0].pid,
    }
    environment = {**cluster.environment, "PYTHONPATH": f"{HOME}{os.pathsep}{HOME / 'tests'}"}
    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with running([sys.executable, "-c", PROGRAM], env=environment, **streams) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(asked))
        process.stdin.close()
        process.stdin = None
        with ended_without_workers(process, cluster):
            for number in (2, 1):
                said = process.stderr.readline()
                if said != f"{number} workers\n":
                    process.kill()
                    pytest.fail(said + process.stderr.read() + cluster.log)
                for _ in range(number):
                    cluster.start_worker()
            out, err = process.communicate(timeout=150)
    assert process.returncode == 0, err + cluster.log
    assert "distributed" not in err, "what Dask says of connections that are lost"
    found: dict[str, Any] = json.loads(out)
    others = ("client", "recipes")
    return {name: one if name in others else Outcome(*one) for name, one in found.items()}


@pytest.mark.parametrize("command", SAME)
def test_a_cluster_gives_the_bytes_of_this_machine(
    answers: dict[str, Any], seen: LookedAt, command: str, tmp_path: Path
) -> None:
    here, there = kldeval(*words_of(command, seen, tmp_path), "-q"), answers[command]
    assert (there.code, there.out) == (here.code, here.out), there.err


def test_rows_of_a_cluster_are_kept(answers: dict[str, Any], cluster: Cluster) -> None:
    assert answers["again"] == answers[SAME[4]]
    # a second segment says again what is of files that were younger than two seconds at first
    segments = [path.read_text().splitlines() for path in (cluster.root / "cache").glob("*/*.jsonl")]
    assert len({name for lines in segments for line in lines for name in json.loads(line)["names"]}) == 3


def test_workers_of_a_cluster_write_parts_and_keep_rows(
    answers: dict[str, Any], cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


def test_a_cluster_may_be_encrypted(answers: dict[str, Any]) -> None:
    """By the certificates of Dask's configuration, here of the environment; without them it is said what lacks."""
    assert answers["encrypted"] == answers[SAME[0]]
    refused = answers["no certificates"]
    assert (refused.code, refused.out) == (2, "")
    assert "needs the certificates of tls (ca-file, client cert and key) in Dask's configuration" in refused.err


def test_a_report_says_what_its_workers_computed_with(
    answers: dict[str, Any], cluster: Cluster, seen: LookedAt
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
    answers: dict[str, Any], cluster: Cluster, seen: LookedAt, tmp_path: Path
) -> None:
    assert kldeval("density", seen.fixations, tmp_path, *DENSITY, "-q").code == 0
    assert (answers["density"].code, answers["density"].err) == (0, "")
    assert contents(cluster.root / "densities") == contents(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_another_version_on_the_workers_is_refused(answers: dict[str, Any]) -> None:
    refused = answers["another version"]
    assert (refused.code, refused.out) == (2, "")
    assert "has kldeval 0." in refused.err
    assert "this is 9.9: install one version" in refused.err


def test_workers_without_kldeval_are_refused(answers: dict[str, Any]) -> None:
    """They do not know a module of this process."""
    refused = answers["no kldeval"]
    assert (refused.code, refused.out) == (2, "")
    assert "has no kldeval that this one can talk to" in refused.err
    assert "No module named 'only_here'" in refused.err


def test_no_scheduler_and_no_worker_are_an_error(answers: dict[str, Any]) -> None:
    """Nor are workers that come and go, and answer nothing, such as those that end at their start."""
    nowhere = answers["no scheduler"]
    assert (nowhere.code, nowhere.out) == (1, "")
    assert nowhere.err.startswith("kldeval: there is no Dask scheduler at tcp://127.0.0.1:9: ")
    for nobody in (answers["no worker"], answers["no answer"]):
        assert (nobody.code, nobody.out) == (1, "")
        assert nobody.err.startswith("kldeval: no Dask worker came within 0.2 s (--engine-timeout)")


def test_a_file_that_kills_workers_is_a_failure_and_nothing_else_is_lost(answers: dict[str, Any]) -> None:
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


def test_a_client_is_used_and_left_as_it_was_and_a_killed_worker_costs_its_tasks_alone(answers: dict[str, Any]) -> None:
    """Workers sample themselves a hundred times a second, but not while they work for a run.

    Schedulers remember their last messages: 100 000 names are 25 MB there, if they are no more than sent.
    """
    same, unknown, during, done, after, megabytes = answers["client"]
    assert same == [True, 3, "running"]
    assert unknown == ["No module named 'nowhere_at_all'", True]
    assert during == [[[], []], [[1, 0, True], [1, 0, True]]]
    assert done == [50, "running", 0, True]
    assert after == [["profile", "tick"], []]
    assert megabytes < 10


def test_an_interrupt_cancels_and_a_lost_scheduler_ends_the_run_at_once(
    answers: dict[str, Any], cluster: Cluster
) -> None:
    """What was scored is kept."""
    assert (answers["interrupt"].code, answers["interrupt"].out) == (130, "")
    lost = "kldeval: the Dask scheduler is lost; with --cache a further run goes on from here\n"
    assert answers["lost"] == Outcome(1, "", lost)
    for number in range(2):
        kept = [path.read_text().splitlines() for path in (cluster.root / f"kept{number}").glob("*/*.jsonl")]
        assert 0 < sum(len(json.loads(line)["names"]) for lines in kept for line in lines) < 400


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


def page_on_clusters() -> str:
    page = (HOME / "docs" / "scale.md").read_text(encoding="utf-8")
    return page[page.index("## A Dask cluster") : page.index("## Maps that live elsewhere")]


def recipes() -> list[tuple[str, list[str]]]:
    """Every `dask scheduler` and `dask worker` of the page, with its words."""
    commands = re.findall(r"dask (scheduler|worker)\b([^&\n`']*)&", page_on_clusters())
    return [(program, shlex.split(words)) for program, words in commands]


def test_the_recipes_for_clusters_are_what_dask_and_python_take(answers: dict[str, Any]) -> None:
    """They are parsed by the installed programs."""
    assert [program for program, _ in recipes()] == ["scheduler", "worker", "scheduler", "worker"]
    assert answers["recipes"] == [[], [], [], []]
    (operator,) = re.findall(r"```text\n(from dask_kubernetes.*?)```", page_on_clusters(), re.DOTALL)
    compile(operator, "operator.py", "exec")
    assert len(operator.splitlines()) <= 10
