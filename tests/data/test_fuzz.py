"""The fuzzer: what it damages, how it judges, and a short run of it."""

from __future__ import annotations

import importlib.util
import sys
import zlib
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from reading import SUFFIXES, read_fixations, read_map

from fuzz.__main__ import FINE, Child, main, smaller
from fuzz.child import COMMANDS
from fuzz.mutators import mutate
from fuzz.seeds import Seed, of_torch, seeds
from kldeval.reports.json_reader import load_document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def test_a_finding_is_made_small() -> None:
    seed = Seed("any", ".png", "map", b"")
    child: Any = Judge()
    assert smaller(child, seed, bytes(1000) + b"bad" + bytes(2000), "raised") == b"bad"


@pytest.mark.skipif(sys.platform == "win32", reason="the child is judged by the signal that ended it")
def test_a_child_that_ends_is_a_finding_where_it_ends_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = Child(tmp_path)
    try:
        seed = known()[0]
        assert child.verdict(seed, seed.data)["verdict"] == "read"
        child._started().kill()
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
    finally:
        child.end()


def test_a_short_run_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--inputs", "200", "--jobs", "1", "--minutes", "3"])
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert printed.splitlines()[-1] == "200 inputs, 0 findings"
