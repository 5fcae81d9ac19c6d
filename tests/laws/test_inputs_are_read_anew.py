"""What lies at a path or a URL is read anew by every call, whatever was kept of it for the call before."""

from __future__ import annotations

import io
import os
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from late import late
from looping import each_of

import kldeval

if TYPE_CHECKING:
    from collections.abc import Iterator

fsspec = pytest.importorskip("fsspec")
memory_files = late("fsspec.implementations.memory")


def npy(array: Any) -> bytes:
    stored = io.BytesIO()
    np.save(stored, array)
    return stored.getvalue()


def folder(place: Path, array: Any) -> Path:
    place.mkdir(exist_ok=True)
    (place / "a.npy").write_bytes(npy(array))
    return place


def stack(place: Path, array: Any) -> Path:
    place.with_suffix(".stack.npy").write_bytes(npy(array[None]))
    return place.with_suffix(".stack.npy")


def archive(place: Path, array: Any) -> Path:
    with zipfile.ZipFile(place.with_suffix(".zip"), "w") as file:
        file.writestr("a.npy", npy(array))
    return place.with_suffix(".zip")


def arrays(place: Path, array: Any) -> Path:
    np.savez(place.with_suffix(".npz"), a=array)
    return place.with_suffix(".npz")


def folder_elsewhere(place: Path, array: Any) -> str:
    fsspec.filesystem("memory").pipe_file(f"/anew/{place.name}/a.npy", npy(array))
    return f"memory://anew/{place.name}"


def file_elsewhere(place: Path, array: Any) -> str:
    return f"{folder_elsewhere(place, array)}/a.npy"


def stack_elsewhere(place: Path, array: Any) -> str:
    return file_elsewhere(place, array[None])


@pytest.fixture
def elsewhere() -> Iterator[None]:
    yield
    files = fsspec.filesystem("memory")
    if files.exists("/anew"):
        files.rm("/anew", recursive=True)


KINDS = (folder, archive, arrays, stack, folder_elsewhere, file_elsewhere, stack_elsewhere)
"""What writes the only map of a side."""


@pytest.mark.usefixtures("elsewhere")
@each_of("write", KINDS)
def test_maps_that_were_replaced(tmp_path: Path, write: Any) -> None:
    gt, *preds = np.random.default_rng(5).random((4, 6, 6))
    side, values = write(tmp_path / "gt", gt), []
    for pred in preds:
        is_stack = "stack" in write.__name__
        found = kldeval.evaluate(write(tmp_path / "pred", pred), side, metric="kld", stack=is_stack or None, jobs=1)
        values.append(found.scores[0].values["kld"])
    assert values == pytest.approx([kldeval.kld(pred, gt) for pred in preds], rel=1e-12)


@pytest.mark.usefixtures("elsewhere")
def test_fixations_that_were_replaced(tmp_path: Path) -> None:
    pred, gt = np.random.default_rng(6).random((2, 6, 6))
    sides = folder_elsewhere(Path("pred"), pred), folder_elsewhere(Path("gt"), gt)
    for x in range(3):
        (tmp_path / "points.csv").write_text(f"name,x,y\na,{x},1\na,5,5\n")
        fsspec.filesystem("memory").pipe_file("/anew/points.csv", (tmp_path / "points.csv").read_bytes())
        here, there = (
            kldeval.evaluate(*sides, metric="nss", fixations=points, jobs=1).scores[0].values["nss"]
            for points in (tmp_path / "points.csv", "memory://anew/points.csv")
        )
        assert there == here


@pytest.mark.usefixtures("elsewhere")
def test_listings_that_a_file_system_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    listed: dict[str, Any] = {}

    def forget(_: object, path: str | None = None) -> None:
        if path is None:
            listed.clear()

    kind = memory_files.MemoryFileSystem
    finds = kind.find
    monkeypatch.setattr(kind, "find", lambda self, path, **said: listed.setdefault(path, finds(self, path, **said)))
    monkeypatch.setattr(kind, "invalidate_cache", forget)
    sides = folder_elsewhere(Path("pred"), np.ones((4, 4))), folder_elsewhere(Path("gt"), np.ones((4, 4)))
    assert len(kldeval.evaluate(*sides, jobs=1).scores) == 1
    for side in ("pred", "gt"):
        fsspec.filesystem("memory").pipe_file(f"/anew/{side}/b.npy", npy(np.ones((4, 4))))
    assert len(kldeval.evaluate(*sides, jobs=1).scores) == 2


@each_of("write", (archive, arrays, stack))
def test_where_times_of_files_are_whole_seconds(tmp_path: Path, write: Any) -> None:
    """As on Lustre: files that are written over within a second keep their size, times and inode.

    Their second is one to come, so that a busy machine does not let it pass.
    """
    gt, *preds = np.random.default_rng(7).random((4, 6, 6))
    side, of_system = write(tmp_path / "gt", gt), os.stat
    now = (time.time_ns() // 10**9 + 100) * 10**9

    def coarse(*args: Any, **options: Any) -> os.stat_result:
        found = of_system(*args, **options)
        return os.stat_result(tuple(found), {"st_mtime_ns": now, "st_ctime_ns": now})

    values = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "stat", coarse)
        for pred in preds:
            is_stack = write is stack or None
            found = kldeval.evaluate(write(tmp_path / "pred", pred), side, metric="kld", stack=is_stack, jobs=1)
            values.append(found.scores[0].values["kld"])
    assert values == pytest.approx([kldeval.kld(pred, gt) for pred in preds], rel=1e-12)
