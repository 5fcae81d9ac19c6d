"""Maps that live elsewhere: in the memory of a process, and in an S3 on this machine."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import re
import subprocess
import sys
import threading
from functools import partial
from http.client import HTTPConnection
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import Outcome, kldeval
from late import late
from looked_at import LookedAt, make_looked_at
from programs import python

if TYPE_CHECKING:
    from collections.abc import Iterator

pa = late("pyarrow")
parquet = late("pyarrow.parquet")

fsspec = pytest.importorskip("fsspec.asyn") and pytest.importorskip("fsspec")

HOME = Path(__file__).parents[2]


@pytest.fixture
def seen(tmp_path: Path) -> LookedAt:
    return make_looked_at(tmp_path / "maps", dtype=np.float32)


@pytest.fixture
def stored(seen: LookedAt) -> Iterator[str]:
    files = fsspec.filesystem("memory")
    for path in seen.root.rglob("*"):
        if path.is_file():
            files.pipe_file(f"/store/{path.relative_to(seen.root).as_posix()}", path.read_bytes())
    yield "memory://store"
    files.rm("/store", recursive=True)


def numbers(text: str) -> Any:
    document = json.loads(text)
    return {key: document[key] for key in ("signature", "summary", "maps", "failures")}


@pytest.mark.parametrize("words", ["", "-m kld,sauc --fixations {root}/fixations.csv"])
def test_folders_in_memory_score_as_those_on_disk(seen: LookedAt, stored: str, words: str) -> None:
    here = kldeval(*seen.maps, *words.format(root=seen.root).split(), "--format", "json")
    there = kldeval(f"{stored}/pred", f"{stored}/gt", *words.format(root=stored).split(), "--format", "json")
    assert (there.code, numbers(there.out)) == (0, numbers(here.out)), there.err


def test_two_files_are_one_pair(seen: LookedAt, stored: str) -> None:
    here = kldeval(*(path / "a.npy" for path in seen.maps), "--score-only")
    assert kldeval(f"{stored}/pred/a.npy", f"{stored}/gt/a.npy", "--score-only") == here


ASKED = ("gcs", "gs", "hf", "http", "https", "s3", "s3a")
"""Schemes whose places are asked for over a network."""


def test_every_scheme_works_or_says_in_one_line_why_not(seen: LookedAt) -> None:
    """Before its file system is half made, whose end would print a traceback; and outputs before anything is scored."""
    pred, gt = seen.maps
    refused = set()
    for scheme in (*fsspec.available_protocols(), "foo", "a.b-c+d"):
        place = f"{scheme}://nowhere/at-all"
        requests = [(place, place), (pred, gt, "-o", f"{place}/r.json"), (pred, gt, "--output-dir", place)]
        n_refused = 0 if scheme in ASKED else 1 if scheme in ("file", "memory") else len(requests)
        for words in requests[:n_refused]:
            outcome = kldeval(*words)
            assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1), outcome.err
            assert outcome.err.startswith("kldeval: ")
            assert f"{scheme}:" in outcome.err
            if "is no scheme that files are read from" in outcome.err:
                refused.add(scheme)
    gc.collect()
    assert refused >= {"ftp", "github", "webhdfs", "reference", "dir", "simplecache", "generic", "zip", "foo"}


@pytest.mark.parametrize("option", ["-o", "--output-dir"])
def test_a_web_page_is_not_written_to(seen: LookedAt, option: str) -> None:
    """That is said before anything is scored, and without asking it."""
    outcome = kldeval(*seen.maps, option, "https://nowhere.invalid/r.json")
    expected = "kldeval: cannot write https://nowhere.invalid/r.json: nothing is written to https://"
    assert (outcome.code, outcome.out, outcome.err.partition(";")[0]) == (2, "", expected)


@pytest.mark.parametrize("option", ["-o", "--output-dir"])
def test_a_place_that_refuses_outputs_says_so_before_anything_is_scored(
    seen: LookedAt, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without credentials, say; who may not look may still be allowed to write."""
    scheme = f"closed{option}"  # file systems are kept by their schemes

    class Closed(type(fsspec.filesystem("memory"))):  # type: ignore[misc]  # the library has no types
        error: Exception = RuntimeError("no credentials")

        def isdir(self, _path: str) -> bool:
            raise self.error

    fsspec.register_implementation(scheme, Closed)
    outcome = kldeval(*seen.maps, option, f"{scheme}://bucket/r.json")
    why = "no credentials (RuntimeError); are there credentials, and do they allow it?"
    expected = f"kldeval: cannot write {scheme}://bucket/r.json: {why}\n"
    assert (outcome.code, outcome.out, outcome.err) == (2, "", expected)
    monkeypatch.setattr(Closed, "error", PermissionError("listing is denied"))
    assert kldeval(*seen.maps, option, f"{scheme}://bucket/r.json").code == 0


def test_what_a_server_says_of_an_output_is_one_line(seen: LookedAt) -> None:
    class Wordy(type(fsspec.filesystem("memory"))):  # type: ignore[misc]  # the library has no types
        def open(self, *_arguments: Any, **_options: Any) -> Any:
            msg = "401 Unauthorized\n\nInvalid user name"
            raise OSError(msg)

    fsspec.register_implementation("wordy", Wordy)
    outcome = kldeval(*seen.maps, "-o", "wordy://bucket/r.json", "-q")
    assert (outcome.code, outcome.err) == (
        2,
        "kldeval: cannot write wordy://bucket/r.json: 401 Unauthorized (OSError)\n",
    )


@pytest.mark.parametrize("option", ["-o", "--output-dir"])
def test_outputs_on_this_machine_have_urls_too(seen: LookedAt, tmp_path: Path, option: str) -> None:
    assert kldeval(*seen.maps, option, (tmp_path / "r.json").as_uri(), "-q").code == 0
    assert (tmp_path / "r.json").exists()
    refused = kldeval(*seen.maps, "-o", (tmp_path / "nowhere" / "r.json").as_uri())
    folder = tmp_path / "nowhere"
    expected = f"kldeval: cannot write {folder / 'r.json'}: there is no folder {folder}; create it first\n"
    assert (refused.code, refused.out, refused.err) == (2, "", expected)


def test_a_place_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages ask again and again, and not all of their questions heed what they are told of time and retries."""

    class Silent(fsspec.asyn.AsyncFileSystem):  # type: ignore[misc, name-defined]  # the library has no types
        protocol = "silent"

        async def _info(self, _path: str, **_options: Any) -> Any:
            await asyncio.sleep(60)

    fsspec.register_implementation("silent", Silent)
    monkeypatch.setattr("kldeval.data.containers.remote.SECONDS_TO_ANSWER", 0.05)
    outcome = kldeval("silent://host/pred", "silent://host/gt")
    why = "there was no answer within 0.05 s; is there a network? (TimeoutError)"
    assert (outcome.code, outcome.err) == (2, f"kldeval: silent://host/pred cannot be read: {why}\n")


def test_an_output_may_be_elsewhere(seen: LookedAt, stored: str) -> None:
    outcome = kldeval(*seen.maps, "-o", f"{stored}/report.json", "-o", f"{stored}/rows.csv", "-q")
    assert outcome.code == 0, outcome.err
    files = fsspec.filesystem("memory")
    assert len(json.loads(files.cat_file("/store/report.json"))["maps"]) == 3
    assert files.cat_file("/store/rows.csv").startswith(b"name,kld,ce,")


def test_parts_may_be_elsewhere(seen: LookedAt, stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of a folder here, whoever would write them; a further run replaces them, another one may not."""
    pytest.importorskip("pyarrow")
    files = fsspec.filesystem("memory")
    for constant in ("kldeval.engine.parts.TASKS_OF_PART", "kldeval.reports.collected.MOST_IN_MEMORY"):
        monkeypatch.setattr(constant, 2)
    kldeval(*seen.maps, "--output-dir", tmp_path / "rows", "-q")
    for _ in range(2):
        outcome = kldeval(*seen.maps, "--output-dir", f"{stored}/rows", "-q")
        assert outcome.code == 0, outcome.err
        found = {path.rpartition("/")[2]: files.cat_file(path) for path in files.find("/store/rows")}
        assert found == {path.name: path.read_bytes() for path in (tmp_path / "rows").iterdir()}
    refused = kldeval(*seen.maps, "-m", "cc", "--output-dir", f"{stored}/rows")
    assert refused.code == 2
    assert "rows holds parts of another run (metrics kld,ce, here cc); name another folder" in refused.err
    assert kldeval(*seen.maps, "--limit", "1", "--output-dir", f"{stored}/rows", "-q").code == 0
    assert [path.rpartition("/")[2] for path in files.find("/store/rows")] == ["part-000000.parquet"]


def test_a_manifest_names_maps_elsewhere(seen: LookedAt, stored: str, tmp_path: Path) -> None:
    """Wherever the manifest lies, and beside maps that are here; other files of it are not read from URLs."""
    here = seen.maps[1]
    rows = [f"{stored}/pred/a.npy,{stored}/gt/a.npy", f"{stored}/pred/b.npy,{here}/b.npy"]
    (tmp_path / "m.csv").write_text("\n".join(["pred,gt", *rows]))
    outcome = kldeval("--manifest", tmp_path / "m.csv", "--format", "json")
    assert outcome.code == 0, outcome.err
    found = {row["name"].rpartition("/")[2]: row["kld"] for row in json.loads(outcome.out)["maps"]}
    whole = json.loads(kldeval(*seen.maps, "--format", "json").out)["maps"]
    assert found == {row["name"]: row["kld"] for row in whole[:2]}
    (tmp_path / "m.csv").write_text(f"pred,gt,mask\n{rows[0]},{stored}/gt/a.npy")
    refused = kldeval("--manifest", tmp_path / "m.csv")
    where = f"{tmp_path / 'm.csv'}, line 2"
    expected = f"kldeval: {where}: mask at a URL: of a manifest, only maps are read from URLs\n"
    assert (refused.code, refused.out, refused.err) == (2, "", expected)


@pytest.mark.parametrize("name", ["maps.zip", "maps.tar.gz", "maps.mp4", "maps.nc", "maps.parquet"])
def test_a_file_of_many_maps_elsewhere_says_what_to_do(seen: LookedAt, stored: str, name: str) -> None:
    fsspec.filesystem("memory").pipe_file(f"/store/{name}", b"many maps")
    ways_out = {"maps.parquet": "is a table: name its columns of maps with --pred-column and --gt-column"}
    way_out = ways_out.get(name, "is a file of many maps, which is read here alone: copy it to this machine")
    for words in ((f"{stored}/{name}", seen.maps[1]), (seen.maps[0], f"{stored}/{name}")):
        assert kldeval(*words) == Outcome(2, "", f"kldeval: {stored}/{name} {way_out}\n")


@pytest.mark.parametrize(
    "words",
    [
        "{pred} {gt} --cache {place}",
        "{pred} {gt} --save-maps {place}",
        "density {fixations} {place} --like {gt} --sigma 1",
    ],
)
def test_folders_that_have_to_be_here_are_no_urls(
    seen: LookedAt, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than made here, under a name that begins with a scheme."""
    monkeypatch.chdir(tmp_path)
    pred, gt = seen.maps
    place = "memory://store/rows"
    outcome = kldeval(*words.format(pred=pred, gt=gt, fixations=seen.fixations, place=place).split())
    why = "this is written to a folder of a file system, and not to a URL"
    assert outcome == Outcome(2, "", f"kldeval: cannot write {place}: {why}\n")
    assert list(tmp_path.glob("memory:*")) == []


def test_a_damaged_file_is_a_failure_and_named_by_its_url(stored: str) -> None:
    fsspec.filesystem("memory").pipe_file("/store/gt/b.npy", b"damaged")
    outcome = kldeval(f"{stored}/pred", f"{stored}/gt", "--format", "json")
    (failure,) = json.loads(outcome.out)["failures"]
    assert (outcome.code, failure["name"], failure["code"]) == (1, "b", "unreadable")
    assert "store/gt/b.npy" in failure["message"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("memory://nowhere/gt", "memory://nowhere/gt does not exist"),
        ("foo://nowhere/gt", "foo:// is no scheme that files are read from"),
    ],
)
def test_what_is_not_there_is_one_line(stored: str, place: str, message: str) -> None:
    outcome = kldeval(f"{stored}/pred", place)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"kldeval: {message}")
    assert outcome.err.count("\n") == 1


def test_a_network_that_fails_once_is_asked_again(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files, times = fsspec.filesystem("memory"), []
    real = type(files).open

    def failing(self: Any, *arguments: Any, **options: Any) -> Any:
        times.append(1)
        if len(times) % 2:
            msg = "the connection was reset"
            raise ConnectionResetError(msg)
        return real(self, *arguments, **options)

    monkeypatch.setattr("kldeval.data.containers.downloads.FIRST_PAUSE", 0.0)
    monkeypatch.setattr(type(files), "open", failing)
    outcome = kldeval(f"{stored}/pred", f"{stored}/gt", "--format", "json")
    assert outcome.code == 0, outcome.err


class ClientPayloadError(Exception):
    """As that of aiohttp."""


class ClientResponseError(Exception):
    """As that of aiohttp."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}, message={message!r}")
        self.status, self.message = status, message


class ClientConnectorCertificateError(Exception):
    """As that of aiohttp."""


AUTHORITIES = "SSL_CERT_FILE (of s3:// AWS_CA_BUNDLE) names a file with certificates of authorities of your own"


@pytest.mark.parametrize(
    ("error", "times", "message"),
    [
        (ClientConnectorCertificateError("x"), 1, f"x (ClientConnectorCertificateError); {AUTHORITIES}"),
        (ClientPayloadError("not completed"), 3, "the connection ended before the file did, 3 times"),
        (ClientResponseError(404, "Not Found"), 1, "the server answered 404 (Not Found)"),
        (ClientResponseError(503, "Service Unavailable"), 3, "the server answered 503 (Service Unavailable)"),
        (ClientResponseError(429, ""), 3, "the server answered 429 (no reason given)"),
        (RuntimeError("no route"), 3, "no route (RuntimeError)"),
    ],
)
def test_a_network_that_fails_for_good_is_a_failure_that_says_how(
    stored: str, monkeypatch: pytest.MonkeyPatch, error: Exception, times: int, message: str
) -> None:
    """A server that is busy is asked again, one that refuses is not."""
    files, asked = fsspec.filesystem("memory"), []
    real = type(files).open

    def failing(self: Any, path: str, *arguments: Any, **options: Any) -> Any:
        if not path.endswith("/pred/b.npy"):
            return real(self, path, *arguments, **options)
        asked.append(path)
        raise error

    pauses: list[float] = []
    monkeypatch.setattr("kldeval.data.containers.downloads.time.sleep", pauses.append)
    monkeypatch.setattr(type(files), "open", failing)
    outcome = kldeval(f"{stored}/pred", f"{stored}/gt", "--format", "json", "--jobs", "1")
    (failure,) = json.loads(outcome.out)["failures"]
    assert (outcome.code, failure["name"], len(asked)) == (1, "b", times)
    assert failure["message"].endswith(f"store/pred/b.npy: {message}")
    assert pauses == [0.5, 1.0][: times - 1]  # each twice as long as the last


class Dripping(io.BytesIO):
    """A file of which nobody says how long it is, and a few bytes come at a time."""

    size = None

    def read(self, most: int | None = -1) -> bytes:
        return super().read(7 if most is None or most < 0 else min(7, most))


def test_what_comes_in_drops_is_read_to_its_end(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files, asked = fsspec.filesystem("memory"), (f"{stored}/pred", f"{stored}/gt", "--format", "json")
    here, real = kldeval(*asked), type(files).open

    def dripping(self: Any, path: str, *arguments: Any, **options: Any) -> Any:
        with real(self, path, *arguments, **options) as file:
            return Dripping(file.read())

    monkeypatch.setattr(type(files), "open", dripping)
    there = kldeval(*asked)
    assert (there.code, numbers(there.out)) == (0, numbers(here.out)), there.err


def test_a_scheme_whose_package_lacks_is_told_how_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.setitem(sys.modules, "adlfs", None)
    for scheme, way_out in {"gs": "pip install 'kldeval[remote]'", "az": "Install adlfs"}.items():
        outcome = kldeval(f"{scheme}://bucket/pred", f"{scheme}://bucket/gt")
        assert outcome.code == 2
        assert outcome.err.startswith(f"kldeval: {scheme}:// needs a package that is not installed: {way_out}")


def test_folders_of_this_machine_have_urls_too(seen: LookedAt) -> None:
    here = kldeval(*seen.maps, "--score-only")
    assert kldeval(*(path.as_uri() for path in seen.maps), "--score-only") == here


def test_a_page_that_lists_files_is_a_folder(seen: LookedAt) -> None:
    """A web server has no folders of its own; in a process of its own, for its file system starts threads."""
    pytest.importorskip("aiohttp")
    serve = partial(QuietHandler, directory=str(seen.root))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            scored, nowhere = (
                subprocess.run(
                    [*python(), "-m", "kldeval", f"{url}/{pred}", f"{url}/gt{slash}", "--format", "json"],
                    env={**os.environ, "PYTHONPATH": str(HOME)},
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=60,
                )
                for pred, slash in (("pred", "/"), ("nothing", ""))
            )
        finally:
            server.shutdown()
    assert (scored.returncode, scored.stderr) == (0, "")
    assert numbers(scored.stdout) == numbers(kldeval(*seen.maps, "--format", "json").out)
    assert (nowhere.returncode, nowhere.stderr) == (2, f"kldeval: {url}/nothing does not exist\n")


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder and logs nothing."""

    def log_message(self, *_arguments: object) -> None:
        return


def put(server: HTTPConnection, path: str, data: bytes = b"") -> None:
    server.request("PUT", path, data)
    answer = server.getresponse()
    assert (answer.status, answer.read()) == (200, b"")


@pytest.mark.slow
def test_an_s3_on_this_machine(seen: LookedAt, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own, for its file system starts threads; without credentials it says so."""
    server = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    # how often it looks whether it is to end: twice a second unless it is told otherwise
    serve = resolve_name("werkzeug.serving:BaseWSGIServer.serve_forever")
    monkeypatch.setattr(serve, "__defaults__", (0.02,))
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "PYTHONPATH": str(HOME),
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        bucket = HTTPConnection(host, port)
        put(bucket, "/maps")
        for path in filter(Path.is_file, seen.root.rglob("*")):
            put(bucket, f"/maps/{path.relative_to(seen.root).as_posix()}", path.read_bytes())
        paths = {side: sorted((seen.root / side).glob("*.npy")) for side in ("pred", "gt")}
        columns: dict[str, Any] = {side: [np.load(path).tolist() for path in paths[side]] for side in paths}
        columns["id"] = [path.stem for path in paths["gt"]]
        table_file = io.BytesIO()
        parquet.write_table(pa.table(columns), table_file, row_group_size=2)
        put(bucket, "/maps/t.parquet", table_file.getvalue())
        bucket.close()
        command = [*python(), "-m", "kldeval", "s3://maps/pred", "s3://maps/gt", "-o", "s3://maps/out.json"]
        command += ["--format", "json", "-m", "kld,nss", "--fixations", "s3://maps/fixations.csv"]
        done = subprocess.run(
            command, env={**environment, **keys}, capture_output=True, text=True, check=False, timeout=60
        )
        here = kldeval(*seen.maps, "-m", "kld,nss", "--fixations", seen.fixations, "--format", "json")
        assert (done.returncode, numbers(done.stdout)) == (0, numbers(here.out)), done.stderr
        table = [
            *command[: command.index("kldeval") + 1],
            "s3://maps/t.parquet",
            "s3://maps/t*.parquet",
            "--pred-column",
            "pred",
            "--gt-column",
            "gt",
        ]
        table += ["--name-column", "id", "--format", "json"]
        done = subprocess.run(
            table, env={**environment, **keys}, capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, numbers(done.stdout)) == (0, numbers(kldeval(*seen.maps, "--format", "json").out)), (
            done.stderr
        )
        command[command.index("s3://maps/out.json")] = "s3://absent/a/out.json"
        done = subprocess.run(
            command, env={**environment, **keys}, capture_output=True, text=True, check=False, timeout=60
        )
        expected = "kldeval: cannot write s3://absent/a/out.json: there is no such bucket\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)
        refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "are there credentials, and do they allow it?" in refused.stderr
    finally:
        running.stop()


def archive(kind: str, arrays: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    if kind == "npz":
        np.savez(file, **arrays)
    elif kind == "mat":
        pytest.importorskip("scipy.io").savemat(file, arrays)
    else:
        with pytest.importorskip("h5py").File(file, "w") as held:
            for name, array in arrays.items():
                held[name] = array
    return file.getvalue()


@pytest.mark.parametrize("kind", ["npz", "mat", "h5"])
def test_a_file_of_several_arrays_elsewhere_is_what_it_is_here(kind: str, tmp_path: Path) -> None:
    """A map for each array; never one of them for all, unless it is named."""
    rng, files = np.random.default_rng(0), fsspec.filesystem("memory")
    for side in ("pred", "gt"):
        data = archive(kind, {name: rng.random((4, 5)) for name in "abc"})
        (tmp_path / f"{side}.{kind}").write_bytes(data)
        files.pipe_file(f"/arrays/{side}.{kind}", data)
    requests = [
        ("{at}/pred.{kind}", "{at}/gt.{kind}"),
        ("{at}/pred.{kind}/b", "{at}/gt.{kind}/c"),
        ("{at}/pred.{kind}", "{at}/gt.{kind}", "--key", "b"),
        ("{at}/pred.{kind}", "{at}/gt.{kind}/c"),
        ("{at}/pred.{kind}/x", "{at}/gt.{kind}"),
    ]
    codes = []
    for words in requests:
        here, there = (
            kldeval(*(word.format(at=at, kind=kind) for word in words), "--score-only", "--jobs", "1")
            for at in (tmp_path, "memory://arrays")
        )
        assert there.err == here.err.replace(str(tmp_path), "memory://arrays")
        assert (there.code, there.out) == (here.code, here.out), there.err
        codes.append(there.code)
    assert codes == [0, 0, 0, 2, 2]
    names = [
        row["name"]
        for row in json.loads(
            kldeval("memory://arrays/pred." + kind, "memory://arrays/gt." + kind, "--format", "json").out
        )["maps"]
    ]
    assert names == ["a", "b", "c"]


def test_a_key_is_of_files_in_a_folder_or_an_archive(stored: str, tmp_path: Path) -> None:
    import zipfile

    rng, files = np.random.default_rng(0), fsspec.filesystem("memory")
    with zipfile.ZipFile(tmp_path / "maps.zip", "w") as archive_of_files:
        for name in "ab":
            data = archive("npz", {"x": rng.random((4, 5)), "y": rng.random((4, 5))})
            archive_of_files.writestr(f"{name}.npz", data)
            files.pipe_file(f"/store/npz/{name}.npz", data)
            (tmp_path / "here").mkdir(exist_ok=True)
            (tmp_path / "here" / f"{name}.npz").write_bytes(data)
    keys = "--pred-key", "x", "--gt-key", "y", "--score-only"
    expected = kldeval(tmp_path / "here", tmp_path / "here", *keys)
    assert expected.code == 0, expected.err
    for place in (tmp_path / "maps.zip", f"{stored}/npz"):
        assert kldeval(place, place, *keys) == expected


SECRET = "S3cret.Key"  # noqa: S105 - of nobody


@pytest.mark.parametrize(
    "place",
    [
        f"http://me:{SECRET}@127.0.0.1:1/a.npy",
        f"http://{SECRET}@127.0.0.1:1/a.npy",
        f"http://127.0.0.1:1/a.npy?X-Amz-Signature={SECRET}&token={SECRET}-2",
        f"http://127.0.0.1:1/a.npy?{SECRET}-which-is-long-enough",
        f"s3://AKIA:{SECRET}/x+y@bucket/a.npy",
        f"foo://me:p@{SECRET}@host/a.npy",
        f"memory://me:{SECRET}@store/a.npy",
    ],
)
@pytest.mark.parametrize(
    "words",
    [
        "{place} {gt}",
        "{gt} {place}",
        "{gt} {gt} -m nss --fixations {place}",
        "{gt} {gt} -o {place}",
        "show {place}",
        "compare {gt} {place} {gt}",
        "{gt} {gt} --mask {place}",
    ],
)
def test_no_message_shows_a_credential(seen: LookedAt, place: str, words: str) -> None:
    outcome = kldeval(*words.format(place=place, gt=seen.maps[1] / "a.npy").split(), "--debug")
    assert outcome.code or "-o" in words
    assert SECRET not in outcome.out + outcome.err


def test_a_credential_that_is_like_a_number_hides_none(seen: LookedAt) -> None:
    """Numbers and words of all that is written later in the process stay what they are."""
    words = (seen.maps[0], seen.maps[1], "--format", "json")
    before = kldeval(*words).out
    numbers = re.findall(r"\.(\d{4,19})", before)
    assert numbers
    for one in [*numbers, "kld", "mean", "signature"]:
        for place in (f"http://me:{one}@127.0.0.1:1/a.npy", f"http://:{one}@[x/a.npy?token={one}&{one}"):
            assert kldeval(place, seen.maps[1]).code
    assert kldeval(*words).out == before


def test_no_document_shows_a_credential(seen: LookedAt, tmp_path: Path) -> None:
    """Nor do the rows beside it, what is kept for the next run, or the names of models."""
    files, place = fsspec.filesystem("memory"), f"me:{SECRET}@store"
    for path in seen.root.rglob("*"):
        if path.is_file():
            files.pipe_file(f"/{place}/{path.relative_to(seen.root).as_posix()}", path.read_bytes())
    pred, gt, fixations = (f"memory://{place}/{name}" for name in ("pred", "gt", "fixations.csv"))
    out = [word for name in ("json", "html", "md", "tex", "csv") for word in ("-o", str(tmp_path / f"r.{name}"))]
    requests: list[tuple[str | Path, ...]] = [
        (pred, gt, *out, "--cache", tmp_path / "cache", "--output-dir", tmp_path / "rows", "--format", "json"),
        (pred, gt, "-m", "nss", "--fixations", fixations, "-o", tmp_path / "s.json"),
        (pred, f"memory://{place}/pred/", gt, "--name", "a", "--name", "b", "--format", "json"),
        ("audit", pred, gt, "--convention", "mit", "--format", "json"),
        ("check", pred, gt, "--pairs"),
        ("density", fixations, tmp_path / "density", "--sigma", "1", "--like", seen.maps[1]),
    ]
    for words in requests:
        outcome = kldeval(*words, "--debug")
        assert SECRET not in outcome.out + outcome.err
        assert outcome.code in (0, 2), outcome.err
    written = [path for path in tmp_path.rglob("*") if path.is_file() and seen.root not in path.parents]
    assert len(written) > len(out) // 2 + 3
    assert not [path for path in written if SECRET in path.name or SECRET.encode() in path.read_bytes()]
    provenance = json.loads((tmp_path / "r.json").read_text())["provenance"]
    assert (provenance["pred"], provenance["gt"]) == ("memory://***@store/pred", "memory://***@store/gt")


@pytest.mark.parametrize("kind", ["mat", "csv"])
def test_fixations_elsewhere_are_called_by_their_url(seen: LookedAt, stored: str, kind: str) -> None:
    """Whether they are read at once, or one by one when their image is scored."""
    files = fsspec.filesystem("memory")
    files.pipe_file(f"/store/{kind}/a.{kind}", b"image,x,y\na,1,1\na,one,1\n")
    outcome = kldeval(*seen.maps, "-m", "nss", "--fixations", f"{stored}/{kind}", "--format", "csv")
    assert f"{stored}/{kind}/a.{kind}" in outcome.err
    assert "/kldeval-" not in outcome.err
