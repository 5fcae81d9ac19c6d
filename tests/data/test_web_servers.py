"""Maps on web servers, of which some are slow to say how long a file is, lose connections, refuse, or redirect."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import ssl
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np
import pytest
from late import late
from programs import python

if TYPE_CHECKING:
    from collections.abc import Iterator

pa = late("pyarrow")
parquet = late("pyarrow.parquet")

pytestmark = pytest.mark.skipif(not all(map(find_spec, ("fsspec", "aiohttp"))), reason="no fsspec, or no aiohttp")

HOME = Path(__file__).parents[2]

ASK = """
import json
import sys
from dataclasses import astuple
from command_line import kldeval
from kldeval.data.containers import downloads, remote
downloads.FIRST_PAUSE = 0.0
remote.SECONDS_OF_SILENCE = float(sys.argv[2])
print(json.dumps({name: astuple(kldeval(*words)) for name, words in json.loads(sys.argv[1]).items()}))
"""
"""In a process of its own, for its file system starts threads."""


class Server(BaseHTTPRequestHandler):
    """Serves the files of `root` as `/MANNER/path`, those called b in the manner that the path begins with."""

    protocol_version = "HTTP/1.1"
    root = Path()
    asked: dict[str, int]
    released: threading.Event

    def log_message(self, *_arguments: object) -> None:
        return

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        _, manner, path = re.sub("^http://[^/]*", "", self.path).partition("?")[0].split("/", 2)
        file = self.root / unquote(path)
        if manner == "redirect":
            self.send(302, Location=f"/ranges/{path}")
        elif file.is_dir():
            links = [quote(one.name) + "/" * one.is_dir() for one in sorted(file.iterdir())]
            links = ["?C=N;O=D", f"/{manner}/", *links]
            page = "".join(f'<a href="{html.escape(link)}">a link</a>\n' for link in links)
            self.send(200, page.encode(), Content_Type="text/html")
        elif not file.exists():
            self.send(404)
        else:
            is_odd = self.command == "GET" and file.stem.endswith("b")
            getattr(self, manner if is_odd or manner == "silent" else "ranges")(file.read_bytes())

    def send(self, status: int, data: bytes = b"", length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data) if length is None else length), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data if self.command == "GET" else b"")

    def whole(self, data: bytes) -> None:
        self.send(200, data)

    def ranges(self, data: bytes) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if not found:
            self.whole(data)
        else:
            start, end = int(found[1]), min(int(found[2]), len(data) - 1)
            self.send(206, data[start : end + 1], Content_Range=f"bytes {start}-{end}/{len(data)}")

    def silent(self, data: bytes) -> None:
        """Says no length, and sends in pieces."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for place in range(0, len(data) if self.command == "GET" else 0, 50):
            self.wfile.write(data[place : place + 50])
            self.wfile.flush()

    def cut(self, data: bytes) -> None:
        """Ends the connection in the middle."""
        self.send(200, data[: len(data) // 2], len(data))
        self.close_connection = True

    def stalls(self, data: bytes) -> None:
        """Sends no more after a while, and does not say so."""
        self.send(200, data[: len(data) // 2], len(data))
        self.released.wait(60)
        self.close_connection = True

    def recovers(self, data: bytes) -> None:
        self.asked[self.path] = self.asked.get(self.path, 0) + 1
        if self.asked[self.path] <= 2:
            self.cut(data)
        else:
            self.ranges(data)

    def half(self, data: bytes) -> None:
        """Sends less than it said at first, as if that was all."""
        self.send(200, data[: len(data) // 2])

    def refuses(self, _data: bytes) -> None:
        self.send(403)

    def lost(self, _data: bytes) -> None:
        self.send(404)

    def fails(self, _data: bytes) -> None:
        self.send(500)


@contextmanager
def serving(root: Path, certificate: Path | None = None) -> Iterator[str]:
    """The server, by its URL."""
    handler = type("Own", (Server,), {"root": root, "asked": {}, "released": (released := threading.Event())})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http{'s' * bool(certificate)}://localhost:{server.server_port}"
        released.set()
        server.shutdown()


MANNERS = ("whole", "ranges", "redirect", "silent", "cut", "recovers", "half", "refuses", "lost", "fails")


def requests(here: str, web: str, tls: str) -> dict[str, list[str]]:
    """What is asked, by names of the cases."""
    pairs = ["-m", "kld", "--format", "json", "--jobs", "1"]
    nss = [f"{here}/pred", f"{here}/gt", "-m", "nss", "--format", "json", "--fixations"]
    columns = ["--pred-column", "pred", "--gt-column", "gt", *pairs]
    return {
        "here": [f"{here}/pred", f"{here}/gt", *pairs],
        "list here": [*nss, f"{here}/fixb.csv"],
        **{f"maps, {manner}": [f"{web}/{manner}/pred", f"{here}/gt", *pairs] for manner in MANNERS},
        **{f"list, {manner}": [*nss, f"{web}/{manner}/fixb.csv"] for manner in MANNERS},
        **{f"table, {manner}": [f"{web}/{manner}/tb.parquet"] * 2 + columns for manner in MANNERS[:2]},
        "folder of lists": [*nss, f"{web}/recovers/fix"],
        "quoted": [f"{web}/ranges/odd", f"{here}/odd", *pairs],
        "query": [f"{web}/ranges/pred/b.npy?key=a/b", f"{here}/gt/b.npy", *pairs],
        "one refused": [f"{web}/refuses/pred/b.npy", f"{here}/gt/b.npy"],
        "one absent": [f"{web}/ranges/pred/d.npy", f"{here}/gt/b.npy"],
        "no certificate": [f"{tls}/ranges/pred", f"{here}/gt"],
    }


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """The outcome of each request, and of one with the certificate, with %H% for this machine and %W% for the web."""
    pytest.importorskip("pyarrow")
    root = tmp_path_factory.mktemp("www")
    rng = np.random.default_rng(1)
    for side in ("pred", "gt", "odd", "fix"):
        (root / side).mkdir()
    arrays = {side: rng.random((3, 6, 8)) for side in ("pred", "gt")}
    for side, values in arrays.items():
        for name, array in zip("abc", values, strict=True):
            np.save(root / side / f"{name}.npy", array)
    shutil.copy(root / "pred" / "a.npy", root / "odd" / "ü %41#b.npy")
    lines = {name: "".join(f"{name},{x},{x % 6}\n" for x in range(8)) for name in "abc"}
    (root / "fixb.csv").write_text("image,x,y\n" + "".join(lines.values()))
    for name, text in lines.items():
        (root / "fix" / f"{name}.csv").write_text(f"image,x,y\n{text}")
    parquet.write_table(pa.table({side: values.tolist() for side, values in arrays.items()}), root / "tb.parquet")
    pem = root.with_name("server.pem")
    with ExitStack() as stack:
        web = stack.enter_context(serving(root))
        tls = stack.enter_context(serving(root, made_certificate(pem)))
        asked = run(requests(str(root), web, tls))
        asked |= run({"certificate": [f"{tls}/ranges/pred", f"{root}/gt", "--format", "json"]}, SSL_CERT_FILE=str(pem))
    return {
        name: (code, out, err.replace(web, "%W%").replace(tls, "%T%").replace(str(root), "%H%"))
        for name, (code, out, err) in asked.items()
    }


def run(words: dict[str, list[str]], patience: float = 60, **environment: str) -> Any:
    done = subprocess.run(
        [*python(), "-c", ASK, json.dumps(words), str(patience)],
        env={**os.environ, "PYTHONPATH": f"{HOME}{os.pathsep}{HOME / 'tests'}", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def made_certificate(path: Path) -> Path:
    """A certificate of an authority of its own, with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += [
        "-addext",
        "keyUsage=critical,digitalSignature,keyCertSign",
        "-keyout",
        str(path),
        "-out",
        f"{path}.crt",
    ]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def numbers(answer: tuple[int, str, str]) -> Any:
    code, out, err = answer
    assert code == 0, err
    return json.loads(out)["maps"]


@pytest.mark.parametrize("case", [f"maps, {manner}" for manner in MANNERS[:4]] + ["maps, recovers", "certificate"])
def test_maps_of_a_web_server_score_as_those_here(answers: dict[str, tuple[int, str, str]], case: str) -> None:
    """Whole, by ranges, after redirects, without a length, and after connections that were lost twice."""
    kld = [row["kld"] for row in numbers(answers["here"])]
    assert [row["kld"] for row in numbers(answers[case])] == kld


@pytest.mark.parametrize("case", [*(f"list, {manner}" for manner in (*MANNERS[:4], "recovers")), "folder of lists"])
def test_fixations_of_a_web_server_are_those_here(answers: dict[str, tuple[int, str, str]], case: str) -> None:
    assert numbers(answers[case]) == numbers(answers["list here"])


@pytest.mark.parametrize("manner", ["whole", "ranges"])
def test_a_table_of_a_web_server_is_read_with_and_without_ranges(
    answers: dict[str, tuple[int, str, str]], manner: str
) -> None:
    assert [row["kld"] for row in numbers(answers[f"table, {manner}"])] == [
        row["kld"] for row in numbers(answers["here"])
    ]


WHY = {
    "cut": "the connection ended before the file did, 3 times",
    "half": "{half} of {size} bytes came, 3 times",
    "refuses": "the server answered 403 (Forbidden); are there credentials, and do they allow it?",
    "lost": "the server answered 404 (Not Found)",
    "fails": "the server answered 500 (Internal Server Error)",
}
"""What is said of each manner that keeps a file from being had."""


@pytest.mark.parametrize("manner", WHY)
def test_a_map_that_does_not_come_whole_is_a_failure_that_says_how(
    answers: dict[str, tuple[int, str, str]], manner: str
) -> None:
    code, out, _err = answers[f"maps, {manner}"]
    document = json.loads(out)
    (failure,) = document["failures"]
    assert (code, failure["name"], [row["name"] for row in document["maps"]]) == (1, "b", ["a", "c"])
    size = 128 + 6 * 8 * 8
    assert failure["message"].endswith(f"/{manner}/pred/b.npy: {WHY[manner].format(half=size // 2, size=size)}")


@pytest.mark.parametrize("manner", WHY)
def test_fixations_that_do_not_come_whole_are_no_shorter_list(
    answers: dict[str, tuple[int, str, str]], manner: str
) -> None:
    size = len("image,x,y\n") + 3 * 8 * len("a,0,0\n")
    why = f"cannot be read: {WHY[manner].format(half=size // 2, size=size)}"
    why = "does not exist" if manner == "lost" else why
    assert answers[f"list, {manner}"] == (2, "", f"kldeval: %W%/{manner}/fixb.csv {why}\n")


@pytest.mark.slow
def test_a_server_that_stops_sending_is_given_up(tmp_path: Path) -> None:
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.eye(3) + 1)
    with serving(tmp_path) as web:
        words = [f"{web}/stalls/b.npy", str(tmp_path / "a.npy"), "--score-only"]
        code, out, err = run({"stalls": words}, patience=0.1)["stalls"]
    assert (code, out) == (1, "")
    assert err.startswith(f"kldeval: b: {web}/stalls/b.npy: ")
    assert err.endswith(", 3 times\n")


def test_names_of_the_web_are_unquoted_and_a_query_is_none_of_them(answers: dict[str, tuple[int, str, str]]) -> None:
    (quoted,), (queried,) = (numbers(answers[case]) for case in ("quoted", "query"))
    assert (quoted["name"], queried["name"]) == ("ü %41#b", "b")
    assert queried["kld"] == numbers(answers["here"])[1]["kld"]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("one refused", "%W%/refuses/pred/b.npy cannot be read: the server answered 403 (Forbidden)"),
        ("one absent", "%W%/ranges/pred/d.npy does not exist"),
        ("no certificate", "%T%/ranges/pred cannot be read: [SSL: CERTIFICATE_VERIFY_FAILED]"),
    ],
)
def test_what_cannot_be_had_is_said_in_one_line(
    answers: dict[str, tuple[int, str, str]], case: str, message: str
) -> None:
    code, out, err = answers[case]
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"kldeval: {message}")
    assert ("SSL_CERT_FILE" in err) == (case == "no certificate")
