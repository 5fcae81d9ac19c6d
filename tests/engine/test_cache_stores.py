"""How rows lie on disk, and what tells that they are still those of their files: each care by itself."""

from __future__ import annotations

import errno
import json
import os
import time
import warnings
from pkgutil import resolve_name
from platform import node
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from looked_at import IMAGES, SHAPE, LookedAt, make_looked_at
from watching import recorded

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import Outcome


def run(seen: LookedAt, *words: Any) -> Outcome:
    return kldeval(*seen.maps, *words, "--format", "json", "--jobs", "1")


@pytest.fixture
def floats(tmp_path: Path) -> LookedAt:
    return make_looked_at(tmp_path / "maps", dtype=np.float32)


def segments(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.jsonl"))


def names_kept(cache: Path) -> list[str]:
    return [name for path in segments(cache) for line in path.read_text().splitlines() for name in parsed(line)]


def parsed(line: str) -> list[str]:
    names: list[str] = json.loads(line)["names"]
    return names


def other_values(path: Path, times: int = 1) -> None:
    """Other numbers in a file of the same size."""
    array = np.load(path)
    np.save(path, np.roll(array, times).astype(array.dtype))


def with_stamps(monkeypatch: pytest.MonkeyPatch, path: Path | None, **fields: int) -> None:
    """Have the stamp of a file, or of all, say something else."""
    real = resolve_name("kldeval.digests.stamp_of")

    def told(asked: Any) -> Any:
        found = real(asked)
        is_meant = path is None or str(asked) == str(path)
        return found._replace(**fields) if is_meant and found is not None and found.size >= 0 else found

    for module in ("engine.cache", "engine.worker", "digests"):
        monkeypatch.setattr(f"kldeval.{module}.stamp_of", told)


def test_a_segment_is_called_by_its_machine_and_its_process(floats: LookedAt) -> None:
    """Those that a run on many machines left behind tell which of them wrote what."""
    before = time.time_ns()
    run(floats, "--cache", floats.root / "cache")
    (segment,) = segments(floats.root / "cache")
    machine, process, number = segment.stem.rsplit("-", 2)
    assert (machine, int(process)) == (node(), os.getpid())
    assert before <= int(number) <= time.time_ns()


def test_what_the_system_leaves_of_a_line_is_written_after_it(
    floats: LookedAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a disk does that is nearly full, and NFS when a signal comes."""
    write = os.write
    monkeypatch.setattr("os.write", lambda file, data: write(file, bytes(data)[:100]))
    new = run(floats)
    assert run(floats, "--cache", floats.root / "cache") == new
    assert names_kept(floats.root / "cache") == [*IMAGES]


@pytest.mark.parametrize("room", [10, 230, 390])
def test_a_disk_that_becomes_full_within_a_line_costs_that_line(
    floats: LookedAt, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines before it stay, the run goes on, and what lies half written is no row."""
    monkeypatch.setattr("kldeval.engine.store.ROWS_OF_LINE", 1)
    cache, new, write, left = floats.root / "cache", run(floats), os.write, [room]
    refused: list[int] = []

    def nearly_full(file: int, data: bytes) -> int:
        if not left[0]:
            refused.append(file)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(file, bytes(data)[: left[0]])
        left[0] -= written
        return written

    with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        patch.setattr("os.write", nearly_full)
        assert run(floats, "--cache", cache).out == new.out
    assert [str(one.message) for one in said] == [
        f"--cache: rows are no longer kept, because {next(cache.iterdir())} cannot be written: no space left on device"
    ]
    assert len(refused) == 1
    assert run(floats, "--cache", cache) == new


@pytest.mark.parametrize("seconds", [1.9, 2.1])
def test_files_are_young_for_two_seconds(floats: LookedAt, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is the tick of the clock of FAT: within it a file may change, and its stamp not."""
    cache, path = floats.root / "cache", floats.root / "pred" / "a.npy"
    tick = 10**18
    with_stamps(monkeypatch, None, mtime_ns=tick, ctime_ns=tick)
    monkeypatch.setattr("time.time_ns", lambda: tick + int(seconds * 10**9))
    run(floats, "--cache", cache)
    other_values(path)
    monkeypatch.setattr("time.time_ns", lambda: tick + 10**10)
    again, new = run(floats, "--cache", cache), run(floats)
    assert (again == new) == (seconds < 2)


def test_relative_paths_are_of_the_folder_that_they_were_given_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two data sets on two disks, whose files have the same stamps: their inodes are told apart by their paths."""
    with_stamps(monkeypatch, None, mtime_ns=1, ctime_ns=1, inode=1)
    found = []
    for place in ("one", "other"):
        floats = make_looked_at(tmp_path / place, dtype=np.float32)
        if place == "other":
            other_values(floats.root / "pred" / "a.npy")
        monkeypatch.chdir(floats.root)
        words = ("pred", "gt", "--format", "json")
        found.append(kldeval(*words))
        assert kldeval(*words, "--cache", tmp_path / "cache") == found[-1]
    assert found[0] != found[1]


COMPANIONS = {
    "--mask": "",
    "--weights": "",
    "--baseline": "-m ig --fixations {list}",
    "--fixations": "-m nss",
    "--other-map": "-m auc-shuffled --fixations {list}",
}


def beside(floats: LookedAt, option: str) -> tuple[Path, list[Any]]:
    """A folder of what stands beside the pairs, and the words that ask for it."""
    folder = floats.root / "beside"
    folder.mkdir()
    for name in IMAGES:
        numbers = np.indices(SHAPE).sum(0) % 5
        found = {"--mask": numbers > 0, "--fixations": numbers == 1, "--other-map": numbers == 2}
        np.save(folder / f"{name}.npy", found.get(option, numbers + 0.5))
    return folder / "a.npy", [option, folder, *COMPANIONS[option].format(list=floats.fixations).split()]


@pytest.mark.parametrize("option", COMPANIONS)
def test_what_stands_beside_a_pair_and_changes_while_it_is_scored_is_not_kept(
    floats: LookedAt, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its reader does not say what it read, the file is read again to be known, and has other contents then."""
    target, words = beside(floats, option)
    cache = floats.root / "cache"
    monkeypatch.setattr("kldeval.digests.SETTLED_NS", 0)
    monkeypatch.setattr("kldeval.data.readers.numpy_files.note", lambda *_: None)
    time.sleep(0.005)
    begin, done = resolve_name("kldeval.scoring.evaluator.Evaluator.begin"), [False]

    def changing(evaluator: Any, pair: Any) -> Any:
        if pair.name == "a" and not done[0]:
            done[0] = True
            other_values(target)
        return begin(evaluator, pair)

    with monkeypatch.context() as patch:
        patch.setattr("kldeval.scoring.evaluator.Evaluator.begin", changing)
        first = run(floats, *words, "--cache", cache)
    new = run(floats, *words)
    assert first != new
    assert run(floats, *words, "--cache", cache) == new


@pytest.mark.parametrize("option", COMPANIONS)
def test_the_stamp_of_what_stands_beside_a_pair_is_not_trusted_while_it_is_young(
    floats: LookedAt, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although those of the maps are old."""
    target, words = beside(floats, option)
    with_stamps(monkeypatch, None, mtime_ns=1, ctime_ns=1)
    with_stamps(monkeypatch, target, mtime_ns=time.time_ns(), ctime_ns=1)
    cache = floats.root / "cache"
    first = run(floats, *words, "--cache", cache)
    other_values(target)
    new = run(floats, *words)
    assert first != new
    assert run(floats, *words, "--cache", cache) == new


def test_what_is_written_is_forced_onto_the_disk_at_the_end(floats: LookedAt, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that loses its power a moment after the run has its rows."""
    synced = recorded(monkeypatch, "os.fsync")
    run(floats, "--cache", floats.root / "cache")
    assert len(synced) == 1


def test_a_member_of_another_name_has_a_row_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although it holds the same: what is read of a name may depend on it."""
    rng = np.random.default_rng(3)
    maps: dict[str, Any] = {name: rng.random(SHAPE) for name in IMAGES}
    twice: dict[str, Any] = {f"{name}_{kind}": maps[name] for name in IMAGES for kind in ("old", "new")}
    np.savez(tmp_path / "p.npz", **twice)
    np.savez(tmp_path / "g.npz", **maps)
    scored = recorded(monkeypatch, "kldeval.scoring.evaluator.Evaluator.begin")
    for kind, n_scored in (("old", 3), ("old", 3), ("new", 6)):
        words = (
            tmp_path / "p.npz",
            tmp_path / "g.npz",
            "--pred-name",
            f"{{name}}_{kind}",
            "--allow-extra",
            "--jobs",
            "1",
        )
        assert kldeval(*words, "--cache", tmp_path / "cache").code == 0
        assert len(scored) == n_scored


@pytest.mark.parametrize(
    ("first", "second"), [("{name}.npy", "{name}.bin"), ("{name}_8x16x32.bin", "{name}_16x8x32.bin")]
)
def test_the_same_bytes_by_another_name_are_another_map(tmp_path: Path, first: str, second: str) -> None:
    """The suffix says who reads them, and the name of raw values what their shape is."""
    rng = np.random.default_rng(1)
    for side in ("one", "other", "gt"):
        (tmp_path / side).mkdir()
    np.save(tmp_path / "gt" / "a.npy", rng.random((6, 16)))
    np.save(tmp_path / "one" / "map.npy", rng.random((6, 16)).astype(np.float32))
    data = (tmp_path / "one" / "map.npy").rename(tmp_path / "map.npy").read_bytes()
    found = []
    for side, name in (("one", first), ("other", second)):
        (tmp_path / side / name.format(name="a")).write_bytes(data)
        words = (tmp_path / side, tmp_path / "gt", "--pred-name", name, "--resize", "pred-to-gt", "-m", "sim")
        words = (*words, *(("--shape", "8,16") if name == "{name}.bin" else ()), "--format", "json")
        found.append(kldeval(*words))
        assert (found[-1].code, found[-1].err) == (0, "")
        assert kldeval(*words, "--cache", tmp_path / "cache") == found[-1]
    assert found[0] != found[1]


@pytest.mark.parametrize("metric", ["nss", "auc-judd"])
def test_fixations_of_a_list_are_known_by_what_they_are(
    floats: LookedAt, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have no stamp of their own, where those of the maps tell that nothing has changed."""
    monkeypatch.setattr("kldeval.digests.SETTLED_NS", 0)
    time.sleep(0.005)
    words, cache = ("-m", metric, "--fixations", floats.fixations), floats.root / "cache"
    first = run(floats, *words, "--cache", cache)
    rows = floats.fixations.read_text(encoding="utf-8").splitlines()
    floats.fixations.write_text("\n".join(rows[:-2]) + "\n", encoding="utf-8")
    new = run(floats, *words)
    assert first != new
    assert run(floats, *words, "--cache", cache) == new
