"""Scores that are kept between runs: whatever happens to their files or to the maps, the output stays the same."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass, field, replace
from hashlib import sha256
from multiprocessing import get_context
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import pytest
from command_line import kldeval
from evaluating import torch_as_accelerator
from late import late
from looked_at import SHAPE, LookedAt, make_looked_at
from PIL import Image
from programs import python
from watching import recorded

import kldeval as library
from kldeval.engine.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from command_line import Outcome

torch = late("torch")

h5py = late("h5py")
xarray = late("xarray")


@pytest.fixture
def seen(tmp_path: Path) -> LookedAt:
    return make_looked_at(tmp_path / "maps")


@pytest.fixture(params=["by stamp", "by contents"])
def known_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How files are known again: files of a test are younger than 2 s, so by their contents, unless that is lowered."""
    if request.param == "by stamp":
        monkeypatch.setattr("kldeval.digests.SETTLED_NS", 0)
        time.sleep(0.005)
    return str(request.param)


@dataclass
class Scored:
    """The names of the pairs that were scored."""

    names: list[str] = field(default_factory=list)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Scored:
    found = Scored()
    begin = resolve_name("kldeval.scoring.evaluator.Evaluator.begin")

    def noted(evaluator: Any, pair: Any) -> Any:
        found.names.append(pair.name)
        return begin(evaluator, pair)

    monkeypatch.setattr("kldeval.scoring.evaluator.Evaluator.begin", noted)
    return found


def document(outcome: Outcome) -> Outcome:
    assert outcome.code in (0, 1), outcome.err
    return outcome


def run(*arguments: Any) -> Outcome:
    """By this process alone: workers, which a slow machine makes, would do unseen what tests count."""
    return document(kldeval(*arguments, "--jobs", "1", "--format", "json"))


def segments(root: Path) -> list[Path]:
    return sorted((root / "cache").rglob("*.jsonl"))


def names_in(segment: Path) -> list[str]:
    return [name for line in segment.read_text().splitlines() for name in json.loads(line)["names"]]


REQUESTS = {
    "plain": "",
    "fixations": "-m kld,nss,auc,sauc,ig --fixations {fixations} --baseline others",
    "references": "-m kld,nss --fixations {fixations} --baselines",
    "a mask": "--mask {mask}",
    "another size": "-m kld,emd --resize both(size=6x6,kernel=area)",
}


@pytest.mark.parametrize("request_text", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("models", [1, 2])
def test_a_second_run_scores_nothing_and_says_the_same(
    seen: LookedAt, request_text: str, models: int, known_by: str, scored: Scored
) -> None:
    del known_by
    np.save(seen.root / "mask.npy", np.indices(SHAPE).sum(0) % 3 > 0)
    words = request_text.format(fixations=seen.fixations, mask=seen.root / "mask.npy").split()
    paths = [*seen.maps]
    if models > 1:
        paths.insert(0, second_model(seen))
    new = run(*paths, *words)
    first = run(*paths, *words, "--cache", seen.root / "cache")
    scored.names.clear()
    again = run(*paths, *words, "--cache", seen.root / "cache")
    assert scored.names == []
    assert new == first == again


def second_model(seen: LookedAt) -> Path:
    folder = seen.root / "other"
    folder.mkdir()
    for path in (seen.root / "pred").iterdir():
        (folder / path.name).write_bytes((seen.root / "gt" / path.name).read_bytes())
    return folder


@pytest.mark.parametrize("models", [1, 2])
def test_what_is_scored_is_not_read_again_to_be_known(
    seen: LookedAt, models: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest is of the bytes that were decoded: of several models the ground truth's is made once."""
    monkeypatch.setattr("kldeval.digests.SETTLED_NS", 0)
    paths = [*seen.maps] if models == 1 else [second_model(seen), *seen.maps]
    time.sleep(0.005)
    again = recorded(monkeypatch, "kldeval.data.readers.members.file_key")
    noted = recorded(monkeypatch, "kldeval.data.readers.files.note")
    run(*paths, "--cache", seen.root / "cache")
    assert again == []
    assert len({name for name, *_ in noted}) == len(noted) == 3 * (models + 1)


@pytest.mark.parametrize("models", [1, 2])
def test_maps_at_urls_are_known_by_what_came_of_them(
    seen: LookedAt, models: int, scored: Scored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing tells whether they changed: each is fetched again, once for all models."""
    fsspec = pytest.importorskip("fsspec")
    folders = [*seen.maps] if models == 1 else [second_model(seen), *seen.maps]
    places = [f"file://{folder}" for folder in folders]
    assert fsspec.filesystem("file").isdir(str(folders[0]))
    fetched = recorded(monkeypatch, "kldeval.data.containers.remote.read")
    new = run(*places, "--jobs", "1")
    first = run(*places, "--jobs", "1", "--cache", seen.root / "cache")
    again = run(*places, "--jobs", "1", "--cache", seen.root / "cache")
    assert new == first == again
    assert len(scored.names) == 2 * 3 * models
    assert len(fetched) == 3 * 3 * (models + 1)
    changed = sorted(folders[0].iterdir())[1]
    changed.write_bytes(sorted(folders[0].iterdir())[2].read_bytes())
    scored.names.clear()
    assert run(*places, "--jobs", "1", "--cache", seen.root / "cache") == run(*places, "--jobs", "1")
    assert scored.names.count(changed.stem) == 1 + models
    assert len(scored.names) == 1 + 3 * models


def test_a_further_model_is_the_only_one_that_is_scored(seen: LookedAt, scored: Scored) -> None:
    pred, gt = seen.maps
    run(pred, gt, "--cache", seen.root / "cache")
    other = second_model(seen)
    new = run(pred, other, gt)
    scored.names.clear()
    both = run(pred, other, gt, "--cache", seen.root / "cache")
    assert both == new
    assert sorted(scored.names) == sorted(path.stem for path in other.iterdir())


@pytest.mark.parametrize("count", [2, 3])
def test_shares_have_their_rows_in_common(seen: LookedAt, count: int, scored: Scored) -> None:
    words = ("-m", "kld,sauc", "--fixations", seen.fixations, "--cache", seen.root / "cache")
    for number in range(1, count + 1):
        run(*seen.maps, *words, "--shard", f"{number}/{count}")
    scored.names.clear()
    assert run(*seen.maps, *words) == run(*seen.maps, *words[:-2])
    assert scored.names == sorted(path.stem for path in (seen.root / "pred").iterdir())


def test_reference_rows_are_of_the_model_that_has_them(seen: LookedAt, known_by: str) -> None:
    del known_by
    """Which is the first: in another order it is another one, whose rows had none."""
    pred, gt = seen.maps
    other = second_model(seen)
    words = ("-m", "kld,cc", "--baselines")
    run(pred, other, gt, *words, "--cache", seen.root / "cache")
    assert run(other, pred, gt, *words, "--cache", seen.root / "cache") == run(other, pred, gt, *words)


def test_labels_are_kept(tmp_path: Path, scored: Scored) -> None:
    rng = np.random.default_rng(3)
    for side, array in (("pred", rng.random((3, 4, 5))), ("gt", rng.integers(0, 3, (4, 5)))):
        (tmp_path / side).mkdir()
        np.save(tmp_path / side / "a.npy", array)
    words = (tmp_path / "pred", tmp_path / "gt", "-m", "ce,accuracy", "--norm", "softmax", "--axis", "0", "--per-class")
    without = run(*words[:-1], "--cache", tmp_path / "cache")
    assert without == run(*words[:-1])
    new, first = run(*words), run(*words, "--cache", tmp_path / "cache")
    scored.names.clear()
    assert new == first == run(*words, "--cache", tmp_path / "cache")
    assert scored.names == []


def changed_bits(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


@pytest.mark.parametrize("damage", [changed_bits, cut])
def test_damaged_segments_cost_time_alone(seen: LookedAt, damage: Callable[[bytes, random.Random], bytes]) -> None:
    words = (*seen.maps, "-m", "kld,nss", "--fixations", seen.fixations)
    new = run(*words)
    run(*words, "--cache", seen.root / "cache")
    (segment,) = segments(seen.root)
    whole, rng = segment.read_bytes(), random.Random(1)
    for _ in range(15):
        for path in segments(seen.root):
            path.unlink()
        segment.write_bytes(damage(whole, rng))
        assert run(*words, "--cache", seen.root / "cache") == new


def overwrite(path: Path, seed: int) -> None:
    """Other values in a file of the same size, whose time of change says that nothing happened."""
    before = path.stat()
    array = np.load(path)
    np.save(path, np.random.default_rng(seed).random(array.shape).astype(array.dtype))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("side", ["pred", "gt"])
def test_a_file_of_the_same_size_and_time_is_another_file(tmp_path: Path, side: str, known_by: str) -> None:
    del known_by
    floats = make_looked_at(tmp_path / "maps", dtype=np.float32)
    run(*floats.maps, "--cache", floats.root / "cache")
    overwrite(min((floats.root / side).iterdir()), 1)
    assert run(*floats.maps, "--cache", floats.root / "cache") == run(*floats.maps)


@pytest.mark.parametrize("field", ["size", "mtime_ns", "ctime_ns", "inode"])
def test_each_part_of_a_stamp_tells_alone_that_a_file_changed(
    tmp_path: Path, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a file system lacks the others, or somebody has restored them."""
    floats = make_looked_at(tmp_path / "maps", dtype=np.float32)
    path, real = min((floats.root / "pred").iterdir()), resolve_name("kldeval.digests.stamp_of")

    def of_one(path: Any) -> Any:
        found = real(path)
        return found and found._replace(**{name: 1 for name in found._fields if name != field and found.size >= 0})

    for module in ("engine.cache", "engine.worker", "digests"):  # the last, which the others may import only now
        monkeypatch.setattr(f"kldeval.{module}.stamp_of", of_one)
    monkeypatch.setattr("kldeval.digests.SETTLED_NS", 0)
    time.sleep(0.005)
    run(*floats.maps, "--cache", floats.root / "cache")
    array, new = np.load(path)[::-1] ** 2, path.with_name("new.tmp")
    with new.open("wb") as file:
        np.save(file, array.astype(np.float64) if field == "size" else array)
    new.replace(path)
    assert run(*floats.maps, "--cache", floats.root / "cache") == run(*floats.maps)


@pytest.mark.parametrize("young", ["mtime_ns", "ctime_ns"])
def test_a_clock_too_coarse_for_two_changes_is_not_trusted(
    tmp_path: Path, young: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one of both times is young, the stamp tells nothing."""
    floats = make_looked_at(tmp_path / "maps", dtype=np.float32)
    seconds = resolve_name("kldeval.digests.stamp_of")

    def coarse(path: Any) -> Any:
        found = seconds(path)
        if found is None or found.size < 0:
            return found
        return found._replace(**{"mtime_ns": 1, "ctime_ns": 1, young: time.time_ns() // 10**11 * 10**11 + 10**11})

    for module in ("engine.cache", "engine.worker", "digests"):  # the last, which the others may import only now
        monkeypatch.setattr(f"kldeval.{module}.stamp_of", coarse)
    run(*floats.maps, "--cache", floats.root / "cache")
    assert segments(floats.root)
    overwrite(min((floats.root / "pred").iterdir()), 1)
    assert run(*floats.maps, "--cache", floats.root / "cache") == run(*floats.maps)


@pytest.mark.parametrize("is_noted", [True, False], ids=["noted", "read in parts"])
@pytest.mark.parametrize("models", [1, 2])
@pytest.mark.parametrize("side", ["pred", "gt"])
def test_a_file_that_changes_while_it_is_scored_is_not_kept(
    tmp_path: Path, side: str, models: int, known_by: str, monkeypatch: pytest.MonkeyPatch, *, is_noted: bool
) -> None:
    """Whether the reader says what it read, or the file is read again to be known."""
    del known_by
    if not is_noted:
        monkeypatch.setattr("kldeval.data.readers.numpy_files.note", lambda *_: None)
    floats = make_looked_at(tmp_path / "maps", dtype=np.float32)
    paths = [*floats.maps] if models == 1 else [second_model(floats), *floats.maps]
    target = min((floats.root / side).iterdir())
    real = resolve_name("kldeval.data.readers.numpy_files.read_npy")
    times: list[int] = []

    def changing(path: Path, *arguments: Any, **options: Any) -> Any:
        found = real(path, *arguments, **options)
        if path == target and not times:
            times.append(1)
            overwrite(path, 1)
        return found

    with monkeypatch.context() as patch:
        patch.setattr("kldeval.data.readers.Readers.get", lambda _readers, _suffix: changing)
        run(*paths, "--cache", floats.root / "cache")
        assert times
    assert run(*paths, "--cache", floats.root / "cache") == run(*paths)


@pytest.mark.parametrize("side", ["pred", "gt"])
def test_a_young_file_that_changes_within_a_tick_of_the_clock_is_not_kept(
    tmp_path: Path, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stamp stays, so its contents are compared before and after: the old ones may come back."""
    floats = make_looked_at(tmp_path / "maps", dtype=np.float32)
    target = min((floats.root / side).iterdir())
    before = target.read_bytes()
    real, read = resolve_name("kldeval.digests.stamp_of"), resolve_name("kldeval.data.readers.numpy_files.read_npy")
    times: list[int] = []

    def ticking(path: Any) -> Any:
        found = real(path)
        return found and found._replace(
            **({"mtime_ns": time.time_ns() // 10**11 * 10**11 + 10**11, "ctime_ns": 1} if found.size >= 0 else {})
        )

    def changing(path: Path, *arguments: Any, **options: Any) -> Any:
        if path == target and not times:
            times.append(1)
            overwrite(path, 1)
        return read(path, *arguments, **options)

    for module in ("engine.cache", "engine.worker", "digests"):  # the last, which the others may import only now
        monkeypatch.setattr(f"kldeval.{module}.stamp_of", ticking)
    with monkeypatch.context() as patch:
        patch.setattr("kldeval.data.readers.Readers.get", lambda _readers, _suffix: changing)
        run(*floats.maps, "--cache", floats.root / "cache")
        assert times
    target.write_bytes(before)
    assert run(*floats.maps, "--cache", floats.root / "cache") == run(*floats.maps)


def repeat_last_row(table: Path) -> str:
    """Put the last row of a table of fixations there once more; the image that it is of."""
    rows = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([*rows, rows[-1]]) + "\n", encoding="utf-8")
    return rows[-1].partition(",")[0]


@pytest.mark.parametrize("is_said", [True, False], ids=["by the signature", "by the context"])
def test_fixations_on_another_image_change_every_row(
    seen: LookedAt, scored: Scored, monkeypatch: pytest.MonkeyPatch, *, is_said: bool
) -> None:
    """The signature has a part of their digest, and the context all of it."""
    if not is_said:
        monkeypatch.setattr("kldeval.engine.auxiliary.context_text", lambda _: "images(n=3,sha256=0123456789abcdef)")
    words = (*seen.maps, "-m", "sauc,nss", "--fixations", seen.fixations)
    run(*words, "--cache", seen.root / "cache")
    repeat_last_row(seen.fixations)
    scored.names.clear()
    cached = run(*words, "--cache", seen.root / "cache")
    assert len(scored.names) == len(list((seen.root / "pred").iterdir()))
    assert cached == run(*words)


@pytest.mark.parametrize("option", ["--mask", "--weights", "--baseline"])
@pytest.mark.parametrize("is_one", [True, False], ids=["one for all", "one for each"])
@pytest.mark.parametrize("is_said", [True, False], ids=["in the signature", "in the context"])
def test_what_stands_beside_a_pair_is_part_of_its_row(
    seen: LookedAt,
    option: str,
    known_by: str,
    scored: Scored,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_one: bool,
    is_said: bool,
) -> None:
    """Of a single map the signature has a part of the digest, and the context all of it."""
    del known_by
    if not is_said:
        monkeypatch.setattr("kldeval.settings.auxiliary.digest", lambda _: "0123456789abcdef")
    names = ["all"] if is_one else sorted(path.stem for path in (seen.root / "pred").iterdir())
    (seen.root / "beside").mkdir()
    files = [seen.root / "beside" / f"{name}.npy" for name in names]
    for file in files:
        thirds = np.indices(SHAPE).sum(0) % 3
        np.save(file, thirds > 0 if option == "--mask" else thirds + 0.5)
    words = [*seen.maps, option, files[0] if is_one else seen.root / "beside"]
    words += ["-m", "ig", "--fixations", seen.fixations] if option == "--baseline" else []
    run(*words, "--cache", seen.root / "cache")
    before = files[0].stat()
    np.save(files[0], np.roll(np.load(files[0]), 1))
    os.utime(files[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    scored.names.clear()
    cached = run(*words, "--cache", seen.root / "cache")
    assert scored.names == sorted(path.stem for path in (seen.root / "pred").iterdir())[: None if is_one else 1]
    assert cached == run(*words)


def test_fixations_of_another_observer_are_part_of_the_row(seen: LookedAt, scored: Scored) -> None:
    words = (*seen.maps, "-m", "nss", "--fixations", seen.fixations)
    run(*words, "--cache", seen.root / "cache")
    image = repeat_last_row(seen.fixations)
    scored.names.clear()
    cached = run(*words, "--cache", seen.root / "cache")
    assert scored.names == [image]
    assert cached == run(*words)


def test_fixations_of_the_other_map_are_part_of_the_row(seen: LookedAt, known_by: str, scored: Scored) -> None:
    """Whether they are files by name or a list."""
    del known_by
    folder = seen.root / "other-fixations"
    folder.mkdir()
    for name in seen.preds:
        np.save(folder / f"{name}.npy", np.roll(seen.counts(name), 3))
    table = seen.root / "others.csv"
    table.write_text(seen.fixations.read_text())
    for other, path in ((folder, folder / "a.npy"), (table, table)):
        words = (*seen.maps, "-m", "auc-shuffled", "--fixations", seen.fixations, "--other-map", other)
        run(*words, "--cache", seen.root / "cache")
        before = path.stat()
        if path.suffix == ".csv":
            lines = path.read_text().splitlines()
            path.write_text("\n".join([*lines, lines[-1]]) + "\n")
        else:
            np.save(path, np.roll(np.load(path), 1))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        scored.names.clear()
        cached = run(*words, "--cache", seen.root / "cache")
        assert "a" in scored.names if other is folder else scored.names
        assert cached == run(*words)


FIXATIONS = {"rows": [1, 2], "cols": [3, 4], "counts": [1, 2], "durations": [0.1, 0.2]}


@pytest.mark.parametrize("field", [*FIXATIONS, "shape", "observers", "dtype"])
def test_every_field_of_fixations_is_part_of_their_key(field: str) -> None:
    """Also how wide their numbers are: the same bytes are other values there."""
    key, kind = (resolve_name(f"kldeval.{name}") for name in ("engine.cache.fixations_key", "records.Fixations"))
    arrays = {name: np.array(values) for name, values in FIXATIONS.items()}
    fixations = kind(**arrays, shape=(9, 9), observers=("ann", "bob"))
    if field == "dtype":
        other = replace(fixations, rows=arrays["rows"].view(np.float64))
    elif field in arrays:
        other = replace(fixations, **{field: arrays[field][::-1]})
    else:
        other = replace(fixations, **{field: {"shape": (9, 8), "observers": ("ann", "eve")}[field]})
    assert key(fixations) == key(replace(fixations))
    assert key(other) != key(fixations)


@pytest.mark.parametrize("role", ["pred", "gt", "mask", "weights", "baseline", "fixations", "other-map"])
def test_values_beside_a_header_are_part_of_the_row(tmp_path: Path, role: str, known_by: str) -> None:
    """Whatever the map is for."""
    del known_by
    metric = {"baseline": "ig", "fixations": "nss", "other-map": "auc-shuffled"}.get(role, "kld")
    roles = ["pred", "gt", *(["fixations"] if metric != "kld" else []), role]
    header = "NRRD0005\ntype: double\ndimension: 2\nsizes: 6 5\nencoding: raw\nendian: little\ndata file: a.raw\n\n"
    for seed, folder in enumerate(dict.fromkeys(roles)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.nhdr").write_text(header)
        (tmp_path / folder / "a.raw").write_bytes(values_of(seed, folder))
    named = [word for folder in dict.fromkeys(roles[2:]) for word in (f"--{folder}", tmp_path / folder)]
    words = [tmp_path / "pred", tmp_path / "gt", "-m", metric, *(named if role not in {"pred", "gt"} else [])]
    first = run(*words, "--cache", tmp_path / "cache")
    values = tmp_path / role / "a.raw"
    before = values.stat()
    values.write_bytes(values_of(9, role))
    os.utime(values, ns=(before.st_atime_ns, before.st_mtime_ns))
    cached = run(*words, "--cache", tmp_path / "cache")
    assert cached == run(*words)
    assert cached != first


def values_of(seed: int, role: str) -> bytes:
    """Of a map that marks pixels 0 and 1."""
    values = np.random.default_rng(seed).random(30)
    return (1.0 * (values > 0.5) if role in {"mask", "fixations", "other-map"} else values).tobytes()


def test_ground_truths_of_others_change_reference_rows(tmp_path: Path) -> None:
    floats = make_looked_at(tmp_path / "maps", dtype=np.float32)
    words = (*floats.maps, "-m", "kld,cc", "--baselines")
    run(*words, "--cache", floats.root / "cache")
    overwrite(min((floats.root / "gt").iterdir()), 1)
    assert run(*words, "--cache", floats.root / "cache") == run(*words)


def test_refusals_are_kept_with_the_names_of_their_files_and_damage_is_not(tmp_path: Path, scored: Scored) -> None:
    floats = make_looked_at(tmp_path / "maps", dtype=np.float32)
    empty, damaged, *_ = sorted((floats.root / "gt").iterdir())
    np.save(empty, np.zeros_like(np.load(empty)))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:100])
    first = run(*floats.maps, "--cache", floats.root / "cache")
    assert first == run(*floats.maps)
    moved = tmp_path / "moved"
    floats.root.rename(moved)
    maps = (moved / "pred", moved / "gt")
    assert run(*maps, "--cache", moved / "cache") == run(*maps)
    (moved / "gt" / damaged.name).write_bytes(whole)
    scored.names.clear()
    repaired = run(*maps, "--cache", moved / "cache")
    assert scored.names == [damaged.stem]
    assert repaired == run(*maps)


def test_a_refusal_names_the_files_as_this_run_does(
    seen: LookedAt, known_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether they were moved, or are called by other paths."""
    del known_by
    colours = np.random.default_rng(4).integers(0, 255, (*SHAPE, 3), np.uint8)
    Image.fromarray(colours).save(seen.root / "gt" / "a.png")
    cache = seen.root.parent / "kept"
    assert f"{seen.root}/gt/a.png: its colour channels differ" in run(*seen.maps, "--cache", cache).out
    monkeypatch.chdir(seen.root)
    assert run("pred", "gt", "--cache", cache) == run("pred", "gt")
    seen.root.rename(seen.root.parent / "moved")
    maps = (seen.root.parent / "moved" / "pred", seen.root.parent / "moved" / "gt")
    assert run(*maps, "--cache", cache) == run(*maps)


def test_maps_that_are_skipped_are_not_read_again(tmp_path: Path, known_by: str, scored: Scored) -> None:
    del known_by
    floats = make_looked_at(tmp_path / "maps", dtype=np.float32)
    empty = min((floats.root / "gt").iterdir())
    np.save(empty, np.zeros_like(np.load(empty)))
    words = (*floats.maps, "--empty-gt", "skip")
    first = run(*words, "--cache", floats.root / "cache")
    assert "1 map with an all-zero ground truth was skipped" in first.out
    scored.names.clear()
    assert run(*words, "--cache", floats.root / "cache") == first == run(*words)
    assert scored.names == ["a", "b", "c"]  # of the run without a cache


def test_what_could_not_be_read_is_tried_again(tmp_path: Path, known_by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although its file stays what it is: memory may be free tomorrow."""
    del known_by
    floats = make_looked_at(tmp_path / "maps", dtype=np.float32)
    target = min((floats.root / "gt").iterdir())
    read = resolve_name("kldeval.data.readers.numpy_files.read_npy")

    def lacking(path: Path, *arguments: Any, **options: Any) -> Any:
        if path == target:
            raise MemoryError
        return read(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr("kldeval.data.readers.Readers.get", lambda _readers, _suffix: lacking)
        failed = run(*floats.maps, "--cache", floats.root / "cache")
    assert '"code": "no-memory"' in failed.out
    assert run(*floats.maps, "--cache", floats.root / "cache") == run(*floats.maps)


def test_how_a_ground_truth_was_made_is_part_of_its_row(tmp_path: Path) -> None:
    floats = make_looked_at(tmp_path / "maps", dtype=np.float32)
    run(*floats.maps, "--cache", floats.root / "cache")
    for path in (floats.root / "gt").iterdir():
        text = '{"schema": "kldeval.density/1", "made": "gaussian(sigma=24)", "fixations": 12}'
        path.with_suffix(".json").write_text(text, encoding="utf-8")
    told = run(*floats.maps, "--cache", floats.root / "cache")
    assert '"gt_fixations": 12' in told.out
    assert told == run(*floats.maps)


def test_saving_maps_scores_again(seen: LookedAt, scored: Scored) -> None:
    words = (*seen.maps, "--cache", seen.root / "cache")
    run(*words)
    scored.names.clear()
    with pytest.warns(RuntimeWarning, match="the cache keeps nothing here: pixelwise terms are saved, too"):
        run(*words, "--save-maps", seen.root / "terms")
    assert scored.names == sorted(path.stem for path in (seen.root / "pred").iterdir())
    assert (seen.root / "terms").is_dir()


@pytest.mark.parametrize(
    "other", [("--norm", "flatten-softmax"), ("--dtype", "float32"), ("-m", "cc"), ("--max-pixels", "100000")], ids=str
)
def test_another_request_has_rows_of_its_own(seen: LookedAt, other: tuple[str, str]) -> None:
    run(*seen.maps, "--cache", seen.root / "cache")
    assert run(*seen.maps, *other, "--cache", seen.root / "cache") == run(*seen.maps, *other)
    assert len(list((seen.root / "cache").iterdir())) == 2


def test_another_decoder_has_rows_of_its_own(seen: LookedAt, scored: Scored, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*seen.maps, "--cache", seen.root / "cache")
    versions = resolve_name("kldeval.engine.cache.versions_of_readers")(with_torch=False)
    scored.names.clear()
    monkeypatch.setattr(
        "kldeval.engine.cache.versions_of_readers", lambda **_: {**versions, min(versions.keys() - {"python"}): "0"}
    )
    run(*seen.maps, "--cache", seen.root / "cache")
    assert scored.names


def test_a_device_and_its_torch_have_rows_of_their_own(seen: LookedAt, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = []
    for device, torch_ in ((None, "1"), (None, "2"), ("cpu:0", "1"), ("cpu:1", "1"), ("cpu:0", "2"), ("cpu:0", "1")):
        with monkeypatch.context() as patch:
            versions = {True: {"torch": torch_}, False: {}}
            patch.setattr("kldeval.engine.cache.versions_of_readers", lambda *, with_torch, of=versions: of[with_torch])
            if device:
                torch_as_accelerator(patch, device)
            run(*seen.maps, "--cache", seen.root / "cache")
        folders.append(len(list((seen.root / "cache").iterdir())))
    assert folders == [1, 1, 2, 3, 4, 4]


def test_what_was_installed_is_what_the_rows_are_known_by() -> None:
    from importlib.metadata import version

    found = resolve_name("kldeval.provenance.versions_of_readers")(with_torch=True)
    packages = found.keys() - resolve_name("kldeval.provenance.versions")().keys()
    assert {package: found[package] for package in packages} == {package: version(package) for package in packages}
    assert {"torch", "kornia_rs"} <= packages


def test_a_report_says_what_moves_its_last_bits(seen: LookedAt) -> None:
    from importlib.metadata import version

    found = json.loads(run(*seen.maps).out)["provenance"]
    assert (found["numpy"], found["scipy"]) == (version("numpy"), version("scipy"))
    assert found["opencv"].startswith(cv2.__version__)
    assert found["kldeval"] == library.__version__
    assert found["arithmetic"] == resolve_name("kldeval.provenance.arithmetic")()


@pytest.mark.parametrize("name", ["log", "exp", "dot", "sqrt"])
def test_the_fingerprint_tells_arithmetics_apart_that_differ_in_a_bit(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fingerprint = resolve_name("kldeval.provenance.arithmetic").__wrapped__
    ours, function = fingerprint(), getattr(np, name)
    assert ours == fingerprint()
    assert len(bytes.fromhex(ours)) == 6
    monkeypatch.setattr(np, name, lambda *given: np.nextafter(function(*given), 9, dtype=given[0].dtype))
    assert fingerprint() != ours


def test_another_form_of_rows_has_rows_of_its_own(
    seen: LookedAt, scored: Scored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an older version kept is not read as if this one had."""
    run(*seen.maps, "--cache", seen.root / "cache")
    scored.names.clear()
    monkeypatch.setattr("kldeval.engine.cache.SCHEMA", "kldeval.cache/0")
    run(*seen.maps, "--cache", seen.root / "cache")
    assert len(scored.names) == 3


@pytest.mark.parametrize("what", ["arithmetic", "source_key"])
def test_other_arithmetic_or_another_kldeval_has_rows_of_its_own(
    seen: LookedAt, what: str, scored: Scored, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*seen.maps, "--cache", seen.root / "cache")
    scored.names.clear()
    monkeypatch.setattr(f"kldeval.engine.cache.{what}", lambda: "other")
    run(*seen.maps, "--cache", seen.root / "cache")
    assert scored.names


def test_the_library_keeps_rows_too(seen: LookedAt, scored: Scored) -> None:
    pred, gt = seen.maps
    first = library.evaluate(pred, gt, cache=seen.root / "cache")
    scored.names.clear()
    assert library.evaluate(pred, gt, cache=str(seen.root / "cache")) == first
    assert scored.names == []


def test_a_cache_stands_in_a_folder_of_its_own(seen: LookedAt) -> None:
    file = seen.root / "file"
    file.touch()
    refused = kldeval(*seen.maps, "--cache", file)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == f"kldeval: --cache {file}: a file is there; name another folder\n"
    inside = kldeval(*seen.maps, "--cache", seen.root / "gt" / "cache")
    assert inside.code == 2
    assert "would read it as maps" in inside.err


# in processes of their own


def by_all_cores(root: Path, *words: Any) -> Outcome:
    return document(kldeval(root / "pred", root / "gt", *words, "--format", "json"))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A hundred pairs, and their report."""
    root = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(7)
    for side in ("pred", "gt"):
        (root / side).mkdir()
        for number in range(100):
            np.save(root / side / f"{number:03d}.npy", rng.random((96, 128), np.float32))
    return root, by_all_cores(root).out


def started(root: Path, cache: Path, start: Sequence[str] | None = None, **options: Any) -> subprocess.Popen[str]:
    program = [*(start or python()), "-m", "kldeval"]
    command = [*program, root / "pred", root / "gt", "--format", "json", "-q", "--cache", cache]
    # a compiled module that a full disk has cut would stay
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def test_a_run_that_is_killed_goes_on_where_it_was(many: tuple[Path, str], tmp_path: Path) -> None:
    root, whole = many
    rng = random.Random(11)
    codes = []
    for seconds in (0.05, rng.uniform(0.2, 0.3), rng.uniform(0.3, 0.45)):
        process = started(root, tmp_path / "cache", [sys.executable])
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
        process.communicate()
        codes.append(process.returncode)
    assert -signal.SIGKILL in codes
    out, err = started(root, tmp_path / "cache").communicate()
    assert (out, err) == (whole, "")


def test_two_runs_may_write_at_once(many: tuple[Path, str], tmp_path: Path) -> None:
    root, whole = many
    both = [started(root, tmp_path / "cache") for _ in range(2)]
    assert [process.communicate() for process in both] == [(whole, ""), (whole, "")]
    assert by_all_cores(root, "--cache", tmp_path / "cache").out == whole


def test_two_writers_have_segments_of_their_own(tmp_path: Path) -> None:
    both = [Store(tmp_path / "cache"), Store(tmp_path / "cache")]
    for number in range(100):
        both[number % 2].add(f"{number}", {"k": number})
    for store in both:
        store.close()
    found = Store(tmp_path / "cache")
    assert len(segments(tmp_path)) == 2
    assert [list(found.rows(f"{number}")) for number in range(100)] == [[{"k": number}] for number in range(100)]


def test_two_writers_of_one_moment_have_segments_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on two machines of one name."""
    monkeypatch.setattr("time.time_ns", lambda: 7)
    both = [Store(tmp_path / "cache"), Store(tmp_path / "cache")]
    for number, store in enumerate(both):
        store.add(f"{number}", {"k": number})
        store.flush()
    assert [len(path.read_text().splitlines()) for path in segments(tmp_path)] == [1, 1]


def test_a_forked_writer_leaves_the_rows_of_its_parent_to_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    store.add("written", {"k": 0})
    store.flush()
    store.add("waiting", {"k": 1})

    def work() -> None:
        store.add("child", {"k": 2})
        store.close()

    child = get_context("fork").Process(target=work)
    child.start()
    child.join()
    store.close()
    assert sorted(map(names_in, segments(tmp_path))) == [["child"], ["written", "waiting"]]


def test_a_segment_that_is_cut_while_it_is_written_goes_on_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a hole, which would spoil the line behind it."""
    monkeypatch.setattr("kldeval.engine.store.ROWS_OF_LINE", 1)
    store = Store(tmp_path / "cache")
    store.add("a", {"k": 1})
    (segment,) = segments(tmp_path)
    os.truncate(segment, 0)
    store.add("b", {"k": 2})
    store.close()
    assert names_in(segment) == ["b"]


def test_a_line_that_was_damaged_since_it_was_found_is_no_row(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    store.add("a", {"k": 111})
    store.close()
    found = Store(tmp_path / "cache")
    (segment,) = segments(tmp_path)
    segment.write_bytes(segment.read_bytes().replace(b"111", b"112"))
    assert list(found.rows("a")) == []


def test_rows_are_written_on_the_way_and_forced_onto_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of 32 rows or a second, fsync every five seconds and at the end: a crash costs no more than that."""
    clock, synced = [100.0], recorded(monkeypatch, "os.fsync")
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    store = Store(tmp_path / "cache")
    seen: list[tuple[int, int]] = []

    def add(seconds: float) -> None:
        clock[0] += seconds
        store.add("a", {"k": 1})
        paths = segments(tmp_path)
        seen.append((sum(len(path.read_text().splitlines()) for path in paths), len(synced)))

    for _ in range(32):
        add(0)
    assert seen[-2:] == [(0, 0), (1, 0)]
    for seconds in (0, 0.9, 0.2):
        add(seconds)
    assert seen[-2:] == [(1, 0), (2, 0)]
    for seconds in (0, 1, 0, 3):
        add(seconds)
    assert seen[-3:] == [(3, 0), (3, 0), (4, 1)]
    store.close()
    assert len(synced) == 2


def test_a_full_disk_is_a_note_and_the_run_goes_on(many: tuple[Path, str], tmp_path: Path) -> None:
    root, whole = many

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))

    out, err = started(root, tmp_path / "cache", preexec_fn=limited).communicate()
    assert out == whole
    assert "rows are no longer kept" in err
    assert "file too large" in err
    assert by_all_cores(root, "--cache", tmp_path / "cache").out == whole


def test_a_line_says_what_it_holds(seen: LookedAt) -> None:
    run(*seen.maps, "--cache", seen.root / "cache")
    (segment,) = segments(seen.root)
    lines = [json.loads(line) for line in segment.read_text(encoding="ascii").splitlines()]
    assert [set(line) for line in lines] == [{"crc", "names", "rows"}] * len(lines)
    assert sum(len(line["rows"]) for line in lines) == len(list((seen.root / "pred").iterdir()))


def packed_files(folder: Path, target: Path) -> Path:
    """The files of a folder in a zip or a tar, without their times."""
    names = sorted(path.name for path in folder.iterdir())
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w") as archive:
            for name in names:
                archive.writestr(zipfile.ZipInfo(name), (folder / name).read_bytes())
    else:
        mode: Any = f"w:{target.suffix[1:].removeprefix('tar')}"
        with tarfile.open(target, mode) as archive:
            for name in names:
                entry = tarfile.TarInfo(name)
                entry.size = (folder / name).stat().st_size
                archive.addfile(entry, io.BytesIO((folder / name).read_bytes()))
    return target


def packed_arrays(folder: Path, target: Path) -> Path:
    """The arrays of a folder in an .npz, an HDF5 file, one of torch, or a stack."""
    arrays = {path.stem: np.load(path) for path in sorted(folder.iterdir())}
    if target.suffix == ".npz":
        np.savez(target, **arrays)
    elif target.suffix == ".h5":
        with h5py.File(target, "w", track_order=True) as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=array, track_times=False)
    elif target.suffix == ".pt":
        torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, target)
    elif target.suffix == ".nc":
        axes = {"name": list(arrays), "y": np.arange(SHAPE[0]), "x": np.arange(SHAPE[1])}
        data = xarray.Dataset({"map": (tuple(axes), np.stack(list(arrays.values())))}, axes)
        data.to_netcdf(target, engine="h5netcdf")
    else:
        np.save(target, np.stack(list(arrays.values())))
    return target


CONTAINERS = {
    "zip": packed_files,
    "tar": packed_files,
    "tar.gz": packed_files,
    "npz": packed_arrays,
    "h5": packed_arrays,
    "pt": packed_arrays,
    "nc": packed_arrays,
    "npy": packed_arrays,
}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) if kind in ("pt", "nc") else kind for kind in CONTAINERS]
)
def test_maps_in_containers_are_kept_until_they_change(
    tmp_path: Path, kind: str, known_by: str, scored: Scored
) -> None:
    """Of each kind one member is changed behind the back of the clock: its pair is scored again, and no other."""
    floats = make_looked_at(tmp_path / "maps", dtype=np.float32)
    sides = [CONTAINERS[kind](floats.root / side, tmp_path / f"{side}.{kind}") for side in ("pred", "gt")]
    words = (*sides, *(["--stack"] if kind == "npy" else []))
    kept = ("--cache", tmp_path / "cache")
    if known_by == "by stamp":
        time.sleep(0.005)
    new = run(*words)
    assert run(*words, *kept) == new
    scored.names.clear()
    assert run(*words, *kept) == new
    settled = known_by == "by stamp"
    assert scored.names == [] or (kind == "npy" and not settled)
    for role, side in zip(("pred", "gt"), sides, strict=True):
        before = side.stat()
        overwrite(min((floats.root / role).iterdir()), 5)
        CONTAINERS[kind](floats.root / role, side)
        os.utime(side, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert side.stat().st_size == before.st_size or kind == "tar.gz"
        scored.names.clear()
        changed = run(*words, *kept)
        assert len(scored.names) in ((1, 3) if kind == "npy" else (1,))
        assert changed == run(*words)
        assert changed != new
        new = changed


def test_a_young_container_of_ground_truths_is_read_for_several_models_and_kept(seen: LookedAt, scored: Scored) -> None:
    """What it held when it was read for all of them tells that it holds the same when each is scored."""
    gt = packed_arrays(make_looked_at(seen.root / "floats", dtype=np.float32).root / "gt", seen.root / "gt.npz")
    asked = (seen.root / "pred", second_model(seen), gt, "--cache", seen.root / "cache")
    first = run(*asked)
    scored.names.clear()
    assert run(*asked) == first
    assert scored.names == []


def test_members_of_one_container_are_told_apart(tmp_path: Path, known_by: str) -> None:
    """A template that leads to another member of the same, unchanged file has another row."""
    del known_by
    rng = np.random.default_rng(3)
    arrays: dict[str, Any] = {f"{name}_{kind}": rng.random(SHAPE) for name in ("a", "b") for kind in ("old", "new")}
    np.savez(tmp_path / "p.npz", **arrays)
    np.savez(tmp_path / "g.npz", a=rng.random(SHAPE), b=rng.random(SHAPE))
    for kind in ("old", "new", "old"):
        words = (tmp_path / "p.npz", tmp_path / "g.npz", "--pred-name", f"{{name}}_{kind}", "--allow-extra")
        assert run(*words, "--cache", tmp_path / "cache") == run(*words)


def test_rows_are_looked_up_some_at_a_time(seen: LookedAt, scored: Scored, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pairs there are, the rows of so many are held; what is missing is scored in between."""
    monkeypatch.setattr("kldeval.engine.cache.TASKS_AT_ONCE", 2)
    first, *_ = sorted((seen.root / "pred").iterdir())
    new = run(*seen.maps)
    assert run(*seen.maps, "--cache", seen.root / "cache", "--limit", "2").code == 0
    scored.names.clear()
    assert run(*seen.maps, "--cache", seen.root / "cache") == new
    assert first.stem not in scored.names
    assert len(scored.names) == len(list((seen.root / "pred").iterdir())) - 2


def test_users_are_told_of_files_by_sha256_and_rows_are_known_by_another_hash(seen: LookedAt, known_by: str) -> None:
    """Neither where both are asked for at once, in either order."""
    del known_by
    words = (*seen.maps, "--digests")
    told = json.loads(run(*words).out)["provenance"]["inputs"]["digests"]
    for side, folder in zip(("pred", "gt"), seen.maps, strict=True):
        assert told[side] == {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    for _ in range(2):
        assert json.loads(run(*words, "--cache", seen.root / "cache").out)["provenance"]["inputs"]["digests"] == told
    lines = "".join(path.read_text() for path in segments(seen.root))
    assert not [digest for side in told.values() for digest in side.values() if digest in lines]


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "f8", ">f8", "u1", "u2", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_kind_of_array_is_known_again(
    tmp_path: Path, dtype: str, order: Literal["C", "F"], scored: Scored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the bytes that were decoded, and by those that are read to be compared."""
    for side, seed in (("pred", 1), ("gt", 2)):
        (tmp_path / side).mkdir()
        values = np.random.default_rng(seed).integers(0, 2, (6, 5))
        np.save(tmp_path / side / "a.npy", np.asarray(values, dtype=dtype, order=order))
    words = (tmp_path / "pred", tmp_path / "gt", "-m", "sim", "--cache", tmp_path / "cache")
    monkeypatch.setattr("kldeval.digests.SETTLED_NS", 0)
    time.sleep(0.005)
    first = run(*words)
    scored.names.clear()
    for side in ("pred", "gt"):
        os.utime(tmp_path / side / "a.npy")
    monkeypatch.setattr("kldeval.digests.SETTLED_NS", 2_000_000_000)
    assert run(*words) == first
    assert scored.names == []
