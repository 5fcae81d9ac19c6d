"""The fuzzer: what it damages, how it judges, and a short run of it."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import io
import json
import lzma
import signal
import sys
import tomllib
import zipfile
import zlib
from argparse import Namespace
from collections import Counter
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from pkgutil import resolve_name
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from reading import SUFFIXES, read_fixations, read_map

from fuzz.__main__ import CORPUS, FINE, Child, inputs, main, smaller
from fuzz.child import COMMANDS, MEMORY, verdict
from fuzz.mutators import mutate
from fuzz.seeds import Seed, of_torch, seeds
from kldeval.errors import KldevalError
from kldeval.reports.json_reader import load_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

known = cache(seeds)
"""The seeds of every format."""


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """A process that reads files, ended afterwards."""
    found = Child(tmp_path_factory.mktemp("inputs"))
    yield found
    found.end()


@pytest.mark.slow
def test_the_seeds_of_torch_are_whole(child: Child) -> None:
    assert {child.verdict(seed, seed.data)["verdict"] for seed in of_torch()} == {"read"}


def test_every_seed_is_whole(tmp_path: Path, child: Child) -> None:
    for number, seed in enumerate(known()):
        path = tmp_path / f"{number}{seed.suffix}"
        path.write_bytes(seed.data)
        if seed.reader == "document":  # the command is chosen by its bytes, and may take another kind
            assert load_document(path)
            assert child.verdict(seed, seed.data)["verdict"] in FINE
        elif seed.reader in {*COMMANDS, "container", "video", "raw"}:
            assert child.verdict(seed, seed.data)["verdict"] == "read", seed.name
        elif seed.reader == "fixations":
            assert read_fixations(path)
        else:
            assert read_map(path).array.size


def test_every_suffix_of_the_readers_is_damaged() -> None:
    alike = {
        ".jpeg": ".jpg",
        ".jpe": ".jpg",
        ".dib": ".bmp",
        ".tiff": ".tif",
        ".pnm": ".pgm",
        ".pxm": ".pgm",
        ".ppm": ".pgm",
        ".pth": ".pt",
        ".hdf5": ".h5",
        ".nc4": ".nc",
    }
    slow = {".pt"}  # torch, which reads these, takes seconds to start
    folders = {".zarr"}  # one that is a zip is damaged
    not_written = (
        {".pic", *slow, *folders} if importlib.util.find_spec("OpenEXR") else {".pic", ".exr", *slow, *folders}
    )
    assert {alike.get(suffix, suffix) for suffix in SUFFIXES} - not_written <= {seed.suffix for seed in known()}


def test_damage_is_drawn_from_the_seed_alone() -> None:
    every = known()
    for seed in every:
        others = [other for other in every if other.suffix == seed.suffix]
        first, again = (mutate(seed, others, Random(3)) for _ in range(2))
        assert first == again


def test_some_damage_of_a_png_has_right_checksums() -> None:
    seed = next(seed for seed in known() if seed.name == "png-grey")
    damaged = [mutate(seed, [seed], Random(number)) for number in range(200)]
    changed = [data for data in damaged if data != seed.data and data[:8] == seed.data[:8]]
    assert sum(has_right_checksums(data) for data in changed) > 20


def has_right_checksums(data: bytes) -> bool:
    start = 8
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return False
        start = end
    return start == len(data)


class Judge:
    """Stands for a child that finds fault with every input that holds a word."""

    def verdict(self, _seed: Seed, data: bytes) -> dict[str, Any]:
        return {"verdict": "raised" if b"bad" in data else "refused"}

    def end(self) -> None:
        return


def test_a_finding_is_made_small() -> None:
    seed = Seed("any", ".png", "map", b"")
    child: Any = Judge()
    assert smaller(child, seed, bytes(1000) + b"bad" + bytes(2000), "raised") == b"bad"


@pytest.mark.skipif(sys.platform == "win32", reason="the child is judged by the signal that ended it")
def test_a_child_that_ends_is_a_finding_where_it_ends_again_and_one_that_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is bounded, and reads by itself: were files read by a further process, its end would be a refusal."""
    child = Child(tmp_path)
    try:
        seed = next(seed for seed in known() if seed.name == "jp2")
        assert child.verdict(seed, seed.data)["verdict"] == "read"
        process = child._started()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if children.exists():
            assert resolve_name("resource:prlimit")(process.pid, resolve_name("resource:RLIMIT_AS")) == (MEMORY, MEMORY)
            assert children.read_text() == ""
        process.kill()
        assert child.verdict(seed, seed.data)["verdict"] == "crash once"
        started = child._started

        def killed() -> Any:
            process = started()
            process.kill()
            return process

        with monkeypatch.context() as patched:
            patched.setattr(child, "_started", killed)
            assert child.verdict(seed, seed.data)["verdict"] == "crash"
        assert child.verdict(seed, seed.data[:50])["verdict"] == "refused"
        with monkeypatch.context() as patched:
            patched.setattr("fuzz.__main__.SLOW", -1.0)
            assert child.verdict(seed, seed.data)["verdict"] == "slow"
        process = child._started()
        process.send_signal(signal.SIGSTOP)  # else it may have answered already
        monkeypatch.setattr("fuzz.__main__.SECONDS", 0.0)
        monkeypatch.setattr("fuzz.__main__._ends", lambda _process: False)
        assert child.verdict(seed, seed.data)["verdict"] == "hang"
        assert process.returncode is not None
    finally:
        child.end()


def test_a_short_run_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--inputs", "200", "--jobs", "1", "--minutes", "3"])
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert printed.splitlines()[-1] == "200 inputs, 0 findings"


# what is a finding


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ValueError("a.png"), "raised"),
        (AssertionError("a.png"), "raised"),
        (MemoryError("a.png"), "raised"),
        (KeyboardInterrupt("a.png"), "raised"),
        (KldevalError("a.png: cut short"), "refused"),
        (KldevalError("it is cut short"), "unnamed"),
        (KldevalError("a.png: cut\nshort"), "several lines"),
        (KldevalError("a.png: too large for the memory"), "memory"),
        (None, "silent"),
    ],
)
def test_whatever_is_no_refusal_in_one_line_that_names_the_file_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException | None, expected: str
) -> None:
    def read(_reader: str, _path: Path) -> None:
        if raised is not None:
            raise raised

    monkeypatch.setattr("fuzz.child._read", read)
    for name in ("_opencv_reads", "_has_its_checksum"):
        monkeypatch.setattr(f"fuzz.child.{name}", lambda _path: False)
    found = verdict("map", Path("a.png"))
    assert found["verdict"] == expected
    assert (found["verdict"] in FINE) == (expected == "refused")


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        (0, "kldeval: note: any\n", "read"),
        (2, "kldeval: input.txt: no such option\n", "refused"),
        (1, "kldeval: all maps failed\n", "refused"),
        (5, "kldeval: input.txt\n", "raised"),
        (0, "Traceback\n", "raised"),
        (1, "kldeval: input.txt: an unexpected error (KeyError)\n", "raised"),
        (2, "kldeval: a map is damaged\n", "raised"),
    ],
)
def test_commands_end_in_a_documented_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str, expected: str
) -> None:
    monkeypatch.setattr("fuzz.surroundings.printed", lambda _words: (code, "", said))
    for name in ("report.json", "input.txt"):  # the maps that it is asked about are there
        (tmp_path / name).write_text("1")
    assert verdict("weights", tmp_path / "input.txt")["verdict"] == expected


def test_the_corpus_is_read_first_and_what_is_found_is_kept_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = [path.read_bytes() for path in sorted(CORPUS.rglob("*.*"))]
    some = known()[:3]
    drawn = islice(inputs(Namespace(seed="0"), some, 0), len(corpus) + 5)
    assert [data for _, data in drawn][: len(corpus)] == corpus
    assert {seed.name for seed, _ in islice(inputs(Namespace(seed="0"), some, 1), 30)} == {seed.name for seed in some}
    monkeypatch.setattr("fuzz.__main__.CORPUS", tmp_path)
    monkeypatch.setattr("fuzz.__main__.seeds", lambda: [Seed("any", ".png", "map", b"a bad file")])
    monkeypatch.setattr("fuzz.__main__.Child", lambda _folder: Judge())
    monkeypatch.setattr("fuzz.__main__.mutate", lambda seed, *_: seed.data)
    words = ["--jobs", "1", "--inputs", "3", "--minutes", "0.05"]
    assert main(words) == 1
    (kept,) = (tmp_path / "found").iterdir()
    assert kept.read_bytes() == b"bad"
    assert capsys.readouterr().out.splitlines()[-1] == "3 inputs, 1 findings"
    assert main([*words, "--minutes", "0"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 inputs, 0 findings"


def members(data: bytes) -> list[bytes]:
    """The contents of all members of a zip whose checksums are right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [archive.read(name) for name in archive.namelist()]


UNPACKED: dict[str, Callable[[bytes], Any]] = {
    ".zip": members,
    ".npz": members,
    ".tgz": gzip.decompress,
    ".tbz": bz2.decompress,
    ".txz": lzma.decompress,
    ".json": json.loads,
    ".toml": lambda data: tomllib.loads(data.decode()),
    ".mat": lambda data: zlib.decompress(data[136:]) if data[128] == 15 else 1 // 0,
}
"""What finds out what is within, and raises where the packing itself is damaged."""


@pytest.mark.parametrize("suffix", UNPACKED)
def test_some_damage_is_within_what_is_packed(suffix: str) -> None:
    """Its packing is right again: otherwise nothing behind the checksums were ever reached."""
    some = [seed for seed in known() if seed.suffix == suffix]
    within: Counter[str] = Counter()
    for number in range(40):
        seed = some[number % len(some)]
        with suppress(Exception):
            within[seed.name] += UNPACKED[suffix](mutate(seed, some, Random(number))) != UNPACKED[suffix](seed.data)
    assert within.total() >= 5
