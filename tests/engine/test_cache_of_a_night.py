"""What happens to a cache while nobody looks: folders that go, disks that are full, file systems that tell little."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import time
import warnings
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from command_line import kldeval
from looked_at import IMAGES, SHAPE, LookedAt, make_looked_at

import kldeval as library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from command_line import Outcome


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LookedAt:
    """Maps that are known by their stamps a moment after they were written."""
    found = make_looked_at(tmp_path / "maps")
    monkeypatch.setattr("kldeval.digests.SETTLED_NS", 0)
    monkeypatch.setattr("kldeval.executors.local.LARGEST_CHUNK", 1)
    time.sleep(0.005)
    return found


def run(seen: LookedAt, *words: Any) -> Outcome:
    return kldeval(*seen.maps, *words, "--format", "json", "--jobs", "1")


def names_kept(cache: Path) -> list[str]:
    lines = [line for path in sorted(cache.rglob("*.jsonl")) for line in path.read_text().splitlines()]
    return sorted(name for line in lines for name in json.loads(line)["names"])


def before_work_on(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
    """Have something done once, when the pair `name` is about to be looked at or looked up."""
    done: list[object] = []
    begin = resolve_name("kldeval.engine.cache.CachedPairs.begin")

    def noted(work: Any, model: str, pair: Any, *others: Any, **options: Any) -> Any:
        if pair.name == name and not done:
            done.append(act())
        return begin(work, model, pair, *others, **options)

    monkeypatch.setattr("kldeval.engine.cache.CachedPairs.begin", noted)


@pytest.mark.parametrize("known", ["nothing", "contents", "stamps of some"])
@pytest.mark.parametrize("name", IMAGES)
def test_the_folder_may_be_deleted_at_any_time(
    seen: LookedAt, known: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are gone are scored again, and what is scored from then on is kept in a new folder."""
    monkeypatch.setattr("kldeval.engine.store.ROWS_OF_LINE", 1)
    monkeypatch.setattr("kldeval.engine.store.LINES_KEPT", 1)
    cache, new = seen.root / "cache", run(seen)
    if known != "nothing":
        run(seen, "--cache", cache)
        for image in IMAGES if known == "contents" else IMAGES[1:]:
            os.utime(seen.root / "pred" / f"{image}.png")
        time.sleep(0.005)
    before_work_on(monkeypatch, name, lambda: shutil.rmtree(cache))
    assert run(seen, "--cache", cache) == new
    if known == "nothing":
        assert names_kept(cache) == [*IMAGES[IMAGES.index(name) :]]
    assert run(seen, "--cache", cache) == new


def test_a_row_that_is_damaged_while_the_run_goes_on_is_scored_again(
    seen: LookedAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kldeval.engine.store.ROWS_OF_LINE", 1)
    monkeypatch.setattr("kldeval.engine.store.LINES_KEPT", 1)
    cache, new = seen.root / "cache", run(seen, "--cache", seen.root / "cache")
    for image in IMAGES:
        os.utime(seen.root / "gt" / f"{image}.png")
    time.sleep(0.005)
    (segment,) = cache.rglob("*.jsonl")
    before_work_on(monkeypatch, "b", lambda: segment.write_bytes(segment.read_bytes().replace(b'"score"', b'"scorn"')))
    assert run(seen, "--cache", cache) == new


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_from_the_start_ends_no_run(
    seen: LookedAt, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, mkdir = run(seen), os.mkdir

    def full(path: Any, *others: Any, **options: Any) -> None:
        if "cache" in str(path):
            raise OSError(code, os.strerror(code))
        mkdir(path, *others, **options)

    monkeypatch.setattr("os.mkdir", full)
    with pytest.warns(RuntimeWarning, match=f"rows are no longer kept.*{os.strerror(code).lower()}") as said:
        assert run(seen, "--cache", seen.root / "cache") == new
    assert len(said) == 1


@pytest.mark.parametrize("there", ["a file", "a link to nothing"])
def test_what_is_no_folder_is_named(seen: LookedAt, tmp_path: Path, there: str) -> None:
    cache = tmp_path / "cache"
    cache.write_text("") if there == "a file" else cache.symlink_to("nowhere")
    said = run(seen, "--cache", cache)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"kldeval: --cache {cache}: a file")
    assert said.err.endswith("is there; name another folder\n")


NOT_KEPT = "the cache keeps nothing here: "


def test_it_is_said_where_nothing_is_kept(seen: LookedAt) -> None:
    """Before anything is scored, because a run of a night would begin anew after an interruption."""
    with pytest.warns(RuntimeWarning, match=NOT_KEPT):
        library.evaluate(*seen.maps, save_maps=seen.root / "terms", cache=seen.root / "cache")
    assert not list((seen.root / "cache").rglob("*.jsonl"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        library.evaluate(*seen.maps, cache=seen.root / "cache")


def questions(folders: Any, pred: Any, gt: Any) -> dict[str, Callable[..., Any]]:
    """Questions about maps that a program holds, alone or beside files."""
    return {
        "stacks": lambda **kept: library.evaluate(pred, gt, **kept),
        "pairs": lambda **kept: library.evaluate(zip(IMAGES, pred, gt, strict=True), **kept),
        "models": lambda **kept: library.evaluate({"a": pred, "b": gt}, gt, resamples=100, **kept),
        "weights": lambda **kept: library.evaluate(
            *folders, metric="kld", weights={name: pred[place] / 255 for place, name in enumerate(IMAGES)}, **kept
        ),
        "audit": lambda **kept: library.audit(pred, gt, conventions="mit", **kept),
    }


@pytest.mark.parametrize("question", questions((), (), ()))
def test_maps_in_memory_are_known_by_what_they_hold(
    seen: LookedAt, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    begin = resolve_name("kldeval.engine.cache.CachedPairs.begin")

    def noted(work: Any, model: str, pair: Any, *others: Any, **options: Any) -> Any:
        begun.append(pair.name)
        return begin(work, model, pair, *others, **options)

    monkeypatch.setattr("kldeval.engine.cache.CachedPairs.begin", noted)
    pred, gt = (np.stack([*maps.values()]) for maps in (seen.preds, seen.gts))
    ask = questions(seen.maps, pred, gt)[question]
    answers, works = [], []
    for number in range(4):
        if number == 2:  # what is known by its place in memory would be known still
            pred[1, 2, 3] ^= 64
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            answers.append(ask(cache=seen.root / "cache", jobs=1))
        works.append(len(begun))
        begun.clear()
        assert answers[-1] == ask(jobs=1)
    assert answers[0] == answers[1] != answers[2] == answers[3]
    n_models = 2 if question == "models" else 1
    assert works == [n_models * len(IMAGES), 0, 1, 0]


def test_stacks_whose_times_never_pass_are_not_kept(seen: LookedAt) -> None:
    """Their maps are known by the stamp of the file, which would have to be read whole for each of them."""
    stacks = [seen.root / "pred.npy", seen.root / "gt.npy"]
    for path, arrays in zip(stacks, (seen.preds, seen.gts), strict=True):
        np.save(path, np.stack([*arrays.values()]))
    os.utime(stacks[0], ns=(1, time.time_ns() + 10**18))
    with pytest.warns(RuntimeWarning, match=f"{NOT_KEPT}stacks and videos are known by their times"):
        library.evaluate(*stacks, stack=True, cache=seen.root / "cache")
    assert names_kept(seen.root / "cache") == []


def test_stacks_at_urls_are_not_kept(seen: LookedAt) -> None:
    pytest.importorskip("fsspec")
    for side, arrays in (("pred", seen.preds), ("gt", seen.gts)):
        np.save(seen.root / f"{side}.npy", np.stack([*arrays.values()]))
    stacks = [f"file://{seen.root}/{side}.npy" for side in ("pred", "gt")]
    with pytest.warns(RuntimeWarning, match=f"{NOT_KEPT}a stack at a URL would be fetched again"):
        library.evaluate(*stacks, stack=True, cache=seen.root / "cache")
    assert names_kept(seen.root / "cache") == []


@pytest.mark.parametrize("value", [5, True, b"cache", ["cache"], np.zeros(2)], ids=repr)
@pytest.mark.parametrize("name", ["cache", "save_maps", "output_dir", "manifest"])
def test_what_names_no_folder_is_refused(seen: LookedAt, name: str, value: Any) -> None:
    with pytest.raises(library.errors.UsageProblem, match=f"^{name} is of type {type(value).__name__}; give the name"):
        library.evaluate(*seen.maps, **{name: value})


@pytest.mark.parametrize("option", ["--cache", "--save-maps", "--output-dir"])
def test_a_home_folder_that_no_shell_has_seen_is_no_folder_here(
    seen: LookedAt, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a variable, a file of options or Python: a folder `~` was made, which nobody removes without fear."""
    monkeypatch.chdir(tmp_path)
    said = run(seen, option, "~/scores")
    assert (said.code, said.out) == (2, "")
    assert "cannot write ~/scores: a shell makes the home folder of ~, and none has seen this" in said.err
    assert not (tmp_path / "~").exists()


def floats(seen: LookedAt) -> tuple[Path, Path]:
    """The maps as files that are all of one size."""
    folders = seen.root / "npy" / "pred", seen.root / "npy" / "gt"
    for folder, arrays in zip(folders, (seen.preds, seen.gts), strict=True):
        folder.mkdir(parents=True)
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array.astype(np.float32))
    return folders


def overwrite(path: Path) -> None:
    """Put other contents of the same size there, and restore the time of modification."""
    before, old = path.stat(), path.read_bytes()
    values = np.frombuffer(old, np.uint8).copy()
    values[-SHAPE[1] :] = values[-SHAPE[1] :][::-1] ^ 3
    with path.open("r+b") as file:
        file.write(values.tobytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert path.read_bytes() != old


def poor_stat(monkeypatch: pytest.MonkeyPatch, root: Path, **changes: Any) -> None:
    """Have the file system of some files tell less of them."""
    stat = os.stat

    def poor(path: Any, **options: Any) -> Any:
        found = stat(path, **options)
        if not str(path).startswith(str(root)):
            return found
        parts = {name: getattr(found, name) for name in dir(found) if name.startswith("st_")}
        told = {**parts, **{name: change(found) if callable(change) else change for name, change in changes.items()}}
        return type("Stat", (), told)

    monkeypatch.setattr("os.stat", poor)


@pytest.mark.parametrize("kind", ["fuse.sshfs", "fuseblk", "exfat", "squashfs", "iso9660"])
def test_a_file_system_without_times_of_change_is_not_trusted(
    seen: LookedAt, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it gives for the time of change is that of modification, which programs restore."""
    device = os.makedev(0, 7654)
    mounts = seen.root / "mountinfo"
    mounts.write_text(f"36 35 0:7654 / /mnt rw shared:1 - {kind} host:/maps rw\n22 27 0:21 / /proc rw - proc proc rw\n")
    monkeypatch.setattr("kldeval.digests._MOUNTS", str(mounts))
    poor_stat(monkeypatch, seen.root, st_ctime_ns=lambda found: found.st_mtime_ns, st_ino=0, st_dev=device)
    maps, cache = floats(seen), seen.root / "cache"
    first = kldeval(*maps, "--cache", cache, "--format", "json")
    overwrite(maps[0] / "b.npy")
    new = kldeval(*maps, "--format", "json")
    assert new != first
    assert kldeval(*maps, "--cache", cache, "--format", "json") == new
    assert names_kept(cache) == ["a", "b", "b", "c"]


@pytest.mark.parametrize("inode", [0, None], ids=["no inodes", "inodes"])
def test_the_time_of_change_suffices(seen: LookedAt, inode: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if inode is not None:
        poor_stat(monkeypatch, seen.root, st_ino=inode)
    cache = seen.root / "cache"
    first = run(seen, "--cache", cache)
    path = seen.root / "pred" / "b.png"
    before = path.stat().st_mtime_ns
    cv2.imwrite(str(path), seen.preds["b"][::-1])
    path.write_bytes(path.read_bytes().ljust(2000, b"\0"))
    os.utime(path, ns=(before, before))
    new = run(seen)
    assert new != first
    assert run(seen, "--cache", cache) == new


@pytest.mark.parametrize("how", ["hard link", "link", "rename", "folder"])
def test_another_file_in_the_place_of_one_is_another_file(seen: LookedAt, how: str) -> None:
    """Of the same size and times, which a link to a copy may have."""
    cache, place = seen.root / "cache", seen.root / "pred" / "b.png"
    kept = place.read_bytes()
    cv2.imwrite(str(place), seen.preds["b"][::-1])
    other = place.read_bytes()
    size = max(len(kept), len(other))
    twin = seen.root / "twin"
    twin.mkdir()
    for path, data in ((place, kept), (twin / "b.png", other)):
        path.write_bytes(data.ljust(size, b"\0"))
        os.utime(path, ns=(1, 1))
    time.sleep(0.005)
    first = run(seen, "--cache", cache)
    if how == "folder":
        for image in ("a", "c"):
            shutil.copy2(seen.root / "pred" / f"{image}.png", twin)
        (seen.root / "pred").rename(seen.root / "old")
        (seen.root / "pred").symlink_to(twin)
    else:
        place.unlink()
        put: dict[str, Callable[[], object]] = {
            "hard link": lambda: place.hardlink_to(twin / "b.png"),
            "link": lambda: place.symlink_to(twin / "b.png"),
            "rename": lambda: (twin / "b.png").rename(place),
        }
        put[how]()
    new = run(seen)
    assert new != first
    assert run(seen, "--cache", cache) == new


@pytest.mark.parametrize("days", [-1, 400], ids=["set back", "in the future"])
def test_a_clock_that_is_wrong_costs_time_alone(seen: LookedAt, days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are then younger than they can be, and known by their contents."""
    monkeypatch.setattr("kldeval.digests.SETTLED_NS", 2_000_000_000)
    cache, now = seen.root / "cache", time.time_ns
    if days > 0:
        for path in (seen.root / "pred").iterdir():
            os.utime(path, ns=(now(), now() + days * 86400 * 10**9))
    else:
        monkeypatch.setattr("time.time_ns", lambda: now() + days * 86400 * 10**9)
    assert run(seen, "--cache", cache) == run(seen)
    path = seen.root / "pred" / "b.png"
    times = path.stat()
    cv2.imwrite(str(path), seen.preds["b"][::-1])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert run(seen, "--cache", cache) == run(seen)
    assert names_kept(cache) == ["a", "b", "b", "c"]


NIGHT = (
    "{pred} {gt} -m kld,sauc --fixations {fixations}",
    "{pred} {gt} --baselines -m kld,cc --empty-pred uniform",
    "audit {pred} {gt} --convention mit,exact,scipy",
)


def something_happens(seen: LookedAt, cache: Path, rng: random.Random) -> None:
    """A map is written, swapped or linked, a list of fixations or a segment of the cache changes."""
    folders = [seen.root / "npy" / side for side in ("pred", "gt")]
    one, other = (rng.choice(folders) / f"{image}.npy" for image in rng.sample(IMAGES, 2))
    times, segments = one.stat(), sorted(cache.rglob("*.jsonl"))

    def write() -> None:
        """Put other values there, of the same size and time."""
        values = np.random.default_rng(rng.randrange(99)).random(SHAPE) * rng.choice([0, 1, 1, 1])
        one.unlink()
        np.save(one, values.astype(np.float32))
        os.utime(one, ns=(times.st_atime_ns, times.st_mtime_ns))

    def link() -> None:
        one.unlink()
        one.hardlink_to(other)

    def damage() -> None:
        for path in segments:
            data = bytearray(path.read_bytes())
            for place in rng.sample(range(len(data)), min(3, len(data))):
                data[place] ^= 1 << rng.randrange(3)
            path.write_bytes(data)

    changes: list[Callable[[], object]] = [
        *[write] * 4,
        lambda: os.utime(one),
        lambda: (one.rename(seen.root / "x"), other.rename(one), (seen.root / "x").rename(other)),
        link,
        lambda: seen.fixations.write_text("\n".join(seen.fixations.read_text().splitlines()[:-1])),
        *[damage] * 3,
        lambda: shutil.rmtree(cache, ignore_errors=True),
    ]
    rng.choice(changes)()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 7])
def test_whatever_happens_the_output_is_that_of_a_run_without_a_cache(seen: LookedAt, seed: int) -> None:
    rng, cache = random.Random(seed), seen.root / "cache"
    pred, gt = floats(seen)
    for _ in range(10):
        for _ in range(rng.randint(1, 2)):
            something_happens(seen, cache, rng)
        time.sleep(0.012)  # longer than a tick of the clock of files
        words = rng.choice(NIGHT).format(pred=pred, gt=gt, fixations=seen.fixations).split()
        kept, new = (kldeval(*words, "--format", "json", *to) for to in (("--cache", cache), ()))
        assert kept == new
